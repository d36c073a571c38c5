"""``share.sock``: where Python workers ask for sockets that they share.

The file that is injected into them (``probe/inject/_monit_port.py``) asks when the program binds
a socket. One request a connection, one line, and its answer:

* ``bind FAMILY V6ONLY PORT ADDRESS``: ``+`` and the socket, ``-`` (bind it yourself), ``!ERRNO``;
* ``holds PATH``: ``+`` if a shared socket is at this path, else ``-``;
* ``listen``: ``+``;
* ``shared``: ``+`` and the inodes of the shared sockets.
"""

import _socket as socket
import os
import signal
import struct
import time
from collections.abc import Callable

from monit_agent.keep import procfs
from monit_agent.keep.control import acceptor
from monit_agent.keep.family import send
from monit_agent.keep.listeners import Listener, Listeners, Place, hand_over, key_of
from monit_agent.keep.loop import Loop
from monit_agent.supervise.spec import AppSpec, shares_by_bind

QUIESCE_SIGNAL = int(signal.SIGRTMAX) - 7
"""At this signal the injected file lets its process take nothing new. It is sent to processes
that handle it and to no other: its default action would end them."""
SILENT_S = 2.0
"""Having bound so long ago, a worker listens though it never said so: a child may do that where we
cannot see it (``uvicorn --workers`` with uvloop)."""
_LINE_BYTES = 1024
_WAITING = 64
_PEERCRED = struct.Struct("3i")


class Share:
    """The listener of ``share.sock``. ``who(pid)`` gives slot and worker of a process, ``listens``
    is called with the worker that accepts from now on."""

    def __init__(
        self,
        loop: Loop,
        path: str,
        listeners: Listeners,
        *,
        who: Callable[[int], tuple[int, int] | None],
        listens: Callable[[int], None],
        changed: Callable[[], None],
        in_use: Callable[[Place], None],
    ) -> None:
        self.spec: AppSpec | None = None
        self._loop = loop
        self._listeners = listeners
        self._who = who
        self._listens = listens
        self._changed = changed
        self._in_use = in_use
        self._waiting: dict[int, socket.socket] = {}
        if os.path.lexists(path):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        self._socket.listen(_WAITING)
        self._socket.setblocking(False)
        self._accept_fd = acceptor(self._socket)
        loop.watch(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Ask and answer nothing more."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def quiesce(self, worker: int) -> None:
        """Let all processes of a worker that share a socket take no new connections."""
        for pid in [worker, *procfs.descendants(worker)]:
            if procfs.handles(pid, QUIESCE_SIGNAL):
                send(pid, QUIESCE_SIGNAL)

    def _accept(self, _events: int) -> None:
        try:
            fd = self._accept_fd()[0]
        except OSError:
            return
        sock = socket.socket(fileno=fd)
        if len(self._waiting) >= _WAITING:
            sock.close()
            return
        sock.setblocking(False)
        self._waiting[fd] = sock
        self._loop.watch(fd, lambda _events: self._read(sock))

    def _read(self, sock: socket.socket) -> None:
        try:
            line = sock.recv(_LINE_BYTES)
            if line.endswith(b"\n"):
                self._answer(sock, line)
        except (OSError, ValueError):
            pass  # it went away, or is none of ours: it binds by itself
        self._loop.forget(sock.fileno())
        del self._waiting[sock.fileno()]
        sock.close()

    def _answer(self, sock: socket.socket, line: bytes) -> None:
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
        found = self._who(_PEERCRED.unpack(peer)[0])
        verb, _, rest = line[:-1].decode("utf-8", "surrogateescape").partition(" ")
        if found is None:
            sock.send(b"-")
        elif verb == "bind":
            self._bind(sock, found[1], rest.split(" ", 3))
        elif verb == "holds":
            sock.send(b"+" if self._listeners.find(_key_at(rest)) else b"-")
        elif verb == "listen":
            self._listens_now(found[1])
            sock.send(b"+")
        elif verb == "shared":
            inodes = " ".join(str(listener.inode) for listener in self._listeners.all())
            sock.send(b"+" + inodes.encode())

    def _bind(self, sock: socket.socket, worker: int, words: list[str]) -> None:
        family, only6, port, address = words
        place = Place(int(family), socket.SOCK_STREAM, address, int(port), only6 == "1")
        key = key_of(place)
        if not self._is_shared(place, key):
            sock.send(b"-")
            return
        try:
            listener = self._listeners.get(key, (place,))
        except OSError as error:
            self._in_use(place)
            sock.send(b"!%d" % (error.errno or 0))
            return
        self._give(sock, worker, listener)

    def _give(self, sock: socket.socket, worker: int, listener: Listener) -> None:
        hand_over(sock, b"+", listener.sock.fileno())
        if worker not in listener.users:
            listener.users.add(worker)
            self._changed()
            until = time.monotonic() + SILENT_S
            self._loop.alarm(f"bound {worker}", until, lambda: self._listens_now(worker))

    def _listens_now(self, worker: int) -> None:
        self._listeners.listen_again()
        self._listens(worker)

    def _is_shared(self, place: Place, key: str) -> bool:
        """Tell whether this is the app's port: the one that it was given, else the first. A path
        must have been given: programs also have sockets of other kinds there."""
        spec = self.spec
        if spec is None or not shares_by_bind(spec):
            return False
        if spec.listen or place.family == socket.AF_UNIX:
            return self._listeners.find(key) is not None
        if spec.port is not None:
            return place.port == spec.port
        ports = {listener.place.port for listener in self._listeners.all()}
        return not ports or place.port in ports  # IPv4 and IPv6 are two sockets of one port


def _key_at(path: str) -> str:
    return key_of(Place(socket.AF_UNIX, socket.SOCK_STREAM, path, 0))
