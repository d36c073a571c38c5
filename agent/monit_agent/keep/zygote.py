"""Asks the home's zygote for an agent, and never waits for it (``observe/zygote.py``)."""

import _socket as socket
import os
import struct
import time
from collections.abc import Callable

from monit_agent.keep.listeners import hand_over
from monit_agent.keep.loop import Loop
from monit_agent.keep.spawn import lent_limits
from monit_agent.wire.places import home_of, zygote_socket

ANSWER_S = 1.0
"""A zygote that takes longer is stuck; should it answer later after all, the agent that it makes
finds the place taken and leaves."""

_INT = struct.Struct("i")


class Zygote:
    """``born(pid, pidfd)`` when there is an agent, ``failed()`` when there will be none."""

    def __init__(
        self, loop: Loop, born: Callable[[int, int], None], failed: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._born = born
        self._failed = failed
        self._sock: socket.socket | None = None

    @property
    def is_asked(self) -> bool:
        """Whether an answer is awaited."""
        return self._sock is not None

    def ask(self, folder: str, env: dict[bytes, bytes]) -> bool:
        """Ask for the agent of ``folder``; False when there is nobody to ask."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(zygote_socket(home_of(folder)))
            request = _file(folder, env)
            try:
                hand_over(sock, b"?", request)
            finally:
                os.close(request)
        except OSError:
            sock.close()
            return False
        self._sock = sock
        self._loop.watch(sock.fileno(), self._answered)
        self._loop.alarm("zygote", time.monotonic() + ANSWER_S, self._give_up)
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
            self._born(_INT.unpack(word)[0], fds[0])
        else:
            self._failed()

    def _give_up(self) -> None:
        self._close()
        self._failed()

    def _close(self) -> None:
        self._loop.alarm("zygote", None, self._give_up)
        if self._sock is not None:
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._sock = None


def _file(folder: str, env: dict[bytes, bytes]) -> int:
    """Give an open file with a request; OSError when there is no memory for it."""
    pairs = (name + b"=" + value for name, value in env.items())
    raw = b"".join(part + b"\0" for part in (os.fsencode(folder), b"%d %d" % lent_limits(), *pairs))
    fd = os.memfd_create("agent")
    try:
        while raw:
            raw = raw[os.write(fd, raw) :]
    except OSError:
        os.close(fd)
        raise
    return fd
