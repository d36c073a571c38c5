"""The place of a log file where nothing is kept: the pipe is emptied, and the offsets count on."""

import os
from collections.abc import Callable

from monit_agent.keeper.logs.file import LogFile
from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.wire.logfiles import StreamNames

_READ_BYTES = 65536


class DiscardedOutput(LogFile):
    """A stream that goes nowhere, from the offset ``base`` on."""

    def __init__(self, names: StreamNames, base: int) -> None:
        super().__init__(names)
        self.base = base

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

    def read_last(self, begin: int, most: int) -> bytes:  # noqa: ARG002
        """Return nothing."""
        return b""

    def move_from(self, pipe: int, most: int, wall_ns: int) -> int:  # noqa: ARG002
        """Read up to ``most`` bytes and drop them. Raise BlockingIOError when there are none."""
        self.unwritten = b""
        count = len(os.read(pipe, min(most, _READ_BYTES)))
        self.base += count
        return count
