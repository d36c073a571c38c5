"""Keepers that are forked from one process (``keeper/fork_server.py``), for whoever starts several.

Ten keepers that were forked take 51 MB (PSS, idle, Python 3.11) where ten that were started take
78, and 17 ms of CPU each until their apps run where those take 66. What they do not share any more
is what they have used: counting a reference writes to its page.
"""

import array
import os
import signal
import time
from collections.abc import Callable, Sequence

from monit_agent.system.sockets import socket
from monit_agent.system.suppress import suppress
from monit_agent.wire.paths import fork_server_command

ANSWER_WITHIN_S = 5.0
"""It starts within a tenth of a second, and forks within a hundredth; a busy machine needs more."""

AGAIN_S = 10.0
"""After a failure keepers are started for so long; then it is tried again. It fails when another
version was installed, and the next one is of that."""


class ForkedKeepers:
    """Forks keepers of the home ``home``. ``start(command, stdin)`` starts the process that forks
    as a keeper is started by itself, and returns its pid."""

    def __init__(self, home: str, start: Callable[[list[str], int], int]) -> None:
        self._home = home
        self._start_process = start
        self._channel: socket.socket | None = None
        self._pidfd = -1
        self._not_before = 0.0

    def fork(self, folder: str, fds: Sequence[int]) -> int | None:
        """Fork a keeper of the app in ``folder``, with its standard input, output and error; return
        its pid, or None where it must be started instead."""
        if time.monotonic() < self._not_before:
            return None
        try:
            if self._channel is None:
                self._channel = self._start()
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            self._channel.sendmsg([os.fsencode(folder)], rights)
            return int(self._channel.recv(32))
        except (OSError, ValueError):
            self._not_before = time.monotonic() + AGAIN_S
            self._end()  # it must not fork later what is started now
            return None

    def close(self) -> None:
        """End the process that forks; the keepers keep running."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = self._start_process(fork_server_command(self._home), theirs.fileno())
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.settimeout(ANSWER_WITHIN_S)
        return ours

    def _end(self) -> None:
        if self._pidfd >= 0:
            with suppress(OSError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self.close()
