"""``keeper.sock``: JSON lines from several clients; the keeper never waits for one."""

from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.keeper.loop import READ, WRITE, Loop
from monit_agent.keeper.socket_file import SocketFile, SocketKind
from monit_agent.keeper.upgrade.inherited import (
    NOTHING_INHERITED,
    Inherited,
    Values,
    bytes_of,
    text_of,
)
from monit_agent.system import jsonline
from monit_agent.system.lines import LineBuffer
from monit_agent.system.sockets import accept_fd, is_own_user, peer_pid, socket
from monit_agent.typed import Any, cast
from monit_agent.wire.limits import KEEPER_HELD_BYTES, KEEPER_LINE_BYTES

BEHIND_BYTES = 1 << 20
CLIENTS = 64
_READ_BYTES = 65536
_BACKLOG = 16


class Client:
    """One connection. ``pid`` is the peer's, from the kernel."""

    __slots__ = ("allowed", "follows", "hello_id", "inbox", "outbox", "pid", "sock", "writing")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = LineBuffer(KEEPER_LINE_BYTES)
        self.outbox = bytearray()
        self.follows = False
        self.hello_id: Any = None
        """Of its request ``hello``; its answer is sent again by another version."""
        self.writing = False
        self.allowed = BEHIND_BYTES
        self.pid = peer_pid(sock)


class Control:
    """The listeners and their clients; updates are broadcast to the clients that follow.

    ``claim`` is the app's abstract socket (``system/claim.py``): it is there also while the file
    of the other one is not. ``knocked`` is called for each connection to it: whoever uses it did
    not find the file.
    """

    _answer: Callable[[Client, dict[str, Any]], dict[str, Any] | None]
    _answered: Callable[[], None]

    def __init__(
        self,
        loop: Loop,
        path: str,
        claim: socket.socket | None,
        knocked: Callable[[], None],
        inherited: Inherited = NOTHING_INHERITED,
    ) -> None:
        self._loop = loop
        self._claim = claim
        self._knocked = knocked
        self._clients: dict[int, Client] = {}
        self.follower_gone: Callable[[int], None] = lambda _pid: None
        """Called with the pid of a client that followed and is disconnected."""
        given = inherited.part("control")
        self.file = SocketFile(
            loop,
            path,
            SocketKind(_BACKLOG),
            self._accept,
            inherited=inherited,
            given=given.get("file", {}),
        )
        for each in given.get("clients", ()):
            self._resume_client(inherited, each)

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to serve the same clients."""
        clients = [
            {
                "fd": keep(client.sock.fileno()),
                "follows": client.follows,
                "hello_id": client.hello_id,
                "inbox": text_of(client.inbox.partial),
                "outbox": text_of(client.outbox),
                "allowed": client.allowed,
            }
            for client in self._clients.values()
        ]
        return {"file": self.file.hand_on(keep), "clients": clients}

    def _resume_client(self, inherited: Inherited, given: Values) -> None:
        client = self._add(socket.socket(fileno=inherited.take(given["fd"])))
        client.follows, client.hello_id = given["follows"], given["hello_id"]
        client.allowed = given["allowed"]
        client.inbox.add(bytes_of(given["inbox"]))
        if given["outbox"]:
            self._send(client, bytes_of(given["outbox"]))

    def greet_again(self, body: dict[str, Any]) -> None:
        """Answer ``hello`` again to every client that follows: this is another version."""
        for client in list(self._clients.values()):
            if client.follows:
                self._reply(client, {"id": client.hello_id}, body)

    def answer_later(self, fd: int, request_id: Any, body: dict[str, Any]) -> None:
        """Answer a request for which there was no answer yet, if its client is still there."""
        client = self._clients.get(fd)
        if client is not None:
            self._reply(client, {"id": request_id}, body)

    def serve(
        self,
        answer: Callable[[Client, dict[str, Any]], dict[str, Any] | None],
        answered: Callable[[], None],
    ) -> None:
        """Accept clients; ``answer(client, request)`` returns the answer to a request, None for one
        that is answered later, and ``answered()`` is called when it was sent."""
        self._answer, self._answered = answer, answered
        if self._claim is not None:
            claim = self._claim
            self._loop.watch(claim.fileno(), lambda _events: self._accept_at_claim(claim))

    def broadcast(self, message: dict[str, Any]) -> None:
        """Send an update to every client that follows."""
        followers = [client for client in self._clients.values() if client.follows]
        if followers:
            line = _line(message)
            for client in followers:
                self._send(client, line)

    def send_to(self, pid: int, message: dict[str, Any]) -> None:
        """Send an update to the process ``pid``, if it follows."""
        for client in [each for each in self._clients.values() if each.pid == pid]:
            if client.follows:
                self._send(client, _line(message))

    def has_follower(self, pid: int) -> bool:
        """Return whether the process ``pid`` follows."""
        return any(each.follows and each.pid == pid for each in self._clients.values())

    def close(self) -> None:
        """Close the listeners and, after a last attempt to write, every client."""
        self.file.close()
        if self._claim is not None:
            self._loop.unwatch(self._claim.fileno())
        for client in list(self._clients.values()):
            if client.outbox:
                self._write(client)
            self._drop(client)

    def _accept_at_claim(self, claim: socket.socket) -> None:
        self._knocked()
        self._accept(claim)

    def _accept(self, listener: socket.socket) -> None:
        try:
            fd = accept_fd(listener)
        except OSError:
            return  # it disconnected, or no descriptors are left: it stays in the backlog
        sock = socket.socket(fileno=fd)
        if len(self._clients) >= CLIENTS or not is_own_user(sock):
            sock.close()
            return
        self._add(sock)

    def _add(self, sock: socket.socket) -> Client:
        sock.setblocking(False)
        client = self._clients[sock.fileno()] = Client(sock)
        self._loop.watch(sock.fileno(), lambda events: self._serve(client, events))
        return client

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
        for line in client.inbox.add(data):
            if client.sock.fileno() >= 0 and line.strip():
                self._handle_line(client, line)
        if client.inbox.is_too_long:
            self._refuse_and_drop(
                client, f"a request is a line of at most {KEEPER_LINE_BYTES} bytes"
            )
        elif client.inbox.held_bytes > _READ_BYTES and self._holds_too_much():
            self._refuse_and_drop(client, "the requests of all clients are too long together")

    def _holds_too_much(self) -> bool:
        held = sum(client.inbox.held_bytes for client in self._clients.values())
        return held > KEEPER_HELD_BYTES

    def _refuse_and_drop(self, client: Client, why: str) -> None:
        self._send(client, _line({"id": None, **refusal("bad_request", why)}))
        self._drop(client)

    def _handle_line(self, client: Client, line: bytes) -> None:
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
        fields = cast("dict[str, Any]", request)
        try:
            answer = self._answer(client, fields)
            if answer is not None:
                self._reply(client, fields, answer)
            self._answered()
        except Exception as error:  # noqa: BLE001  the border of one request
            note(f"an error while answering {fields.get('do')!r}: {error!r}")
            self._reply(client, fields, refusal("failed", f"internal error: {error!r}"))

    def _reply(self, client: Client, request: dict[str, Any], body: dict[str, Any]) -> None:
        reply = _line({"id": request.get("id"), **body})
        # a snapshot is long for a large app: its length does not mean that the client is slow
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
            self._loop.unwatch(fd)
            del self._clients[fd]
            client.sock.close()
            if client.follows:
                self.follower_gone(client.pid)


def refusal(kind: str, message: str) -> dict[str, Any]:
    """Return the body of a refusal; ``kind`` is an `ErrorKind` of the wire."""
    return {"ok": False, "kind": kind, "message": message}


def _line(message: dict[str, Any]) -> bytes:
    return jsonline.dump(message) + b"\n"
