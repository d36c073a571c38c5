"""The agent's two ZeroMQ sockets, and the care that their files need.

libzmq's ipc bind takes a path over without asking, a bound file that was deleted stays deleted
without a word, and the file's mode follows the umask: the lock, the watch and the mode are ours
to see to.
"""

import contextlib
import os

import zmq

from monit_agent.observe.trouble import say
from monit_agent.wire.limits import PUB_HIGH_WATER, REQUEST_BYTES
from monit_agent.wire.places import AppPlaces

ANSWERS_HIGH_WATER = 64
"""Answers held for one client that does not read: at 1 MiB each, 64 MiB."""

REQUESTS_HIGH_WATER = 64
"""Requests read ahead from one client: at 64 KiB each, 4 MiB."""


class Sockets:
    """``pub`` (XPUB) and ``ctl`` (ROUTER), unbound until `bind`. Only its lock's holder binds."""

    def __init__(self, places: AppPlaces) -> None:
        self._context = zmq.Context(io_threads=1)
        self.pub = self._make(zmq.XPUB, PUB_HIGH_WATER)
        self.ctl = self._make(zmq.ROUTER, ANSWERS_HIGH_WATER)
        self.ctl.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._files = {places.pub: self.pub, places.ctl: self.ctl}
        self._inodes: dict[str, int | None] = {}

    def bind(self) -> None:
        """Bind both sockets, if they are not bound yet."""
        if not self._inodes:
            for path in self._files:
                self._bind(path)

    def rebind_if_gone(self) -> None:
        """Bind anew what was deleted or replaced behind our back."""
        for path, inode in list(self._inodes.items()):
            if inode is None or _inode(path) != inode:
                say(f"{path} is not the socket that was bound; binding it again")
                self._bind(path)

    def close(self, linger_ms: int) -> None:
        """Close both; what was sent may still go out for ``linger_ms``."""
        for socket in self._files.values():
            socket.close(linger_ms)
        self._context.term()

    def _make(self, kind: int, high_water: int) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, high_water)
        socket.setsockopt(zmq.RCVHWM, REQUESTS_HIGH_WATER)
        socket.setsockopt(zmq.MAXMSGSIZE, REQUEST_BYTES)
        for uid in {os.getuid(), 0}:
            socket.setsockopt(zmq.IPC_FILTER_UID, uid)
        return socket

    def _bind(self, path: str) -> None:
        # without an unbind first: that would end the connections that clients still have
        self._inodes[path] = None
        try:
            self._files[path].bind(f"ipc://{path}")
        except zmq.ZMQError as error:
            say(f"cannot bind {path}: {error}; trying again")
            return
        with contextlib.suppress(FileNotFoundError):
            os.chmod(path, 0o600)
        self._inodes[path] = _inode(path)


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None
