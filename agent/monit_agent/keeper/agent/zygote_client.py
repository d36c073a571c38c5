"""Requests an agent from the home's zygote, without waiting for it (``agent/zygote.py``). The agent
runs in a process that may have those of other apps."""

import os
import struct
import time
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.spawn import limits_for_children
from monit_agent.system.memory.anonymous_file import anonymous_file
from monit_agent.system.sockets import hand_over, is_own_user, socket
from monit_agent.wire.paths import home_of, zygote_socket

FIRST_ANSWER_S, ANSWER_S = 4.0, 1.0
"""A zygote that takes longer is stuck, or the process that it chose: with the first agent of an
app, when many apps may start at the same time, and with one that replaces an agent. If that
continues later, it finds that another one has the agent."""

_INT = struct.Struct("i")


class ZygoteClient:
    """Calls ``started(pid, pidfd)`` when a process has taken the agent, ``failed()`` when none
    will."""

    def __init__(
        self, loop: Loop, started: Callable[[int, int], None], failed: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._started = started
        self._failed = failed
        self._sock: socket.socket | None = None

    @property
    def is_pending(self) -> bool:
        """Return whether an answer is awaited."""
        return self._sock is not None

    def request_agent(
        self, folder: str, env: dict[bytes, bytes], answer_s: float, *, alone: bool
    ) -> bool:
        """Request the agent of ``folder``, ``alone`` in its process or not, which must come within
        ``answer_s`` seconds; return False when there is no zygote."""
        self._close()  # of two agents, the second one finds the first and exits
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(zygote_socket(home_of(folder)))
            if not is_own_user(sock):
                raise PermissionError
            request = _file(folder, env, alone=alone)
            try:
                hand_over(sock, b"?", request)
            finally:
                os.close(request)
        except OSError:
            sock.close()
            return False
        self._sock = sock
        self._loop.watch(sock.fileno(), self._answered)
        self._loop.set_alarm("zygote", time.monotonic() + answer_s, self._give_up)
        return True

    def _answered(self, _events: int) -> None:
        if self._sock is None:
            return
        try:
            word, rights, _, _ = self._sock.recvmsg(_INT.size, socket.CMSG_SPACE(_INT.size))
        except OSError:
            word, rights = b"", []
        self._close()
        fds = [_INT.unpack_from(data)[0] for _, kind, data in rights if kind == socket.SCM_RIGHTS]
        if len(word) == _INT.size and fds:
            os.set_inheritable(fds[0], False)
            self._started(_INT.unpack(word)[0], fds[0])
        else:
            self._failed()

    def _give_up(self) -> None:
        self._close()
        self._failed()

    def _close(self) -> None:
        self._loop.set_alarm("zygote", None, self._give_up)
        if self._sock is not None:
            self._loop.unwatch(self._sock.fileno())
            self._sock.close()
            self._sock = None


def _file(folder: str, env: dict[bytes, bytes], *, alone: bool) -> int:
    """Return an open file with the request; raise OSError when there is no memory for it."""
    pairs = (name + b"=" + value for name, value in env.items())
    limits, shared = b"%d %d" % limits_for_children(), b"alone" if alone else b""
    raw = b"".join(part + b"\0" for part in (os.fsencode(folder), limits, shared, *pairs))
    return anonymous_file("agent", raw)
