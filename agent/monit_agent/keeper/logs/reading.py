"""A reader that passes on what workers print (``monit run``), and does not keep up.

The streams wait for it as a pipe would, so that a slow standard output slows the workers and loses
nothing. But not for one that takes nothing at all: after `STALLED_S` the streams move on, and what
it then finds gone from the files is lost to it.
"""

import time
from collections.abc import Callable, Iterable

from monit_agent.keeper.logs.failing import Key
from monit_agent.keeper.logs.file import LogFile
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.upgrade.inherited import Values

AHEAD_BYTES = 1 << 20
"""How far a file may be ahead of the reader: what a pipe holds as well."""

FILE_BYTES = 1 << 20
"""A file of this size is emptied when the reader has all of it."""

FULL_BYTES = 4 << 20
"""A file of this size waits for that. Without a reader that reads, it is emptied: a container has
64 MB of ``/dev/shm``."""

STALLED_S = 10.0
"""Longer than a busy machine keeps a reader from running."""


class LogReading:
    """How far each stream was read. ``resume(keys)`` is called when streams may move again."""

    def __init__(self, loop: Loop, resume: Callable[[Iterable[Key]], None]) -> None:
        self._loop = loop
        self._resume = resume
        self._read: dict[Key, int] = {}
        self._held: set[Key] = set()
        self._is_used = False
        self._is_stalled = False

    def begin(self) -> None:
        """Expect a reader from now on."""
        self._is_used = True

    def hand_on(self) -> Values:
        """Return how far each stream was read, for the next program."""
        return {"is_used": self._is_used, "read": [[*key, end] for key, end in self._read.items()]}

    def resume(self, given: Values) -> None:
        """Continue with the reader of the program before this one."""
        self._is_used = given.get("is_used", False)
        self._read = {(number, stream): end for number, stream, end in given.get("read", ())}

    def must_wait(self, key: Key, file: LogFile) -> bool:
        """Return whether the stream must wait for the reader; it is resumed later."""
        if not self._is_used or self._is_stalled or not self._is_behind(key, file):
            return False
        if not self._held:
            self._loop.set_alarm("reader", time.monotonic() + STALLED_S, self._stall)
        self._held.add(key)
        return True

    def must_empty(self, key: Key, file: LogFile) -> bool:
        """Return whether the file must be emptied now."""
        if not self._is_used:
            return False
        if self._read.get(key) == file.end:
            return file.size >= FILE_BYTES
        return self._is_stalled and file.size >= FULL_BYTES

    def was_read(self, key: Key, offset: int) -> None:
        """Note that a stream was read up to ``offset``, and let all streams move."""
        self._read[key] = offset
        self._is_stalled = False
        held, self._held = self._held, set()
        self._loop.set_alarm("reader", None, self._stall)
        self._resume(held)

    def forget(self, key: Key) -> None:
        """Forget a stream that is closed."""
        self._held.discard(key)
        self._read.pop(key, None)

    def _is_behind(self, key: Key, file: LogFile) -> bool:
        read = max(self._read.get(key, 0), file.base)
        return file.end - read >= AHEAD_BYTES or (file.size >= FULL_BYTES and read < file.end)

    def _stall(self) -> None:
        self._is_stalled = True
        held, self._held = self._held, set()
        self._resume(held)
