"""Messages survive the wire, and nothing that comes in does more than be refused."""

import contextlib
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.wire import codec, messages
from monit_agent.wire.codec import BadMessageError
from monit_agent.wire.limits import PROTOCOL_VERSION
from monit_agent.wire.messages import Answer, EventAdded, Header, Request, Sample, Update

STRUCTS = [
    value
    for value in vars(messages).values()
    if isinstance(value, type) and issubclass(value, messages.Record)
]
DECODERS = (
    codec.decode_header, codec.decode_update, codec.decode_request,
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


@given(_one_of(Update))
def test_an_event_comes_back_as_it_was_sent(event: Update) -> None:
    """Whatever an event holds, the client gets the same."""
    assert codec.decode_update(codec.encode(event)) == event


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
    """A heartbeat has the number of the last event."""
    assert codec.decode_beat(codec.encode_beat(event_seq)) == event_seq


@given(st.builds(Header, epoch=INTEGERS, seq=INTEGERS, at_ns=INTEGERS, offset=INTEGERS))
def test_a_header_comes_back_as_it_was_sent(header: Header) -> None:
    """Epoch, numbers and offsets of a message's header are exact."""
    assert codec.decode_header(codec.encode(header)) == header


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
def test_no_map_raises_anything_but_a_bad_message(tag: str, fields: dict[str, Any]) -> None:
    """A map with a known tag is a message or raises `BadMessageError`, whatever its fields."""
    raw = msgspec.msgpack.encode({"type": tag, **fields})

    for decode in DECODERS:
        with contextlib.suppress(BadMessageError):
            decode(raw)


NO_INTEGER = MSGPACK.filter(
    lambda value: not isinstance(value, int | float) or isinstance(value, bool)
)


@given(NO_INTEGER)
def test_a_field_of_a_wrong_type_is_refused(value: Any) -> None:
    """Where an integer is expected, nothing else passes."""
    for tag, decode in (("instance_removed", codec.decode_update), ("usage", codec.decode_request)):
        assert decode(msgspec.msgpack.encode({"type": tag, "instance": 3}))
        with pytest.raises(BadMessageError):
            decode(msgspec.msgpack.encode({"type": tag, "instance": value}))


def test_deep_nesting_is_a_bad_message() -> None:
    """A message nested without end cannot exhaust the stack."""
    raw = b"\x91" * 100_000

    for decode in DECODERS:
        with pytest.raises(BadMessageError):
            decode(raw)


def test_fields_of_a_newer_version_are_ignored() -> None:
    """A newer agent may say more without losing older clients."""
    raw = msgspec.msgpack.encode({"type": "instance_removed", "instance": 3, "colour": "blue"})

    assert codec.decode_update(raw) == messages.InstanceRemoved(instance=3)


@pytest.mark.parametrize("distance", [-1, 0, 1])
def test_a_header_of_a_neighbouring_version_is_read(distance: int) -> None:
    """An upgrade replaces one process after the other."""
    header = Header(v=PROTOCOL_VERSION + distance, epoch=1, seq=1, at_ns=1)
    assert codec.decode_header(codec.encode(header)) == header


@pytest.mark.parametrize(("version", "todo"), [(99, "install a newer"), (0, "run monit upgrade")])
def test_a_header_of_a_distant_version_says_which_side_to_upgrade(version: int, todo: str) -> None:
    """The older one, wherever it is."""
    with pytest.raises(BadMessageError, match=f"version {version}.*{todo}"):
        codec.decode_header(codec.encode(Header(v=version, epoch=1, seq=1, at_ns=1)))


def test_an_update_of_a_kind_that_only_a_newer_version_knows_is_skipped() -> None:
    """It is no garbage; what follows it is read."""
    raw = msgspec.msgpack.encode({"type": "of_tomorrow", "payload": [1, 2]})
    assert codec.decode_update(raw) is None


def test_an_event_of_a_kind_that_only_a_newer_version_knows_is_read() -> None:
    """Its text is for people, whatever its kind."""
    event = {"seq": 1, "at": 1.0, "kind": "of_tomorrow", "text": "something new"}
    update = codec.decode_update(msgspec.msgpack.encode({"type": "event_added", "event": event}))
    assert isinstance(update, EventAdded)
    assert update.event.text == "something new"
