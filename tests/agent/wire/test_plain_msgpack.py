"""The small msgpack of commands and msgspec's understand each other."""

import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.wire.plain_msgpack import pack, unpack

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
NESTED = st.recursive(
    PLAIN | st.integers(2**63, 2**64 - 1) | st.binary(max_size=70_000),
    lambda inner: st.lists(inner, max_size=20).map(tuple) | st.dictionaries(TEXTS, inner),
    max_leaves=30,
)


@given(st.dictionaries(TEXTS, PLAIN, max_size=15))
def test_a_request_arrives_as_it_was_meant(fields: dict[str, Any]) -> None:
    """Whatever texts and numbers are sent, msgspec reads the same."""
    assert msgspec.msgpack.decode(pack(fields)) == fields


@given(NESTED)
def test_an_answer_is_read_as_msgspec_wrote_it(value: Any) -> None:
    """Values of every size come back, lists as tuples."""
    assert unpack(msgspec.msgpack.encode(value)) == value


@given(NESTED, st.data())
def test_what_is_cut_off_or_too_long_is_an_error(value: Any, data: st.DataObject) -> None:
    """Half an answer is not taken for a whole one."""
    raw = msgspec.msgpack.encode(value)
    for wrong in (raw[: data.draw(st.integers(0, len(raw) - 1))], raw + b"\x00"):
        with pytest.raises((ValueError, LookupError, struct.error)):
            unpack(wrong)
