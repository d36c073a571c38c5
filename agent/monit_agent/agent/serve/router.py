"""The agent's ROUTER side: reads requests, finds the handler, answers each exactly once.

Nothing that a peer sends is more than data here: requests are typed (``wire/codec.py``), the
table of handlers is fixed, and whatever goes wrong is an answer of kind `Refused`.
"""

from collections.abc import Callable
from typing import Any

from monit_agent.agent.journal_errors import log_exception
from monit_agent.agent.serve.peer import Peer
from monit_agent.agent.serve.sockets import ServerSocket
from monit_agent.wire import codec
from monit_agent.wire.messages import Answer, ErrorKind, Refused, Request
from monit_agent.wire.zmtp import Command, Message

Reply = Callable[[Answer], None]
"""Sends the answer to one request; to be called once."""


Handler = Callable[[Any, str, Reply], None]
"""Carries out one kind of request: the request, who sent it, and where the answer
goes, now or later."""


class RefusedError(Exception):
    """What is requested is not there or not possible; a handler raises it."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind


class RequestServer:
    """Serves ``socket`` (a ROUTER) with a table from request type to handler."""

    def __init__(self, socket: ServerSocket, handlers: dict[type[Request], Handler]) -> None:
        self._handlers = handlers
        socket.received = self._serve_one

    def _serve_one(self, peer: Peer, message: Message | Command) -> None:
        if isinstance(message, Command):
            return  # of a newer version of ZeroMQ
        request_id, *rest = message.frames
        reply = _reply_to(peer, request_id)
        if len(rest) != 1:
            text = f"a request has 2 frames, id and body, this one has {len(message.frames)}"
            reply(Refused(kind="bad_request", message=text))
            return
        try:
            request = codec.decode_request(rest[0])
            self._handlers[type(request)](request, peer.requester, reply)
        except codec.BadMessageError as error:
            reply(Refused(kind="bad_request", message=str(error)))
        except RefusedError as error:
            reply(Refused(kind=error.kind, message=str(error)))
        except Exception as error:  # noqa: BLE001 (the border of one request)
            log_exception("answering a request")
            reply(Refused(kind="failed", message=f"the agent failed: {error!r}; see agent.log"))


def _reply_to(peer: Peer, request_id: bytes) -> Reply:
    answered = False

    def reply(answer: Answer) -> None:
        nonlocal answered
        if answered:  # a handler that failed after it had answered
            return
        answered = True
        peer.send([request_id, codec.encode(answer)])

    return reply
