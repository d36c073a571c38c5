"""Bytes to messages and back; every message that comes in is checked against its type here.

msgpack by msgspec. A message of an unknown kind or with a field of the wrong type raises
`BadMessageError`; unknown fields are ignored, so that a newer agent can send more. A request with
an unknown field is refused: a client that means something by it must not get something else.

Text on the wire is Unicode in the form of ``os_text.py``; in the program it is what
``os.fsdecode`` returns.
"""

import json
from typing import NoReturn, TypeVar, get_args

import msgspec

from monit_agent.os_text import decode_texts, encode_texts, has_encoded_bytes, has_surrogates
from monit_agent.wire.limits import PROTOCOL_VERSION
from monit_agent.wire.messages import Answer, Header, Request, Sample, Update


class BadMessageError(ValueError):
    """The peer sent something that is not a message of this protocol."""


T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_header = msgspec.msgpack.Decoder(Header)
_event = msgspec.msgpack.Decoder(Update)
_request = msgspec.msgpack.Decoder(Request)
_answer = msgspec.msgpack.Decoder(Answer)
_sample = msgspec.msgpack.Decoder(Sample)


class _Kind(msgspec.Struct):
    type: str


_kind = msgspec.msgpack.Decoder(_Kind)
_UPDATES = {each.__struct_config__.tag for each in get_args(Update)}
_beat = msgspec.msgpack.Decoder(int)


def encode(message: msgspec.Struct) -> bytes:
    """Return the msgpack bytes of ``message``."""
    try:
        raw = _encoder.encode(message)
    except UnicodeEncodeError:
        raw = None
    if raw is not None and not has_encoded_bytes(raw):
        return raw
    return _encoder.encode(encode_texts(msgspec.to_builtins(message, builtin_types=(bytes,))))


def encode_beat(event_seq: int) -> bytes:
    """Return the payload of a ``beat.…`` message: how far the app's events have come."""
    return _encoder.encode(event_seq)


def decode_beat(raw: bytes) -> int:
    """Return the sequence number of the newest event, from a heartbeat's payload."""
    return decode(_beat, raw)


def decode_header(raw: bytes) -> Header:
    """Return the header of a PUB message; `BadMessageError` if its version is too far from ours."""
    header = decode(_header, raw)
    side = side_to_upgrade(header.v)
    if side is not None:
        raise BadMessageError(f"{_SKEW.format(header.v)}; {_TO_DO[side]}")
    return header


_SKEW = f"its agent speaks protocol version {{}}, this side speaks {PROTOCOL_VERSION}"
_TO_DO = {
    "ours": "install a newer version of monit here",
    "theirs": "run monit upgrade where the app runs",
}


def side_to_upgrade(version: int) -> str | None:
    """Return which side is too old to understand the other, ``ours`` or ``theirs``; None for the
    same protocol version and its neighbours, which understand each other: unknown fields are
    ignored, and unknown kinds of messages too."""
    if abs(version - PROTOCOL_VERSION) <= 1:
        return None
    return "ours" if version > PROTOCOL_VERSION else "theirs"


def decode_update(raw: bytes) -> Update | None:
    """Return the update in an ``event.…`` message's payload; None for a kind that only another
    version knows."""
    try:
        return decode(_event, raw)
    except BadMessageError:
        if kind_of(raw) in _UPDATES:
            raise
        return None


def decode_sample(raw: bytes) -> Sample:
    """Return the sample in a ``metrics.…`` message's payload."""
    return decode(_sample, raw)


def decode_request(raw: bytes) -> Request:
    """Return the request that a client sent; `BadMessageError` names a field that it does not have,
    and those that it has."""
    try:
        return decode(_request, raw)
    except BadMessageError as error:
        if "unknown field" not in str(error):
            raise
        raise BadMessageError(f"{error}; {_known_fields(raw)}") from error


def decode_answer(raw: bytes) -> Answer:
    """Return the answer that an agent sent."""
    return decode(_answer, raw)


def decode_json(decoder: "msgspec.json.Decoder[T]", raw: bytes) -> T:
    """Return what is in one JSON text; for the messages of keepers and probes."""
    try:
        if not has_surrogates(raw) and not has_encoded_bytes(raw):
            return decoder.decode(raw)
        plain = json.loads(raw, parse_constant=_refuse_constant)
        return msgspec.convert(decode_texts(plain), decoder.type)
    except (ValueError, RecursionError) as error:
        raise BadMessageError(str(error)) from error


def record_json(record: msgspec.Struct) -> bytes:
    """Return a record as JSON on one line."""
    try:
        raw = msgspec.json.encode(record)
    except UnicodeEncodeError:
        raw = None
    if raw is not None and not has_encoded_bytes(raw):
        return raw
    return encode_json(msgspec.to_builtins(record))


def encode_json(value: object) -> bytes:
    """Return plain data as JSON on one line."""
    return json.dumps(encode_texts(value), ensure_ascii=False, separators=(",", ":")).encode()


def decode(decoder: "msgspec.msgpack.Decoder[T]", raw: bytes) -> T:
    """Return the message in ``raw``; `BadMessageError` for anything else."""
    try:
        if not has_encoded_bytes(raw):
            return decoder.decode(raw)
        return msgspec.convert(decode_texts(msgspec.msgpack.decode(raw)), decoder.type)
    except (ValueError, RecursionError) as error:
        raise BadMessageError(str(error)) from error


def kind_of(raw: bytes) -> str:
    """Return the tag of a message of any kind."""
    return decode(_kind, raw).type


def _known_fields(raw: bytes) -> str:
    """Return which fields a request of this kind has."""
    tag = kind_of(raw)
    (kind,) = (each for each in get_args(Request) if each.__struct_config__.tag == tag)
    return f"{tag!r} knows {', '.join(kind.__struct_fields__) or 'none'}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
