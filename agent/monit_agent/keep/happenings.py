"""The last happenings, for clients that join later."""

from collections import deque

from monit_agent.supervise.typed import Any
from monit_agent.wire.limits import HAPPENINGS


class Happenings:
    """A ring of `Happening` records (see ``wire/messages.py``), as JSON-able values."""

    def __init__(self) -> None:
        self._ring: deque[dict[str, Any]] = deque(maxlen=HAPPENINGS)
        self._seq = 0

    def add(
        self, at: float, kind: str, instance: int | None, text: str, by: str | None = None
    ) -> dict[str, Any]:
        """Remember a happening and give its record."""
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

    def all(self) -> list[dict[str, Any]]:
        """Give what is remembered, oldest first."""
        return list(self._ring)
