"""The sockets that the workers of an app share: bound once, held as long as anybody needs them."""

import _socket as socket
import errno
import os
import stat
import struct

from monit_agent.keep.lenient import suppress
from monit_agent.supervise.typed import NamedTuple

_INT = struct.Struct("i")
BACKLOG = 4096
"""The kernel cuts it down to ``net.core.somaxconn``; connections wait here while workers change."""


class Place(NamedTuple):
    """Where a socket is bound. ``port`` is 0 for Unix sockets, whose ``address`` is a path."""

    family: int
    kind: int
    address: str
    port: int
    v6only: bool = False


class Listener:
    """One socket, and the workers that have it."""

    __slots__ = ("inode", "key", "place", "sock", "users")

    def __init__(self, key: str, place: Place, sock: socket.socket) -> None:
        self.key = key
        self.place = place
        self.sock = sock
        self.inode = os.fstat(sock.fileno()).st_ino
        self.users: set[int] = set()


def key_of(place: Place) -> str:
    """Give the key for whoever asks for this very place."""
    return ":".join(str(part) for part in place)


class Listeners:
    """All of them, by a key that says what a worker asked for."""

    def __init__(self) -> None:
        self._by_key: dict[str, Listener] = {}

    def get(self, key: str, places: tuple[Place, ...]) -> Listener:
        """Give the listener of ``key``; the first time bind it at the first of ``places`` where
        that succeeds. OSError of the last one when it does at none."""
        found = self._by_key.get(key)
        if found is None:
            found = Listener(key, *_bind_first(places))
            self._by_key[key] = found
        return found

    def find(self, key: str) -> Listener | None:
        """Give the listener of ``key`` if there is one."""
        return self._by_key.get(key)

    def all(self) -> list[Listener]:
        """Give all there are."""
        return list(self._by_key.values())

    def listen_again(self) -> None:
        """Have all wait in queues of `BACKLOG` again, after a worker may have shortened one: it is
        the queue of all workers, and whom it has no room for tries again only a second later."""
        for listener in self._by_key.values():
            if listener.place.kind == socket.SOCK_STREAM:
                with suppress(OSError):  # then it is as long as the program wished
                    listener.sock.listen(BACKLOG)

    def take(self, key: str, place: Place, fd: int) -> Listener:
        """Hold a socket that was bound by a keeper before us."""
        found = self._by_key[key] = Listener(key, place, socket.socket(fileno=fd))
        return found

    def drop_user(self, pid: int) -> None:
        """A worker is gone."""
        for listener in self._by_key.values():
            listener.users.discard(pid)

    def idle(self) -> bool:
        """Tell whether there is one that no worker has."""
        return any(not listener.users for listener in self._by_key.values())

    def close_unused(self) -> bool:
        """Close what no worker has; tell whether there was any."""
        unused = [listener for listener in self._by_key.values() if not listener.users]
        for listener in unused:
            del self._by_key[listener.key]
            listener.sock.close()
            if listener.place.family == socket.AF_UNIX:
                with suppress(OSError):
                    os.unlink(listener.place.address)
        return bool(unused)


def hand_over(sock: socket.socket, data: bytes, fd: int) -> int:
    """Send ``data`` and with it a descriptor; gives how much was sent. OSError as `sendmsg`."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _INT.pack(fd))
    return sock.sendmsg([data], [rights])


def _bind_first(places: tuple[Place, ...]) -> tuple[Place, socket.socket]:
    *others, last = places
    for place in others:
        with suppress(OSError):
            return place, _bind(place)
    return last, _bind(last)


def _bind(place: Place) -> socket.socket:
    sock = socket.socket(place.family, place.kind)
    # all who have it share this flag, and several wake up for one connection: with a blocking
    # socket the late ones would wait in accept() and do nothing else (libuv does not set it)
    sock.setblocking(False)
    try:
        if place.family == socket.AF_UNIX:
            _bind_path(sock, place.address)
        else:
            if place.kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                # inherited by what is accepted. Servers set it before they bind, which is lost when
                # they get this socket, or take an inherited one for a Unix socket (uvicorn --fd):
                # then each answer in two writes would wait 40 ms for the client's kernel
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if place.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, place.v6only)
            sock.bind((place.address, place.port))
        if place.kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_path(sock: socket.socket, path: str) -> None:
    """Bind at ``path``, also where a socket lies that nobody listens on any more."""
    try:
        sock.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not _is_left_over(path):
            raise
        os.unlink(path)
        sock.bind(path)


def _is_left_over(path: str) -> bool:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.setblocking(False)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False
    finally:
        probe.close()
    return False
