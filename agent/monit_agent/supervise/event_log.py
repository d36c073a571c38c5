"""The last entries of the event log, for clients that connect later."""

from collections import deque

from monit_agent.typed import Any


class EventLog:
    """A ring of `EventRecord` records (see ``wire/messages.py``), as JSON-able values."""

    def __init__(self, kept: int) -> None:
        self._ring: deque[dict[str, Any]] = deque(maxlen=kept)
        self._seq = 0

    def add(
        self, at: float, kind: str, instance: int | None, text: str, by: str | None = None
    ) -> dict[str, Any]:
        """Add an entry and return its record."""
        self._seq += 1
        record: dict[str, Any] = {
            "seq": self._seq,
            "at": at,
            "kind": kind,
            "instance": instance,
            "text": text,
            "by": by,
        }
        self._ring.append(record)
        return record

    def restore(self, entries: list[dict[str, Any]]) -> None:
        """Continue the log of another program that supervised the app."""
        self._ring.extend(entries)
        self._seq = max([self._seq, *(entry["seq"] for entry in entries)])

    def all(self) -> list[dict[str, Any]]:
        """Return the entries, oldest first."""
        return list(self._ring)
