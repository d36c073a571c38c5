"""``share.sock``: where workers request sockets that they share.

The file that is injected into Python programs (``probe/inject/_monit_ports.py``) sends a request
when the program binds a socket. One request a connection, one line, and its answer:

* ``bind FAMILY V6ONLY PORT ADDRESS``: ``+`` and the socket, ``-`` (bind it yourself), ``!ERRNO``;
* ``look PORT``: ``+`` if the port is to look free, because other workers have it and this one will
  get it too, else ``-``;
* ``holds PATH``: ``+`` if a shared socket is at this path, else ``-``;
* ``listen``: ``+``;
* ``accept``: ``+``; sent when a process accepts from a shared socket for the first time;
* ``shared``: ``+`` and the inodes of the shared sockets;
* ``hold``: ``+`` and all shared sockets; sent by the agent, which keeps them for the next keeper;
* ``group``: ``+`` if the whole process group will get the stop signal at once, else ``-``.

A Node program that a wrapper runs sends ``channel``, and the connection becomes a channel as that
of a Node worker (`node_cluster`): it is closed at once where the app shares no ports.
"""

import signal
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.ports.listeners import BindAddress, Listener, Listeners, key_of
from monit_agent.keeper.ports.socket_activation import listed_ports
from monit_agent.keeper.socket_file import SocketFile, SocketKind
from monit_agent.keeper.upgrade.inherited import NOTHING_INHERITED, Inherited, Values
from monit_agent.keeper.workers.descendants import send
from monit_agent.supervise.spec import AppSpec, shares_on_bind
from monit_agent.system import procfs
from monit_agent.system.sockets import accept_fd, hand_over, peer_pid, socket
from monit_agent.system.users import RunAs

DRAIN_SIGNAL = int(signal.SIGRTMAX) - 7
"""At this signal the injected file lets its process accept no new connections. It is sent only to
processes that handle it: its default action would kill them."""
_LINE_BYTES = 1024
_CHANNEL = b"channel\n"
_WAITING = 64


class BindServer:
    """The listener of ``share.sock``. ``who(pid)`` returns slot and worker of a process; ``bound``
    is called with a worker that has a shared socket for the first time, ``accepts`` when a process
    of it accepts, ``connect_node`` with a worker, a channel to a process of it, and what was sent
    over that already. ``binds_as(worker, place)`` is as whom a socket is bound for it."""

    def __init__(
        self,
        loop: Loop,
        path: str,
        listeners: Listeners,
        *,
        who: Callable[[int], tuple[int, int] | None],
        bound: Callable[[int], None],
        accepts: Callable[[int], None],
        changed: Callable[[], None],
        in_use: Callable[[BindAddress], None],
        connect_node: Callable[[int, socket.socket, bytes], object],
        binds_as: Callable[[int, BindAddress], RunAs | None],
        inherited: Inherited = NOTHING_INHERITED,
    ) -> None:
        self.spec: AppSpec | None = None
        self._loop = loop
        self._listeners = listeners
        self._who = who
        self._bound = bound
        self._accepts = accepts
        self._changed = changed
        self._in_use = in_use
        self._connect_node = connect_node
        self._binds_as = binds_as
        self._waiting: dict[int, socket.socket] = {}
        given = inherited.part("share")
        self.file = SocketFile(
            loop,
            path,
            SocketKind(_WAITING),
            self._accept,
            inherited=inherited,
            given=given.get("file", {}),
        )
        for fd in given.get("waiting", ()):
            self._await_line(socket.socket(fileno=inherited.take(fd)))

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to answer all that have connected."""
        return {"file": self.file.hand_on(keep), "waiting": [keep(fd) for fd in self._waiting]}

    def close(self) -> None:
        """Ask and answer nothing more."""
        self.file.close()

    def drain(self, worker: int) -> None:
        """Let all processes of a worker that share a socket take no new connections."""
        for pid in [worker, *procfs.descendant_pids(worker)]:
            if procfs.handles_signal(pid, DRAIN_SIGNAL):
                send(pid, DRAIN_SIGNAL)

    def _accept(self, listener: socket.socket) -> None:
        try:
            fd = accept_fd(listener)
        except OSError:
            return
        sock = socket.socket(fileno=fd)
        if len(self._waiting) >= _WAITING:
            sock.close()
            return
        self._await_line(sock)

    def _await_line(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._waiting[sock.fileno()] = sock
        self._loop.watch(sock.fileno(), lambda _events: self._read(sock))

    def _read(self, sock: socket.socket) -> None:
        self._loop.unwatch(sock.fileno())
        del self._waiting[sock.fileno()]
        try:
            data = sock.recv(_LINE_BYTES)
            if data.startswith(_CHANNEL) and (worker := self._node_worker(sock)) is not None:
                self._connect_node(worker, sock, data[len(_CHANNEL) :])
                return
            if data.endswith(b"\n"):
                self._answer(sock, data)
        except (OSError, ValueError):
            pass  # it went away, or is none of ours: it binds by itself
        sock.close()

    def _node_worker(self, sock: socket.socket) -> int | None:
        """Return the worker of the Node program that connected, None where it shares no ports."""
        found = self._who(peer_pid(sock))
        shares = self.spec is not None and shares_on_bind(self.spec)
        return found[1] if found and shares else None

    def _answer(self, sock: socket.socket, line: bytes) -> None:
        found = self._who(peer_pid(sock))
        verb, _, rest = line[:-1].decode("utf-8", "surrogateescape").partition(" ")
        if verb == "hold":
            hand_over(sock, b"+", *(each.sock.fileno() for each in self._listeners.all()))
        elif found is None:
            sock.send(b"-")
        elif verb == "bind":
            self._bind(sock, found[1], rest.split(" ", 3))
        elif verb == "look":
            sock.send(b"+" if self._looks_free(found[1], int(rest)) else b"-")
        elif verb == "holds":
            sock.send(b"+" if self._listeners.find(_key_at(rest)) else b"-")
        elif verb == "listen":
            self._listeners.listen_again()
            sock.send(b"+")
        elif verb == "accept":
            self._accepts(found[1])
            sock.send(b"+")
        elif verb == "group":
            is_group = self.spec is not None and self.spec.policy.kill_mode == "group"
            sock.send(b"+" if is_group else b"-")
        elif verb == "shared":
            inodes = " ".join(str(listener.inode) for listener in self._listeners.all())
            sock.send(b"+" + inodes.encode())

    def _bind(self, sock: socket.socket, worker: int, words: list[str]) -> None:
        family, only6, port, address = words
        place = BindAddress(int(family), socket.SOCK_STREAM, address, int(port), only6 == "1")
        key = key_of(place)
        if not _is_address(place) or not self._is_shared(place, key):
            sock.send(b"-")
            return
        if self._listeners.find(key) is None:
            self._note_closed(worker, place.port)
        try:
            listener = self._listeners.get(key, (place,), lambda at: self._binds_as(worker, at))
        except OSError as error:
            self._in_use(place)
            sock.send(b"!%d" % (error.errno or 0))
            return
        self._give(sock, worker, listener)

    def _looks_free(self, worker: int, port: int) -> bool:
        held = [each for each in self._listeners.all() if each.place.port == port]
        return bool(held) and not any(worker in each.users for each in held)

    def _note_closed(self, worker: int, port: int) -> None:
        """Note which sockets of this port a worker has closed again: Python programs do not say."""
        there = [each for each in self._listeners.all() if each.place.port == port]
        if any(worker in each.users for each in there):
            pids = [worker, *procfs.descendant_pids(worker)]
            has = {inode for pid in pids for _, inode in procfs.open_sockets(pid)}
            for listener in there:
                if listener.inode not in has:
                    listener.leave(worker, is_closed=False)

    def _give(self, sock: socket.socket, worker: int, listener: Listener) -> None:
        hand_over(sock, b"+", listener.sock.fileno())
        if worker not in listener.users:
            listener.users.add(worker)
            self._changed()
            self._bound(worker)

    def _is_shared(self, place: BindAddress, key: str) -> bool:
        """Return whether this is the app's port: the configured one, else the first. A path is
        shared only if it is configured: programs also have sockets of other kinds."""
        spec = self.spec
        if spec is None or not shares_on_bind(spec):
            return False
        if self._listeners.find(key) is not None:
            return True
        if place.family == socket.AF_UNIX:
            return False
        if spec.port is not None:  # at an address that the settings name, at no other one
            return place.port == spec.port and spec.port not in listed_ports(spec)
        if spec.listen:
            return False
        ports = {listener.place.port for listener in self._listeners.all()}
        return not ports or place.port in ports  # IPv4 and IPv6 are two sockets of one port


def _is_address(place: BindAddress) -> bool:
    """Return whether this is a path or a numeric address: the keeper must not wait for DNS."""
    if place.family == socket.AF_UNIX:
        return "\0" not in place.address
    if place.family not in (socket.AF_INET, socket.AF_INET6) or not 0 <= place.port < 1 << 16:
        return False
    try:
        socket.inet_pton(place.family, place.address.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


def _key_at(path: str) -> str:
    return key_of(BindAddress(socket.AF_UNIX, socket.SOCK_STREAM, path, 0))
