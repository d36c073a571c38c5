"""The stream between a bridge and its client: whole messages, within bounds."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.wire import bridge, codec


@given(st.lists(st.binary(max_size=2000), max_size=5), st.integers(1, 700))
def test_messages_arrive_whole_however_the_line_cuts_them(contents: list[bytes], size: int) -> None:
    """Several batches are one stream."""
    sent = [bridge.Ask(number=n, app="web", request=each, timeout_s=1.0) for n, each in
            enumerate(contents)]  # fmt: skip
    writer, reader = bridge.BridgeWriter(), bridge.BridgeReader(bridge.from_client)
    raw = b"".join(writer.batch([each]) for each in sent)
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert [each for piece in pieces for each in reader.messages(piece)] == sent


def test_bytes_that_are_no_text_survive() -> None:
    """A path may hold any byte."""
    path = b"/srv/\xff\xfe".decode("utf-8", "surrogateescape")
    sent = bridge.AppGone(app=path)
    raw = bridge.BridgeWriter().batch([sent])
    assert list(bridge.BridgeReader(bridge.from_bridge).messages(raw)) == [sent]


def test_a_kind_of_another_version_is_skipped() -> None:
    """A newer bridge may say more."""
    stream = zlib.compressobj(1)
    new = msgspec.msgpack.encode({"type": "weather", "rain": True})
    known = codec.encode(bridge.Listed())
    raw = b"".join(len(each).to_bytes(4, "big") + each for each in (new, known))
    data = stream.compress(raw) + stream.flush()
    assert list(bridge.BridgeReader(bridge.from_bridge).messages(data)) == [bridge.Listed()]


@pytest.mark.parametrize(
    "raw",
    [
        b"Welcome",
        zlib.compress(b"\xff" * 8),
        zlib.compress((bridge.MESSAGE_BYTES + 1).to_bytes(4, "big")),
        zlib.compress(b"\0\0\0\1\xc1"),
        zlib.compress((30).to_bytes(4, "big") + codec.encode(bridge.Listed()).ljust(30)),
    ],
    ids=["no stream", "huge", "too large", "no message", "more than a message"],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    """Nothing of it is taken for a message."""
    with pytest.raises(codec.BadMessageError):
        list(bridge.BridgeReader(bridge.from_bridge).messages(raw))


def test_a_bomb_is_not_unpacked() -> None:
    """A gigabyte of zeros ends the connection when the first message is too large."""
    bomb = zlib.compress(b"\x7f" * (64 << 20), 9)
    with pytest.raises(codec.BadMessageError, match="a message of"):
        list(bridge.BridgeReader(bridge.from_bridge).messages(bomb))
