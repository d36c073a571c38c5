"""Collecting what happens between two polls of a `Source`."""

from monit_agent.client.source import Changes, LogChunk
from monit_agent.wire.messages import Happening


class Gathering:
    """What one poll will bring; `take` begins the next."""

    def __init__(self) -> None:
        self.apps: set[str] = set()
        self.sampled: set[str] = set()
        self.logs: list[LogChunk] = []
        self.log_bytes = 0
        self.happened: list[tuple[str, Happening]] = []

    def __bool__(self) -> bool:
        return bool(self.apps or self.sampled or self.logs or self.happened)

    def add_log(self, chunk: LogChunk) -> None:
        """Add log bytes."""
        self.logs.append(chunk)
        self.log_bytes += len(chunk.data)

    def take(self) -> Changes:
        """Give what was gathered and forget it."""
        changes = Changes(
            frozenset(self.apps), frozenset(self.sampled), tuple(self.logs), tuple(self.happened)
        )
        self.apps.clear()
        self.sampled.clear()
        self.logs.clear()
        self.happened.clear()
        self.log_bytes = 0
        return changes
