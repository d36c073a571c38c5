"""The primary of Node's ``cluster`` protocol, so that Node programs share ports as they are.

Node starts its cluster workers with a channel (``NODE_CHANNEL_FD``) and a number
(``NODE_UNIQUE_ID``); a worker that wants to listen asks its primary for the socket. Messages as in
Node's ``lib/internal/cluster/child.js``. Unlike Node's own primary this one never accepts: the
workers do, from one queue.

A worker ends when its channel does. So that it goes on when its keeper dies, it inherits the
keeper's end too; the next keeper takes that back from it.
"""

import _socket as socket
import errno
import os
from collections.abc import Callable

from monit_agent.keep.channel import Channel
from monit_agent.keep.listeners import Listener, Listeners, Place
from monit_agent.keep.loop import Loop
from monit_agent.supervise.typed import Any, cast

_ANY4, _ANY6 = "0.0.0.0", "::"  # noqa: S104  what Node binds when a program names no address
_IPV6ONLY = 1
"""libuv's ``UV_TCP_IPV6ONLY``, as it stands in ``flags``."""

Message = dict[str, Any]


class Nodes:
    """The channels of all Node workers. ``listens(pid)``: it accepts on a shared socket;
    ``says_ready(pid)``: pm2's word; ``finished(pid)``: it has no connection any more."""

    def __init__(
        self,
        loop: Loop,
        listeners: Listeners,
        *,
        listens: Callable[[int], None],
        says_ready: Callable[[int], None],
        finished: Callable[[int], None],
        changed: Callable[[], None],
        in_use: Callable[[Place], None],
    ) -> None:
        self.cwd = "/"
        self._loop = loop
        self._listeners = listeners
        self._listens = listens
        self._says_ready = says_ready
        self._finished = finished
        self._changed = changed
        self._in_use = in_use
        self._channels: dict[int, Channel] = {}

    def connect(self, pid: int, sock: socket.socket) -> None:
        """Speak with the worker ``pid`` over the keeper's end of its channel."""
        self._channels[pid] = Channel(
            self._loop,
            sock,
            lambda message: self._heard(pid, message),
            lambda: self._left(pid),
        )

    def quiesce(self, pid: int) -> bool:
        """Ask a worker to finish; False if it has no channel."""
        channel = self._channels.get(pid)
        if channel is not None:
            channel.send({"cmd": "NODE_MONIT", "act": "quiesce"})
        return channel is not None

    def drop(self, pid: int) -> None:
        """The worker is gone."""
        channel = self._channels.pop(pid, None)
        if channel is not None:
            channel.close()

    def _left(self, pid: int) -> None:
        self._channels.pop(pid, None)
        self._finished(pid)

    def _heard(self, pid: int, message: Any) -> None:
        if message == "ready":
            self._says_ready(pid)
        if not isinstance(message, dict):
            return
        said = cast("Message", message)
        act = said.get("act")
        if said.get("cmd") == "NODE_MONIT" and act == "drained":
            self._finished(pid)
        elif said.get("cmd") == "NODE_CLUSTER":
            if act == "queryServer":
                self._query(pid, said)
            elif act == "listening":
                self._listens(pid)
            elif act == "close":
                self._close(pid, said.get("key"))
            elif act == "exitedAfterDisconnect":
                self._reply(pid, said, {})

    def _query(self, pid: int, said: Message) -> None:
        key = ":".join(str(said.get(n)) for n in ("address", "port", "addressType", "fd", "index"))
        try:
            places = _places(said, self.cwd)
            listener = self._listeners.get(key, places)
        except (TypeError, ValueError):
            self._reply(pid, said, {"errno": -errno.EINVAL, "key": key, "data": None})
            return
        except OSError as error:
            number = error.errno or errno.EINVAL
            if number == errno.EADDRINUSE:
                self._in_use(_places(said, self.cwd)[-1])
            self._reply(pid, said, {"errno": -number, "key": key, "data": None})
            return
        listener.users.add(pid)
        self._changed()
        self._give(pid, said, listener)

    def _give(self, pid: int, said: Message, listener: Listener) -> None:
        answer = {
            "cmd": "NODE_CLUSTER",
            "errno": 0,
            "key": listener.key,
            "ack": said.get("seq"),
            "data": None,
        }
        kind = "net" if listener.place.kind == socket.SOCK_STREAM else "dgram"
        wrapped = {"cmd": "NODE_HANDLE", "type": f"{kind}.Native", "msg": answer}
        channel = self._channels.get(pid)
        if channel is not None:
            channel.send(wrapped, listener.sock.fileno())

    def _reply(self, pid: int, said: Message, body: Message) -> None:
        channel = self._channels.get(pid)
        if channel is not None:
            channel.send({"cmd": "NODE_CLUSTER", "ack": said.get("seq"), **body})

    def _close(self, pid: int, key: Any) -> None:
        listener = self._listeners.find(key) if isinstance(key, str) else None
        if listener is not None:
            listener.users.discard(pid)


def _places(said: Message, cwd: str) -> tuple[Place, ...]:
    """Give where a worker wants to listen, as Node's own primary would; ValueError and TypeError
    for what cannot be shared."""
    if isinstance(said.get("fd"), int) and said["fd"] >= 0:
        raise ValueError("a descriptor of the worker's own")
    address, kind = said.get("address"), said.get("addressType")
    if kind == -1:
        path = os.path.join(cwd, str(address))
        return (Place(socket.AF_UNIX, socket.SOCK_STREAM, path, 0),)
    port = int(cast("Any", said.get("port")) or 0)
    if not 0 <= port < 65536:
        raise ValueError("no port")
    flags = said.get("flags")
    only6 = isinstance(flags, int) and bool(flags & _IPV6ONLY)
    stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
    if kind in ("udp4", "udp6"):
        family = socket.AF_INET if kind == "udp4" else socket.AF_INET6
        wildcard = _ANY4 if kind == "udp4" else _ANY6
        return (Place(family, datagram, str(address or wildcard), port, only6),)
    if not address:
        both = Place(socket.AF_INET6, stream, _ANY6, port, only6)
        return (both, Place(socket.AF_INET, stream, _ANY4, port))
    if kind not in (4, 6):
        raise ValueError("no kind of address that we know")
    family = socket.AF_INET if kind == 4 else socket.AF_INET6
    return (Place(family, stream, str(address), port, only6 and kind == 6),)
