"""Serves one client on stdin and stdout in lines of JSON: ``monit bridge --json``.

A request is an object with ``id`` and ``do``; what belongs to it has the same ``id``. Objects with
``type`` come while it is carried out, the one with ``ok`` is its answer and comes last.
``docs/api.md`` describes all of them.

It ends when its client does: when stdout cannot be written, and at the end of stdin, after the
requests that end by themselves are answered.
"""

import select
import time
from functools import partial
from typing import Any, get_args

import msgspec

from monit_agent.client.bridge.bridge import ClientPipes
from monit_agent.client.public.api_requests import (
    AnyRequest,
    ApiRequest,
    CancelRequest,
    PingRequest,
)
from monit_agent.client.public.jobs import Job, Receiver, Reply, RequestFailedError
from monit_agent.client.public.records import API_VERSION, Item
from monit_agent.client.public.session import ApiSource, Session
from monit_agent.system.lines import LineBuffer
from monit_agent.wire import bridge, codec
from monit_agent.wire.messages import Record

LINE_BYTES = 256 * 1024
"""Longest request: a thousand targets of 255 bytes."""

REQUESTS_MAX = 64
"""Requests in progress at a time."""

ID_CHARACTERS = 200

LARGEST_NUMBER = (1 << 53) - 1
"""Every parser of JSON reads whole numbers up to here."""

OUT_BYTES = 256 * 1024
"""What waits for the client; more is not made until it reads."""

HELD_BYTES = 64 * 1024 * 1024
"""Answers that wait for a client; one that does not read them is served no longer."""

WAIT_S = 1.0
"""Longest wait; a message from either side ends it."""

BLOCKED_S = 0.05
"""Wait while the client does not read."""

WRITE_BYTES = 64 * 1024

_KINDS = sorted(str(each.__struct_config__.tag) for each in get_args(AnyRequest))

Id = int | str


class JsonHello(Record, frozen=True, kw_only=True, tag="hello"):
    """The first line: who answers."""

    v: int
    """`API_VERSION`: with another one, this page is not about it."""
    version: str
    """Of monit."""
    host: str
    """What the machine calls itself."""
    boot_id: str
    """Changes with each boot of the machine."""
    wall: float
    """Its wall clock now, in seconds since 1970."""
    home: str
    """The folder of the apps' files."""
    user: str
    """Who the bridge runs as."""
    read_only: bool
    """Whether requests that change something are refused."""


class JsonBridge:
    """One client; `run` serves it until it is gone."""

    def __init__(self, source: ApiSource, hello: bridge.Hello, peer: ClientPipes) -> None:
        self._session = Session(source, read_only=hello.read_only)
        self._peer = peer
        self._lines = LineBuffer(LINE_BYTES)
        self._skips_line = False
        """Whether the line that is being read was refused for its length."""
        self._running: dict[Id, Job] = {}
        self._out = bytearray()
        self._input_ended = False
        said: dict[str, Any] = msgspec.to_builtins(hello)
        first = msgspec.convert({**said, "v": API_VERSION}, JsonHello)
        self._write(msgspec.to_builtins(first))

    def run(self) -> str | None:
        """Serve; return what was wrong with the client, None when it just went."""
        self._peer.unblock()
        while self._flush():
            if not self._input_ended:
                self._receive()
            if self._input_ended:
                self._cancel_endless()
                if not self._running and not self._out:
                    return None
            if len(self._out) > HELD_BYTES:
                return "the client asks more than it reads"
            # who does not read is not read from: its next requests wait in the pipe
            listens = not self._input_ended and len(self._out) < OUT_BYTES
            self._session.source.wake_on({self._peer.inp} if listens else set())
            self._session.poll(self._wait_s(), self._answer_job)
        return None

    def _wait_s(self) -> float:
        if self._out:
            select.select([], [self._peer.out], [], BLOCKED_S)
            return 0.0
        return 0.0 if self._input_ended and not self._running else WAIT_S

    # ------------------------------------------------------------ from the client

    def _receive(self) -> None:
        """Handle what has arrived, as far as the client reads the answers."""
        while len(self._out) < OUT_BYTES:
            data = self._peer.read()
            if data is None:
                return
            if not data:
                self._input_ended = True
                return
            for line in self._lines.add(data):
                self._take_line(line)
            if self._lines.is_too_long:
                self._lines.clear()
                self._refuse_long_line()

    def _refuse_long_line(self) -> None:
        if not self._skips_line:
            text = f"a request has at most {LINE_BYTES} bytes; this line is longer"
            self._refuse(None, RequestFailedError("bad_request", text))
        self._skips_line = True

    def _take_line(self, line: bytes) -> None:
        if len(line) > LINE_BYTES:
            self._refuse_long_line()
        if self._skips_line:
            self._skips_line = False
        elif line.strip():
            self._handle(line)

    def _handle(self, line: bytes) -> None:
        request_id: Id | None = None
        try:
            fields = _object(line)
            request_id = _id_of(fields)
            self._begin(request_id, _request(fields))
        except RequestFailedError as error:
            self._refuse(request_id, error)

    def _begin(self, request_id: Id, request: ApiRequest) -> None:
        if request_id in self._running:
            text = f"the request {request_id!r} is in progress; each needs an id of its own"
            raise RequestFailedError("bad_request", text)
        match request:
            case PingRequest():
                self._write({"id": request_id, "ok": True, "wall": time.time()})
            case CancelRequest():
                job = self._running.get(request.request)
                if job is None:
                    text = f"no request {request.request!r} is in progress"
                    raise RequestFailedError("bad_request", text)
                job.cancel()
                self._write({"id": request_id, "ok": True})
            case _:
                if len(self._running) >= REQUESTS_MAX:
                    text = f"{REQUESTS_MAX} requests are in progress; wait for one, or cancel it"
                    raise RequestFailedError("refused", text)
                receiver = Receiver(partial(self._write_item, request_id), self._has_room)
                self._running[request_id] = self._session.begin(request, receiver)

    def _cancel_endless(self) -> None:
        for job in self._running.values():
            if job.is_endless:
                job.cancel()

    # ------------------------------------------------------------ to the client

    def _answer_job(self, job: Job) -> None:
        (request_id,) = (each for each, running in self._running.items() if running is job)
        del self._running[request_id]
        reply = job.reply or Reply()
        if reply.error is not None:
            self._refuse(request_id, reply.error)
            return
        answer: dict[str, Any] = {"id": request_id, "ok": True}
        for name in ("instances", "apps", "events", "results"):
            records = getattr(reply, name)
            if records is not None:
                answer[name] = msgspec.to_builtins(records)
        self._write(answer)

    def _refuse(self, request_id: Id | None, error: RequestFailedError) -> None:
        answer = {"id": request_id, "ok": False, "kind": error.kind, "message": str(error)}
        if error.reports:
            answer["apps"] = msgspec.to_builtins(error.reports)
        if error.results:
            answer["results"] = msgspec.to_builtins(error.results)
        self._write(answer)

    def _has_room(self) -> bool:
        return len(self._out) < OUT_BYTES

    def _write_item(self, request_id: Id, item: Item) -> None:
        self._write({"id": request_id, **msgspec.to_builtins(item)})

    def _write(self, message: dict[str, Any]) -> None:
        self._out += codec.encode_json(message) + b"\n"

    def _flush(self) -> bool:
        """Write what the client takes; return False when it is gone."""
        while self._out:
            written = self._peer.write(self._out[:WRITE_BYTES])
            if not written:
                return written is not None
            del self._out[:written]
        return True


def _object(line: bytes) -> dict[str, Any]:
    try:
        fields = codec.decode_json(_any_object, line)
    except codec.BadMessageError as error:
        text = f"not an object of JSON on one line: {error}"
        raise RequestFailedError("bad_request", text) from error
    return fields


_any_object = msgspec.json.Decoder(dict[str, Any])


def _id_of(fields: dict[str, Any]) -> Id:
    request_id: Any = fields.pop("id", None)
    match request_id:
        case str() if len(request_id) <= ID_CHARACTERS:
            return request_id
        case int() if not isinstance(request_id, bool) and abs(request_id) <= LARGEST_NUMBER:
            return request_id
        case _:
            text = f'"id" must be a whole number, or a text of at most {ID_CHARACTERS} characters'
            raise RequestFailedError("bad_request", text)


def _request(fields: dict[str, Any]) -> ApiRequest:
    if fields.get("do") not in _KINDS:
        text = f'"do" is {fields.get("do")!r:.100}; there are {", ".join(_KINDS)}'
        raise RequestFailedError("unsupported", text)
    try:
        return msgspec.convert(fields, AnyRequest)
    except msgspec.ValidationError as error:
        kind = next(k for k in get_args(AnyRequest) if k.__struct_config__.tag == fields["do"])
        names = ", ".join(kind.__struct_fields__) or "no fields"
        text = f"{error}; {fields['do']!r} has {names}"
        raise RequestFailedError("bad_request", text) from error
