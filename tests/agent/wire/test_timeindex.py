"""The time index: what is packed can be read, torn or foreign bytes are noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.wire import timeindex

U64 = st.integers(0, 2**64 - 1)
RECORDS = st.lists(st.tuples(U64, U64), max_size=20)


@given(U64)
def test_a_header_has_its_base(base: int) -> None:
    """Where a log begins is kept exactly."""
    assert timeindex.unpack_header(timeindex.pack_header(base)) == base


@given(RECORDS, st.binary(max_size=15))
def test_records_are_read_back_without_a_torn_one(
    records: list[tuple[int, int]], torn: bytes
) -> None:
    """A record that was being written when the machine stopped does not spoil the others."""
    raw = b"".join(timeindex.pack_record(*record) for record in records)

    assert timeindex.unpack_records(raw + torn) == records


@given(st.binary(max_size=40))
def test_foreign_bytes_are_no_header(raw: bytes) -> None:
    """What does not begin as an index is a `BadIndexError`, never a number."""
    if raw[:8] == timeindex.MAGIC and len(raw) >= timeindex.HEADER.size:
        return
    with pytest.raises(timeindex.BadIndexError):
        timeindex.unpack_header(raw)
