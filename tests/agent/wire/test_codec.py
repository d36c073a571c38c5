"""Messages survive the wire, and nothing that comes in does more than be refused."""

import contextlib
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.wire import codec, messages
from monit_agent.wire.codec import BadMessageError
from monit_agent.wire.messages import Answer, Event, Header, Request, Sample

STRUCTS = [
    value
    for value in vars(messages).values()
    if isinstance(value, type) and issubclass(value, messages.Record)
]
DECODERS = (
    codec.decode_header, codec.decode_event, codec.decode_request,
    codec.decode_answer, codec.decode_sample, codec.decode_beat,
)  # fmt: skip

INTEGERS = st.integers(-(2**63), 2**64 - 1)  # what msgpack can hold
st.register_type_strategy(int, INTEGERS)
st.register_type_strategy(float, st.floats(allow_nan=False))


def _anything_of(struct: type[Any]) -> st.SearchStrategy[Any]:
    fields = {field.name: st.from_type(field.type) for field in msgspec.structs.fields(struct)}
    return st.builds(struct, **fields)


for _struct in STRUCTS:
    st.register_type_strategy(_struct, st.deferred(lambda each=_struct: _anything_of(each)))


def _one_of(union: Any) -> st.SearchStrategy[Any]:
    return st.one_of([st.from_type(each) for each in get_args(union)])


@given(_one_of(Event))
def test_an_event_comes_back_as_it_was_sent(event: Event) -> None:
    """Whatever an event holds, the client gets the same."""
    assert codec.decode_event(codec.encode(event)) == event


@given(_one_of(Request))
def test_a_request_comes_back_as_it_was_sent(request: Request) -> None:
    """Whatever a client asks, the agent reads the same."""
    assert codec.decode_request(codec.encode(request)) == request


@given(_one_of(Answer))
def test_an_answer_comes_back_as_it_was_sent(answer: Answer) -> None:
    """Whatever an agent answers, the client reads the same."""
    assert codec.decode_answer(codec.encode(answer)) == answer


@given(st.from_type(Sample))
def test_a_sample_comes_back_as_it_was_sent(sample: Sample) -> None:
    """No number of a sample is changed on the way."""
    assert codec.decode_sample(codec.encode(sample)) == sample


@given(st.integers(0, 2**63))
def test_a_beat_comes_back_as_it_was_sent(event_seq: int) -> None:
    """A heartbeat tells how far the events have come."""
    assert codec.decode_beat(codec.encode_beat(event_seq)) == event_seq


@given(st.builds(Header, epoch=INTEGERS, seq=INTEGERS, at_ns=INTEGERS, offset=INTEGERS))
def test_a_header_comes_back_as_it_was_sent(header: Header) -> None:
    """Epoch, numbers and offsets of a message's header are exact."""
    assert codec.decode_header(codec.encode(header)) == header


def test_a_header_of_another_version_is_refused() -> None:
    """Who speaks another protocol is told so, instead of being half understood."""
    raw = codec.encode(Header(v=2, epoch=1, seq=1, at_ns=1))

    with pytest.raises(BadMessageError, match="version 2"):
        codec.decode_header(raw)


@given(st.binary(max_size=300), st.sampled_from(DECODERS))
def test_garbage_is_a_bad_message_and_nothing_else(raw: bytes, decode: Any) -> None:
    """Random bytes either are a message or raise `BadMessageError`, never anything else."""
    with contextlib.suppress(BadMessageError):
        decode(raw)


MSGPACK = st.recursive(
    st.none()
    | st.booleans()
    | INTEGERS
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
TAGS = st.sampled_from(
    [str(s.__struct_config__.tag) for s in STRUCTS if s.__struct_config__.tag] + ["x"]
)


@given(
    TAGS, st.dictionaries(st.sampled_from(["instance", "stream", "instances", "count"]), MSGPACK)
)
def test_wrong_types_are_a_bad_message_and_nothing_else(tag: str, fields: dict[str, Any]) -> None:
    """A map with a known tag and wrong fields is refused like garbage is."""
    raw = msgspec.msgpack.encode({"type": tag, **fields})

    for decode in DECODERS:
        with contextlib.suppress(BadMessageError):
            decode(raw)


def test_deep_nesting_is_a_bad_message() -> None:
    """A message nested without end cannot exhaust the stack."""
    raw = b"\x91" * 100_000

    for decode in DECODERS:
        with pytest.raises(BadMessageError):
            decode(raw)


def test_fields_of_a_newer_version_are_ignored() -> None:
    """A newer agent may say more without losing older clients."""
    raw = msgspec.msgpack.encode({"type": "gone", "instance": 3, "colour": "blue"})

    assert codec.decode_event(raw) == messages.InstanceGone(instance=3)
