"""The agent's two ZeroMQ sockets at their paths: who may connect, how many, and what all of them
together may make the agent hold."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable

from monit_agent.agent.journal import log
from monit_agent.agent.serve.peer import Peer, PeerKind
from monit_agent.system.sockets import accept_fd, is_own_user
from monit_agent.wire.limits import (
    ANSWERS_BYTES,
    HELD_BYTES,
    PEERS,
    PUBLISHED_BYTES,
    REQUEST_BYTES,
    SUBSCRIPTION_BYTES,
)
from monit_agent.wire.paths import AppPaths
from monit_agent.wire.zmtp import Command, Message

ROUTER = PeerKind(
    b"ROUTER", frozenset((b"DEALER", b"REQ", b"ROUTER")), REQUEST_BYTES, ANSWERS_BYTES
)
XPUB = PeerKind(b"XPUB", frozenset((b"SUB", b"XSUB")), SUBSCRIPTION_BYTES, PUBLISHED_BYTES)

HANDSHAKE_S = 10.0
"""A connection that has not introduced itself by then is ended."""

_BACKLOG = 64


class ServerSocket:
    """One socket, unbound until `bind`. ``received`` and ``gone`` are set before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: str, kind: PeerKind) -> None:
        self.peers: set[Peer] = set()
        self.received: Callable[[Peer, Message | Command], None] = lambda _peer, _message: None
        self.gone: Callable[[Peer], None] = lambda _peer: None
        self._loop = loop
        self._path = path
        self._kind = kind
        self._listener: socket.socket | None = None
        self._inode: int | None = None

    def bind(self) -> None:
        """Bind the path again, whatever is there; connections that exist stay."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        try:
            # under another name until it listens: nobody finds a socket that refuses connections
            new = f"{os.path.splitext(self._path)[0]}.new"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new)  # the lock is ours, so whoever made it is gone
            listener.bind(new)
            os.chmod(new, 0o600)
            listener.listen(_BACKLOG)
            os.rename(new, self._path)
        except OSError as error:
            listener.close()
            log(f"cannot bind {self._path}: {error}; trying again")
            return
        self._stop_listening()
        self._listener, self._inode = listener, _inode(self._path)
        self._loop.add_reader(listener.fileno(), self._accept, listener)

    def rebind_if_gone(self, *, folder_changed: bool) -> None:
        """Bind again if it could not be bound, or if the file was deleted or replaced, which
        changes the folder."""
        if self._inode is None or (folder_changed and _inode(self._path) != self._inode):
            if self._inode is not None:
                log(f"{self._path} is not the socket that was bound; binding it again")
            self.bind()

    def close(self) -> None:
        """End everything."""
        self._stop_listening()
        for peer in list(self.peers):
            peer.drop()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock = socket.socket(fileno=accept_fd(listener))
        except OSError:
            return  # it is gone, or no descriptors are left
        if len(self.peers) >= PEERS or not is_own_user(sock):
            sock.close()
            return
        sock.setblocking(False)
        peer = Peer(self._loop, sock, self._kind, self)
        self.peers.add(peer)
        self._loop.call_later(HANDSHAKE_S, self._end_silent, peer)

    def peer_received(self, peer: Peer, message: Message | Command) -> None:
        """Pass a message on."""
        self.received(peer, message)

    def peer_gone(self, peer: Peer) -> None:
        """Forget a connection that has ended."""
        self.peers.discard(peer)
        self.gone(peer)

    def peer_holds(self, peer: Peer) -> None:
        """Drop the peer if all of them together hold too much of what is not complete."""
        if sum(each.held_bytes for each in self.peers) > HELD_BYTES:
            peer.drop("the messages that are not complete take too much memory")

    def _end_silent(self, peer: Peer) -> None:
        if not peer.is_ready:
            peer.drop()


class Sockets:
    """``ctl`` (ROUTER) and ``pub`` (XPUB). Only the holder of the agent's lock binds them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, paths: AppPaths) -> None:
        self._loop = loop
        self.ctl = ServerSocket(loop, paths.ctl, ROUTER)
        self.pub = ServerSocket(loop, paths.pub, XPUB)
        self._is_bound = False

    def bind(self) -> None:
        """Bind both sockets, if they are not bound yet."""
        if not self._is_bound:
            self._is_bound = True
            self.ctl.bind()
            self.pub.bind()

    def rebind_if_gone(self, *, folder_changed: bool) -> None:
        """Bind again sockets that were deleted or replaced."""
        if self._is_bound:
            self.ctl.rebind_if_gone(folder_changed=folder_changed)
            self.pub.rebind_if_gone(folder_changed=folder_changed)

    async def flush(self, most_s: float) -> None:
        """Wait until the clients have what was sent last, at most for ``most_s`` seconds."""
        until = self._loop.time() + most_s
        peers = [*self.ctl.peers, *self.pub.peers]
        while any(p.waiting for p in peers) and self._loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Close both."""
        self.ctl.close()
        self.pub.close()


def _inode(path: str) -> int | None:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None
