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

from monit_agent.agent.agent_loop import AgentLoop
from monit_agent.agent.journal import log

MOST = 64
"""Sockets of one app; the kernel passes at most 253 with one message."""


class HeldSockets:
    """Copies of the listening sockets of the app's keeper, which answers at ``path``.

    The agent works while it waits for them: a keeper that is busy or stopped answers late.
    """

    def __init__(self, loop: AgentLoop, path: str) -> None:
        self._loop = loop
        self._path = path
        self._fds: list[int] = []
        self._outdated = False
        self._request: socket.socket | None = None
        """The connection by which the answer comes."""

    def changed(self, count: int) -> None:
        """Take what the keeper has now. When it has none, the ports must be free at once."""
        if count:
            self.changed_unseen()
        else:
            self._outdated = False
            self._end_request()
            self._replace([])

    def close(self) -> None:
        """Close the copies, and take no more."""
        self._end_request()
        self._replace([])

    def changed_unseen(self) -> None:
        """Take what the keeper has now, which may be nothing: it is another one."""
        self._outdated = True
        self._end_request()  # the answer may tell of before the change
        self.renew_if_outdated()

    def renew_if_outdated(self) -> None:
        """Request what the keeper has now, if that did not work when it changed."""
        if not self._outdated or self._request is not None:
            return
        keeper = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        keeper.setblocking(False)
        try:
            keeper.connect(self._path)
            keeper.send(b"hold\n")
        except OSError as error:
            keeper.close()
            _log_failure(error)
            return
        self._request = keeper
        self._loop.add_reader(keeper, self._take, keeper)

    def _take(self, keeper: socket.socket) -> None:
        """Hold what a keeper has sent."""
        try:
            data, fds, _, _ = socket.recv_fds(keeper, 16, MOST, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError as error:
            self._end_request()
            _log_failure(error)
            return
        self._end_request()
        if data:  # else it has exited; there will be another one
            self._outdated = False
            self._replace(fds)

    def _end_request(self) -> None:
        if self._request is not None:
            self._loop.remove_reader(self._request)
            self._request.close()
            self._request = None

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

    def _replace(self, fds: list[int]) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds = fds


def _log_failure(error: OSError) -> None:
    log(f"cannot hold the app's sockets yet: {error}")
