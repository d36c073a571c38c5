"""Starts the processes of keepers: forked from one that has their code loaded, or by themselves."""

import os
import time
from collections.abc import Callable, Sequence

from monit_agent.keeper.forked import ForkedKeepers
from monit_agent.keeper.loop import Loop
from monit_agent.typed import Any
from monit_agent.wire.paths import keeper_command

SpawnKeeper = Callable[[str, Sequence[int]], int]
"""Starts the keeper of the app in a folder with its standard input, output and error; returns its
pid. Raises OSError."""

LINGER_S = 10.0
"""How long the process that forks stays after the last keeper. It takes 7 MB (PSS); that it shares
with the keepers stays shared among them."""


class KeeperSpawns:
    """Starts keepers of the home ``home``, each in a session of its own; forked, unless it is
    known that there are not ``several``. ``how`` is for `os.posix_spawn`: the signals with which
    they begin."""

    def __init__(self, loop: Loop, home: str, *, several: bool = True, **how: Any) -> None:
        self._loop = loop
        self._several = several
        self._how = how
        self._forked = ForkedKeepers(home, self._start_forking)

    def spawn(self, folder: str, fds: Sequence[int]) -> int:
        """Start a keeper; see `SpawnKeeper`."""
        pid = None
        if self._several:
            self._loop.set_alarm("forked", time.monotonic() + LINGER_S, self._forked.close)
            pid = self._forked.fork(folder, fds)
        return self._start(keeper_command(folder), fds) if pid is None else pid

    def _start_forking(self, command: list[str], channel: int) -> int:
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            return self._start(command, (channel, nowhere, nowhere))
        finally:
            os.close(nowhere)

    def _start(self, command: list[str], fds: Sequence[int]) -> int:
        return os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)],
            setsid=True,
            **self._how,
        )
