"""The agent's ROUTER side: reads requests, finds the handler, answers each exactly once.

Nothing that a peer sends is more than data here: requests are typed (``wire/codec.py``), the
table of handlers is fixed, and whatever goes wrong is an answer of kind `Refused`.
"""

import pwd
from collections.abc import Callable
from typing import Any

import zmq

from monit_agent.observe.trouble import say_caught
from monit_agent.wire import codec
from monit_agent.wire.messages import Answer, ErrorKind, Refused, Request

TURN = 64
"""Requests that are served before timers and other sockets get their turn."""

Reply = Callable[[Answer], None]
"""Sends the answer to one request; to be called once."""


Handler = Callable[[Any, str, Reply], None]
"""Carries out one kind of request: the request, who asks (``user:pid``), and where the answer
goes, now or later."""


class RefusedError(Exception):
    """The request asks for what is not there or not possible; a handler raises it."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind


class Answerer:
    """Serves ``socket`` (a ROUTER) with a table from request type to handler."""

    def __init__(self, socket: "zmq.Socket[bytes]", handlers: dict[type[Request], Handler]) -> None:
        self._socket = socket
        self._handlers = handlers
        self._users: dict[int, str] = {}

    def serve(self, _events: int = 0) -> None:
        """Answer what has arrived, at most `TURN` requests."""
        for _ in range(TURN):
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            self._serve_one(frames)

    def _serve_one(self, frames: list[zmq.Frame]) -> None:
        peer, *rest = frames
        request_id = rest[0].bytes if rest else b""
        reply = self._reply_to(peer.bytes, request_id)
        if len(rest) != 2:
            text = f"a request has 2 frames, id and body, this one has {len(rest)}"
            reply(Refused(kind="bad_request", message=text))
            return
        try:
            request = codec.decode_request(rest[1].bytes)
            self._handlers[type(request)](request, self._who(peer), reply)
        except codec.BadMessageError as error:
            reply(Refused(kind="bad_request", message=str(error)))
        except RefusedError as error:
            reply(Refused(kind=error.kind, message=str(error)))
        except Exception as error:  # noqa: BLE001 (the border of one request)
            say_caught("answering a request")
            reply(Refused(kind="failed", message=f"the agent failed: {error!r}; see agent.log"))

    def _reply_to(self, peer: bytes, request_id: bytes) -> Reply:
        answered = False

        def reply(answer: Answer) -> None:
            nonlocal answered
            if answered:  # a handler that failed after it had answered
                return
            answered = True
            self._send([peer, request_id, codec.encode(answer)])

        return reply

    def _send(self, frames: list[bytes]) -> None:
        try:
            self._socket.send_multipart(frames, zmq.DONTWAIT)
        except zmq.ZMQError as error:
            # gone, or it does not read: its answer has nowhere to go, the others' have
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise

    def _who(self, frame: zmq.Frame) -> str:
        """Give ``user:pid`` of the peer as the kernel knew it when it connected."""
        try:
            # libzmq says "localhost:<uid>:<gid>:<pid>" on ipc
            _, uid, _, pid = str(frame.get("Peer-Address")).split(":")
            return f"{self._user(int(uid))}:{int(pid)}"
        except (zmq.ZMQError, ValueError):
            return "?"

    def _user(self, uid: int) -> str:
        if uid not in self._users:
            try:
                self._users[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                self._users[uid] = str(uid)
        return self._users[uid]
