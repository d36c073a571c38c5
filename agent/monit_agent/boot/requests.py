"""``boot.sock``: commands request keepers here, so that these lie in the unit and not in the
session of whoever typed the command. One request and one answer a connection (SOCK_SEQPACKET)."""

import array
import os
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.system import jsonline
from monit_agent.system.sockets import accept_fd, is_own_user, received_fds, socket
from monit_agent.system.suppress import suppress
from monit_agent.typed import Any, cast
from monit_agent.wire.boot import FDS, REQUEST_BYTES

CONNECTIONS = 32
"""More than commands that are typed at the same time; the oldest is closed for a new one."""
_BACKLOG = 64


class Requests:
    """The socket at ``path``. ``answer(request, fds)`` returns the answer; the descriptors that
    came with the request are closed afterwards."""

    def __init__(
        self,
        loop: Loop,
        path: str,
        answer: Callable[[dict[str, Any], list[int]], dict[str, Any]],
    ) -> None:
        self._loop = loop
        self._path = path
        self._answer = answer
        self._listener: socket.socket | None = None
        self._identity: tuple[int, int] | None = None
        self._connections: dict[int, socket.socket] = {}

    def bind(self) -> str | None:
        """Bind the socket, again if somebody removed its file; return why that failed."""
        if self._listener is not None and self._identity == _identity(self._path):
            return None
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            if os.path.lexists(self._path):
                os.unlink(self._path)  # nobody else has it: the caller holds the home's lock
            made.bind(self._path)
            made.listen(_BACKLOG)
            made.setblocking(False)
        except OSError as error:
            made.close()
            return f"cannot listen on {self._path}: {error.strerror}"
        self._close_listener()
        self._listener, self._identity = made, _identity(self._path)
        self._loop.watch(made.fileno(), lambda _events: self._accept(made))
        return None

    def close(self) -> None:
        """Close and remove the socket."""
        if self._listener is not None and self._identity == _identity(self._path):
            with suppress(OSError):
                os.unlink(self._path)
        self._close_listener()

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._loop.unwatch(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        try:
            fd = accept_fd(listener)
        except OSError:
            return  # it disconnected, or no descriptors are left: it stays in the backlog
        sock = socket.socket(fileno=fd)
        if not is_own_user(sock):
            sock.close()
            return
        sock.setblocking(False)
        if len(self._connections) >= CONNECTIONS:
            self._drop(next(iter(self._connections.values())))
        self._connections[fd] = sock
        self._loop.watch(fd, lambda _events: self._read(sock))

    def _read(self, sock: socket.socket) -> None:
        fds: list[int] = []
        try:
            space = socket.CMSG_SPACE(FDS * array.array("i").itemsize)
            raw, ancillary, *_ = sock.recvmsg(REQUEST_BYTES, space, socket.MSG_CMSG_CLOEXEC)
            fds = received_fds(ancillary)
            if raw:
                sock.send(jsonline.dump(self._answer_to(raw, fds)))
        except OSError:
            pass  # it disconnected
        finally:
            for fd in fds:
                os.close(fd)
            self._drop(sock)

    def _answer_to(self, raw: bytes, fds: list[int]) -> dict[str, Any]:
        try:
            request: Any = jsonline.load(raw)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return {"ok": False, "message": "a request is a JSON object"}
        return self._answer(cast("dict[str, Any]", request), fds)

    def _drop(self, sock: socket.socket) -> None:
        fd = sock.fileno()
        if self._connections.pop(fd, None) is not None:
            self._loop.unwatch(fd)
            sock.close()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
