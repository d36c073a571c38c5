"""Bytes to messages and back; every message that comes in is checked against its type here.

msgpack by msgspec. A message of an unknown kind or with a field of the wrong type raises
`BadMessageError`; unknown fields are ignored, so that a newer agent can say more.
"""

from typing import TypeVar

import msgspec

from monit_agent.wire.limits import PROTOCOL_VERSION
from monit_agent.wire.messages import Answer, Event, Header, Request, Sample


class BadMessageError(ValueError):
    """The peer sent something that is not a message of this protocol."""


T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_header = msgspec.msgpack.Decoder(Header)
_event = msgspec.msgpack.Decoder(Event)
_request = msgspec.msgpack.Decoder(Request)
_answer = msgspec.msgpack.Decoder(Answer)
_sample = msgspec.msgpack.Decoder(Sample)
_beat = msgspec.msgpack.Decoder(int)


def encode(message: Header | Event | Request | Answer | Sample) -> bytes:
    """Give the msgpack bytes of ``message``."""
    return _encoder.encode(message)


def encode_beat(event_seq: int) -> bytes:
    """Give the payload of a ``beat.…`` message: how far the app's events have come."""
    return _encoder.encode(event_seq)


def decode_beat(raw: bytes) -> int:
    """Give the sequence number of the newest event, as a heartbeat's payload tells it."""
    return _decode(_beat, raw)


def decode_header(raw: bytes) -> Header:
    """Give the header of a PUB message; `BadMessageError` if its version is not ours."""
    header = _decode(_header, raw)
    if header.v != PROTOCOL_VERSION:
        raise BadMessageError(f"protocol version {header.v}, this side speaks {PROTOCOL_VERSION}")
    return header


def decode_event(raw: bytes) -> Event:
    """Give the event in an ``event.…`` message's payload."""
    return _decode(_event, raw)


def decode_sample(raw: bytes) -> Sample:
    """Give the sample in a ``metrics.…`` message's payload."""
    return _decode(_sample, raw)


def decode_request(raw: bytes) -> Request:
    """Give the request that a client sent."""
    return _decode(_request, raw)


def decode_answer(raw: bytes) -> Answer:
    """Give the answer that an agent sent."""
    return _decode(_answer, raw)


def _decode(decoder: "msgspec.msgpack.Decoder[T]", raw: bytes) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessageError(str(error)) from error
