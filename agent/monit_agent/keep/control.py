"""``keeper.sock``: lines of JSON from several clients, none of which is ever waited for."""

import _socket as socket
import os
import struct
from collections.abc import Callable

from monit_agent.keep import jsonline
from monit_agent.keep.journal import note
from monit_agent.keep.loop import READ, WRITE, Loop
from monit_agent.supervise.typed import Any, cast

LINE_BYTES = 1 << 20
BEHIND_BYTES = 1 << 20
CLIENTS = 64
_READ_BYTES = 65536
_PEERCRED = struct.Struct("3i")


class Client:
    """One connection. ``pid`` is the peer's, as the kernel tells it."""

    __slots__ = ("allowed", "follows", "inbox", "outbox", "pid", "sock", "writing")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.follows = False
        self.writing = False
        self.allowed = BEHIND_BYTES
        size = _PEERCRED.size
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        self.pid: int = _PEERCRED.unpack(peer)[0]


class Control:
    """The listener and its clients. ``answer(client, request)`` gives the answer of a
    request; what a request makes happen is broadcast to those who follow."""

    def __init__(
        self, loop: Loop, path: str, answer: Callable[[Client, dict[str, Any]], dict[str, Any]]
    ) -> None:
        self._loop = loop
        self._answer = answer
        self._clients: dict[int, Client] = {}
        if os.path.lexists(path):
            os.unlink(path)  # ours alone: whoever calls holds the app's lock
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._accept_fd = acceptor(self._listener)
        loop.watch(self._listener.fileno(), self._accept)

    def broadcast(self, message: dict[str, Any]) -> None:
        """Send an event to every client that follows."""
        followers = [client for client in self._clients.values() if client.follows]
        if followers:
            line = _line(message)
            for client in followers:
                self._send(client, line)

    def close(self) -> None:
        """Close the listener and, after one last try to write, every client."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for client in list(self._clients.values()):
            self._drop(client)

    def _accept(self, _events: int) -> None:
        try:
            fd = self._accept_fd()[0]
        except OSError:
            return  # it went away again, or descriptors are short: it stays in the backlog
        sock = socket.socket(fileno=fd)
        if len(self._clients) >= CLIENTS:
            sock.close()
            return
        sock.setblocking(False)
        client = Client(sock)
        self._clients[fd] = client
        self._loop.watch(fd, lambda events: self._serve(client, events))

    def _serve(self, client: Client, events: int) -> None:
        if events & WRITE:
            self._write(client)
        if events & ~WRITE and client.sock.fileno() >= 0:
            self._read(client)

    def _read(self, client: Client) -> None:
        try:
            data = client.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        client.inbox += data
        *lines, rest = client.inbox.split(b"\n")
        client.inbox = rest
        for line in lines:
            if client.sock.fileno() >= 0 and line.strip():
                self._take(client, line)
        if len(client.inbox) > LINE_BYTES:
            refused = refusal("bad_request", f"a request is a line of at most {LINE_BYTES} bytes")
            self._send(client, _line({"id": None, **refused}))
            self._drop(client)

    def _take(self, client: Client, line: bytearray) -> None:
        try:
            request: Any = jsonline.load(line)
        except (ValueError, RecursionError) as error:
            answer = refusal("bad_request", f"not a line of JSON: {error}")
            self._send(client, _line({"id": None, **answer}))
            return
        if not isinstance(request, dict):
            answer = refusal("bad_request", "a request is a JSON object")
            self._send(client, _line({"id": None, **answer}))
            return
        asked = cast("dict[str, Any]", request)
        try:
            answer = {"id": asked.get("id"), **self._answer(client, asked)}
        except Exception as error:  # noqa: BLE001  the border of one request
            note(f"a fault while answering {asked.get('do')!r}: {error!r}")
            answer = {"id": asked.get("id"), **refusal("failed", f"a fault of ours: {error!r}")}
        reply = _line(answer)
        # a snapshot is as long as the app is large: its length is no sign of slowness
        client.allowed = max(client.allowed, BEHIND_BYTES + len(reply))
        self._send(client, reply)

    def _send(self, client: Client, line: bytes) -> None:
        if client.sock.fileno() < 0:
            return
        waiting = bool(client.outbox)
        client.outbox += line
        if not waiting:
            self._write(client)
        if len(client.outbox) > client.allowed:
            self._drop(client)

    def _write(self, client: Client) -> None:
        try:
            sent = client.sock.send(client.outbox)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        del client.outbox[:sent]
        if client.writing != bool(client.outbox):
            client.writing = bool(client.outbox)
            mask = READ | WRITE if client.writing else READ
            self._loop.watch(client.sock.fileno(), lambda events: self._serve(client, events), mask)

    def _drop(self, client: Client) -> None:
        fd = client.sock.fileno()
        if fd >= 0:
            self._loop.forget(fd)
            del self._clients[fd]
            client.sock.close()


def acceptor(listener: socket.socket) -> Callable[[], tuple[int, object]]:
    """Give what `socket.socket.accept` is made of; the class around it brings 0.4 MB of modules."""
    return cast("Any", listener)._accept  # noqa: SLF001


def refusal(kind: str, message: str) -> dict[str, Any]:
    """Give the body of a refusal; ``kind`` is one of the wire's `ErrorKind`."""
    return {"ok": False, "kind": kind, "message": message}


def _line(message: dict[str, Any]) -> bytes:
    return jsonline.dump(message) + b"\n"
