"""The primary of Node's ``cluster`` protocol, so that Node programs share ports as they are.

Node starts its cluster workers with a channel (``NODE_CHANNEL_FD``) and a number
(``NODE_UNIQUE_ID``); a worker that wants to listen requests the socket from its primary. Messages
as in Node's ``lib/internal/cluster/child.js``. Unlike Node's own primary this one never accepts:
the workers do, from one queue.

A worker exits when its channel closes. So that it keeps running when its keeper is killed, it
inherits the keeper's end too; the next keeper takes that back from it.

What npm or another wrapper runs has no such channel. Each of its processes that listens connects to
``share.sock`` (``probe/node/monit_link.cjs``) and again to the next keeper.
"""

import errno
import os
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.ports.listeners import BindAddress, Listener, Listeners
from monit_agent.keeper.ports.node_channel import Channel
from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.system.sockets import socket
from monit_agent.system.users import RunAs
from monit_agent.typed import Any, cast

_ANY4, _ANY6 = "0.0.0.0", "::"  # noqa: S104  what Node binds when a program names no address
_IPV6ONLY = 1
"""libuv's ``UV_TCP_IPV6ONLY``, as it stands in ``flags``."""

Message = dict[str, Any]


class NodeChannels:
    """The channels of all Node workers. Calls ``listens(pid, port)`` when one accepts on a shared
    socket, ``reports_ready(pid)`` after pm2's ``ready`` message, ``finished(pid)`` when one has
    drained. ``binds_as(pid, place)`` is as whom a socket is bound for a worker."""

    def __init__(
        self,
        loop: Loop,
        listeners: Listeners,
        *,
        listens: Callable[[int, int | None], None],
        reports_ready: Callable[[int], None],
        finished: Callable[[int], None],
        changed: Callable[[], None],
        in_use: Callable[[BindAddress], None],
        binds_as: Callable[[int, BindAddress], RunAs | None],
    ) -> None:
        self.cwd = "/"
        self.closes_for_good = True
        """Whether no process of an earlier worker can have a socket that a worker closes."""
        self._loop = loop
        self._listeners = listeners
        self._listens = listens
        self._reports_ready = reports_ready
        self._finished = finished
        self._changed = changed
        self._in_use = in_use
        self._binds_as = binds_as
        self._channels: dict[int, dict[int, Channel]] = {}
        """By worker and descriptor."""
        self._draining: dict[int, set[int]] = {}
        """Descriptors of the channels that have not reported that they drained, by worker."""

    def connect(self, pid: int, sock: socket.socket, received: bytes = b"") -> Channel:
        """Use the keeper's end of a channel to a process of worker ``pid``, which has sent
        ``received`` already."""
        fd = sock.fileno()
        channel = Channel(
            self._loop,
            sock,
            lambda message: self._handle_message(pid, fd, message),
            lambda: self._channel_closed(pid, fd),
        )
        self._channels.setdefault(pid, {})[fd] = channel
        channel.receive(received)
        return channel

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to continue."""
        open_ones = [
            {"worker": pid, "draining": fd in self._draining.get(pid, ()), **each.hand_on(keep)}
            for pid, channels in self._channels.items()
            for fd, each in channels.items()
            if each.sock.fileno() >= 0
        ]
        return {"channels": open_ones}

    def resume(self, inherited: Inherited) -> None:
        """Continue all channels of the program before this one; after the shared sockets."""
        for given in inherited.part("node").get("channels", ()):
            pid, fd = given["worker"], inherited.take(given["fd"])
            if given.get("draining"):
                self._draining.setdefault(pid, set()).add(fd)
            self.connect(pid, socket.socket(fileno=fd)).resume(given)

    def drain(self, pid: int) -> bool:
        """Request that a worker drains; return False if it has no channel."""
        channels = self._channels.get(pid, {})
        self._draining[pid] = {*channels}
        for channel in channels.values():
            channel.send({"cmd": "NODE_MONIT", "act": "quiesce"})
        return bool(channels)

    def worker_exited(self, pid: int) -> None:
        """Remove a worker that has exited."""
        self._draining.pop(pid, None)
        for channel in self._channels.pop(pid, {}).values():
            channel.close()

    def _channel_closed(self, pid: int, fd: int) -> None:
        channels = self._channels.get(pid, {})
        channels.pop(fd, None)
        if not channels:
            self._channels.pop(pid, None)
        self._drained(pid, fd)

    def _drained(self, pid: int, fd: int) -> None:
        """Report a worker as drained when this was the last of its channels that had not."""
        draining = self._draining.get(pid, set())
        draining.discard(fd)
        if not draining:
            self._finished(pid)

    def _handle_message(self, pid: int, fd: int, message: Any) -> None:
        if message == "ready":
            self._reports_ready(pid)
        if not isinstance(message, dict):
            return
        message = cast("Message", message)
        act = message.get("act")
        if message.get("cmd") == "NODE_MONIT" and act == "drained":
            self._drained(pid, fd)
        elif message.get("cmd") == "NODE_CLUSTER":
            if act == "queryServer":
                self._answer_listen(pid, fd, message)
            elif act == "listening":
                port = message.get("port")
                self._listens(pid, port if isinstance(port, int) else None)
            elif act == "close":
                self._close(pid, message.get("key"))
            elif act == "exitedAfterDisconnect":
                self._reply(pid, fd, message, {})

    def _answer_listen(self, pid: int, fd: int, message: Message) -> None:
        key = ":".join(
            str(message.get(n)) for n in ("address", "port", "addressType", "fd", "index")
        )
        try:
            paths = _paths(message, self.cwd)
            listener = self._listeners.get(key, paths, lambda place: self._binds_as(pid, place))
        except (TypeError, ValueError):
            self._reply(pid, fd, message, {"errno": -errno.EINVAL, "key": key, "data": None})
            return
        except OSError as error:
            number = error.errno or errno.EINVAL
            if number == errno.EADDRINUSE:
                self._in_use(_paths(message, self.cwd)[-1])
            self._reply(pid, fd, message, {"errno": -number, "key": key, "data": None})
            return
        listener.users.add(pid)
        self._changed()
        self._send_listener(pid, fd, message, listener)

    def _send_listener(self, pid: int, fd: int, message: Message, listener: Listener) -> None:
        answer = {
            "cmd": "NODE_CLUSTER",
            "errno": 0,
            "key": listener.key,
            "ack": message.get("seq"),
            "data": None,
        }
        kind = "net" if listener.place.kind == socket.SOCK_STREAM else "dgram"
        wrapped = {"cmd": "NODE_HANDLE", "type": f"{kind}.Native", "msg": answer}
        channel = self._channels.get(pid, {}).get(fd)
        if channel is not None:
            channel.send(wrapped, listener.sock.fileno())

    def _reply(self, pid: int, fd: int, message: Message, body: Message) -> None:
        channel = self._channels.get(pid, {}).get(fd)
        if channel is not None:
            channel.send({"cmd": "NODE_CLUSTER", "ack": message.get("seq"), **body})

    def _close(self, pid: int, key: Any) -> None:
        listener = self._listeners.find(key) if isinstance(key, str) else None
        if listener is not None:
            alone = self.closes_for_good and len(self._channels.get(pid, {})) == 1
            listener.leave(pid, is_closed=alone)


def _paths(message: Message, cwd: str) -> tuple[BindAddress, ...]:
    """Return where a worker wants to listen, as Node's own primary does; raise ValueError or
    TypeError for what cannot be shared."""
    if isinstance(message.get("fd"), int) and message["fd"] >= 0:
        raise ValueError("the descriptor belongs to the worker")
    address, kind = message.get("address"), message.get("addressType")
    if kind == -1:
        path = os.path.join(cwd, str(address))
        return (BindAddress(socket.AF_UNIX, socket.SOCK_STREAM, path, 0),)
    port = int(cast("Any", message.get("port")) or 0)
    if not 0 <= port < 65536:
        raise ValueError("no port")
    flags = message.get("flags")
    only6 = isinstance(flags, int) and bool(flags & _IPV6ONLY)
    stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
    if kind in ("udp4", "udp6"):
        family = socket.AF_INET if kind == "udp4" else socket.AF_INET6
        wildcard = _ANY4 if kind == "udp4" else _ANY6
        return (BindAddress(family, datagram, str(address or wildcard), port, only6),)
    if not address:
        both = BindAddress(socket.AF_INET6, stream, _ANY6, port, only6)
        return (both, BindAddress(socket.AF_INET, stream, _ANY4, port))
    if kind not in (4, 6):
        raise ValueError("unknown kind of address")
    family = socket.AF_INET if kind == 4 else socket.AF_INET6
    return (BindAddress(family, stream, str(address), port, only6 and kind == 6),)
