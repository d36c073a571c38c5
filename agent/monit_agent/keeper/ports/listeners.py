"""The sockets that the workers of an app share: bound once, held while they are needed."""

import errno
import os
import stat
from collections.abc import Callable

from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.system.sockets import socket
from monit_agent.system.suppress import suppress
from monit_agent.system.users import RunAs, acting_as, user_of_ids
from monit_agent.typed import NamedTuple

BACKLOG = 4096
"""The kernel limits it to ``net.core.somaxconn``; connections wait here while workers change."""


class BindAddress(NamedTuple):
    """Where a socket is bound. ``port`` is 0 for Unix sockets, whose ``address`` is a path."""

    family: int
    kind: int
    address: str
    port: int
    v6only: bool = False


BindsAs = Callable[[BindAddress], RunAs | None]


def _as_ourselves(_place: BindAddress) -> RunAs | None:
    return None


class HeldSocket(NamedTuple):
    """A listening socket of a worker that bound it itself."""

    place: BindAddress
    sock: socket.socket
    worker: int


class Listener:
    """One socket, and the workers that have it."""

    __slots__ = ("inode", "is_closed", "key", "place", "sock", "users")

    def __init__(self, key: str, place: BindAddress, sock: socket.socket) -> None:
        self.key = key
        self.place = place
        self.sock = sock
        self.inode = os.fstat(sock.fileno()).st_ino
        self.users: set[int] = set()
        self.is_closed = False
        """The worker that left last closed it itself, so no process of the app has it."""

    def leave(self, pid: int, *, is_closed: bool) -> None:
        """Remove a worker; ``is_closed``: it still runs, and none of its processes has the
        socket."""
        if pid in self.users:
            self.users.discard(pid)
            self.is_closed = is_closed


def key_of(place: BindAddress) -> str:
    """Return the key of a socket bound at this place."""
    return ":".join(str(part) for part in place)


class Listeners:
    """All shared sockets, by a key for what a worker requested.

    ``take(paths)`` returns a socket that one of the app's own workers has bound at one of
    ``paths``, and that worker, or None."""

    def __init__(self, take: Callable[[tuple[BindAddress, ...]], HeldSocket | None]) -> None:
        self._by_key: dict[str, Listener] = {}
        self._take = take

    def get(
        self, key: str, paths: tuple[BindAddress, ...], binds_as: BindsAs = _as_ourselves
    ) -> Listener:
        """Return the listener of ``key``; the first time, bind it at the first of ``paths``
        where that succeeds, or share the socket of a worker that bound it before the app had
        several. Raise the OSError of the last path when neither can be done. ``binds_as`` returns
        as whom a path is bound: what a worker of another user requests, root must not do."""
        found = self._by_key.get(key)
        if found is not None:
            return found
        try:
            found = Listener(key, *self._bind_first(paths, binds_as))
        except OSError as error:
            held = self._take(paths) if error.errno == errno.EADDRINUSE else None
            if held is None:
                raise
            found = Listener(key, held.place, held.sock)
            found.users.add(held.worker)
        self._by_key[key] = found
        return found

    def find(self, key: str) -> Listener | None:
        """Return the listener of ``key``, or None."""
        return self._by_key.get(key)

    def all(self) -> list[Listener]:
        """Return all listeners."""
        return list(self._by_key.values())

    def listen_again(self) -> None:
        """Set the queue of all sockets to `BACKLOG` again: a worker may have shortened one. All
        workers share that queue, and a client that finds it full retries only a second later."""
        for listener in self._by_key.values():
            if listener.place.kind == socket.SOCK_STREAM:
                with suppress(OSError):  # then it keeps the length that the program requested
                    listener.sock.listen(BACKLOG)

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to hold the same sockets."""
        return {
            "sockets": [
                {
                    "key": each.key,
                    "place": list(each.place),
                    "fd": keep(each.sock.fileno()),
                    "users": sorted(each.users),
                }
                for each in self._by_key.values()
            ]
        }

    def resume(self, inherited: Inherited) -> None:
        """Hold the sockets of the program before this one."""
        for given in inherited.part("listeners").get("sockets", ()):
            fd = inherited.take(given["fd"])
            listener = self.adopt(given["key"], BindAddress(*given["place"]), fd)
            listener.users |= {*given["users"]}

    def adopt(self, key: str, place: BindAddress, fd: int) -> Listener:
        """Hold a socket that an earlier keeper bound."""
        found = self._by_key[key] = Listener(key, place, socket.socket(fileno=fd))
        return found

    def inodes(self) -> set[int]:
        """Return the inodes of all sockets."""
        return {listener.inode for listener in self._by_key.values()}

    def worker_exited(self, pid: int) -> None:
        """Remove a worker that has exited."""
        for listener in self._by_key.values():
            listener.leave(pid, is_closed=False)

    def idle(self) -> bool:
        """Return whether there is a socket that no worker has."""
        return any(not listener.users for listener in self._by_key.values())

    def close_unused(self) -> bool:
        """Close the sockets that no worker has; return whether there were any."""
        unused = [listener for listener in self._by_key.values() if not listener.users]
        for listener in unused:
            del self._by_key[listener.key]
            if listener.place.family == socket.AF_UNIX:
                with suppress(OSError), acting_as(_maker_of(listener.sock)):
                    os.unlink(listener.place.address)
            if listener.is_closed:
                _stop_listening(listener.sock)
            listener.sock.close()
        return bool(unused)

    def _bind_first(
        self, paths: tuple[BindAddress, ...], binds_as: BindsAs
    ) -> tuple[BindAddress, socket.socket]:
        *others, last = paths
        for place in others:
            with suppress(OSError):
                return place, self._bind(place, binds_as)
        return last, self._bind(last, binds_as)

    def _bind(self, place: BindAddress, binds_as: BindsAs) -> socket.socket:
        user = binds_as(place)
        try:
            return _bind(place, user)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not self._close_left_at(place):
                raise
        return _bind(place, user)

    def _close_left_at(self, place: BindAddress) -> bool:
        """Close the sockets at other addresses of the same port that no worker has; return whether
        there were any. Programs open a port at one address to see whether it is free, close it,
        and open it at another."""
        left = [
            each
            for each in self._by_key.values()
            if place.port and _same_port(place, each.place) and not each.users
        ]
        for listener in left:
            del self._by_key[listener.key]
            _stop_listening(listener.sock)
            listener.sock.close()
        return bool(left)


def _stop_listening(sock: socket.socket) -> None:
    """Let others open its port: the agent has a copy for a moment longer, which would keep it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _same_port(one: BindAddress, other: BindAddress) -> bool:
    return (one.kind, one.port) == (other.kind, other.port)


def _maker_of(sock: socket.socket) -> RunAs | None:
    """Return as whom a socket was bound, which the kernel remembers, also of an earlier keeper."""
    made = os.fstat(sock.fileno())
    return user_of_ids(made.st_uid, made.st_gid, ()) if os.geteuid() == 0 else None


def _bind(place: BindAddress, user: RunAs | None) -> socket.socket:
    with acting_as(user):
        sock = _bound(place)
    try:
        if place.kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bound(place: BindAddress) -> socket.socket:
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
    except OSError:
        sock.close()
        raise
    return sock


def _bind_path(sock: socket.socket, path: str) -> None:
    """Bind at ``path``; replace a socket file on which no process listens."""
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
