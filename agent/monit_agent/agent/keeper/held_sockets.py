"""The app's listening sockets, held for the next keeper.

A socket ends with the last process that has it. While all workers of an app start, stop or wait,
that is the keeper alone: if it were killed then, clients would be refused until the next one has
bound the port again. So the agent has them too, and passes them to the keeper that it starts. That
also works where the kernel lets no process copy them out of the workers (yama).
"""

import contextlib
import os
import socket
from collections.abc import Generator

from monit_agent.agent.journal import log

ANSWER_S = 0.5
"""A keeper answers within a millisecond; one that is stopped is asked again a second later."""
MOST = 64
"""Sockets of one app; the kernel passes at most 253 with one message."""


class HeldSockets:
    """Copies of the listening sockets of the app's keeper, which answers at ``path``."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fds: list[int] = []
        self._outdated = False

    def changed(self, count: int) -> None:
        """Take what the keeper has now. When it has none, the ports must be free at once."""
        if count:
            self.changed_unseen()
        else:
            self._outdated = False
            self._replace([])

    def close(self) -> None:
        """Close the copies."""
        self._replace([])

    def changed_unseen(self) -> None:
        """Take what the keeper has now, which may be nothing: it is another one."""
        self._outdated = True
        self.renew_if_outdated()

    def renew_if_outdated(self) -> None:
        """Take what the keeper has now, if that did not work when it changed."""
        if not self._outdated:
            return
        try:
            self._replace(self._request())
        except OSError as error:
            log(f"cannot hold the app's sockets yet: {error}")
        else:
            self._outdated = False

    @contextlib.contextmanager
    def inherited(self) -> Generator[None]:
        """Let a process that is started inside this context have the sockets."""
        for fd in self._fds:
            os.set_inheritable(fd, True)
        try:
            yield
        finally:
            for fd in self._fds:
                os.set_inheritable(fd, False)

    def _request(self) -> list[int]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as keeper:
            keeper.settimeout(ANSWER_S)
            keeper.connect(self._path)
            keeper.send(b"hold\n")
            _, fds, _, _ = socket.recv_fds(keeper, 16, MOST, socket.MSG_CMSG_CLOEXEC)
        return fds

    def _replace(self, fds: list[int]) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds = fds
