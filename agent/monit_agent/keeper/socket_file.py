"""A Unix socket of the keeper at a path, bound again when somebody removed its file."""

import os
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.upgrade.inherited import NOTHING_INHERITED, Inherited, Values
from monit_agent.system.files.ownership import require_own_folder
from monit_agent.system.sockets import socket
from monit_agent.typed import NamedTuple


class SocketKind(NamedTuple):
    """What is made at the path: a listener with this backlog, or a socket for datagrams, whose
    senders the kernel names."""

    backlog: int = 0
    owner: int | None = None
    """The user who owns the file, in a folder that this one may enter; None: it is in the app's
    folder, for ourselves."""


class SocketFile:
    """``ready(socket)`` is called when something arrived. Where nothing can be bound, ``problem``
    has the error, and `repair` tries again. ``given`` is what `hand_on` returned, of the
    ``inherited``."""

    def __init__(
        self,
        loop: Loop,
        path: str,
        kind: SocketKind,
        ready: Callable[[socket.socket], None],
        *,
        inherited: Inherited = NOTHING_INHERITED,
        given: Values | None = None,
    ) -> None:
        self.path = path
        self.problem: OSError | None = None
        self._loop = loop
        self.kind = kind
        self.ready = ready
        self.socket: socket.socket | None = None
        self._identity: tuple[int, int] | None = None
        self._open = True
        if given:
            self._use(socket.socket(fileno=inherited.take(given["fd"])))
            device, inode = given["identity"]
            self._identity = device, inode
        else:
            self._bind_or_note()

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to serve the same socket."""
        if self.socket is None or self._identity is None:
            return {}
        return {"fd": keep(self.socket.fileno()), "identity": list(self._identity)}

    def repair(self) -> bool:
        """Bind again if the file is not ours any more; return whether that was done."""
        if not self._open or (self.socket is not None and self._identity == _identity(self.path)):
            return False
        self._bind_or_note()
        return self.problem is None

    def close(self) -> None:
        """Close the socket for good."""
        self._open = False
        self._drop()

    def _bind_or_note(self) -> None:
        self.problem = None
        try:
            self._bind()
        except OSError as error:
            self.problem = error

    def _bind(self) -> None:
        if self.kind.owner is None:
            require_own_folder(os.path.dirname(self.path))
        if os.path.lexists(self.path):
            os.unlink(self.path)  # no other keeper has it: the caller holds the app's lock
        listens = self.kind.backlog > 0
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if listens else socket.SOCK_DGRAM)
        try:
            if not listens:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            made.bind(self.path)
            if self.kind.owner is not None:
                os.chmod(self.path, 0o600)
                os.chown(self.path, self.kind.owner, -1)
            if listens:
                made.listen(self.kind.backlog)
        except OSError:
            made.close()
            raise
        self._drop()
        self._use(made)
        self._identity = _identity(self.path)

    def _use(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._loop.watch(sock.fileno(), lambda _events: self.ready(sock))

    def _drop(self) -> None:
        if self.socket is not None:
            self._loop.unwatch(self.socket.fileno())
            self.socket.close()
            self.socket = None


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
