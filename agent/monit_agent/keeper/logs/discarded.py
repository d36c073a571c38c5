"""The place of a log file where nothing is kept: the pipe is emptied, and the offsets count on.

The last bytes stay in memory, for the reason of a failure.
"""

import os
from collections.abc import Callable

from monit_agent.keeper.logs.file import LogFile
from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.wire.logfiles import StreamNames

_READ_BYTES = 65536
_TAIL_BYTES = 4096
"""As much as a reason is looked for in (`Logs.last_bytes_since`)."""


class DiscardedOutput(LogFile):
    """A stream that goes nowhere, from the offset ``base`` on."""

    def __init__(self, names: StreamNames, base: int) -> None:
        super().__init__(names)
        self.base = base
        self._tail = b""

    def hand_on(self, keep: Callable[[int], int]) -> Values:  # noqa: ARG002
        """Return how many bytes went by."""
        return {"base": self.base}

    def resume(self, inherited: Inherited, given: Values) -> None:  # noqa: ARG002
        """Count on."""
        self.base = given["base"]

    def open(self) -> None:
        """Do nothing: there is no file."""

    def repair(self) -> None:
        """Do nothing: no file can be damaged."""

    def was_moved(self) -> bool:
        """Return False: no file can be moved."""
        return False

    def has_room(self) -> bool:
        """Return True: nothing is written."""
        return True

    def flush(self) -> None:
        """Do nothing: nothing is kept."""

    def finish_line(self) -> None:
        """Do nothing: no line is kept."""

    def read_last(self, begin: int, most: int) -> bytes:
        """Return at most ``most`` of the last bytes from the logical offset ``begin`` on, of the
        little that is in memory."""
        known = self._tail[-most:] if most else b""
        return known[max(0, begin - (self.base - len(known))) :]

    def move_from(self, pipe: int, most: int, wall_ns: int) -> int:  # noqa: ARG002
        """Read up to ``most`` bytes and drop them. Raise BlockingIOError when there are none."""
        self.unwritten = b""
        return self._pass_by(os.read(pipe, min(most, _READ_BYTES)))

    def _pass_by(self, raw: bytes) -> int:
        """Count bytes that leave the pipe, and return how many."""
        self.base += len(raw)
        short = self._tail if len(raw) < _TAIL_BYTES else b""
        self._tail = (short + raw)[-_TAIL_BYTES:]
        return len(raw)
