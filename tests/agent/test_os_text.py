"""Bytes of paths, arguments and variables survive every message as they are."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.keeper.messages import KeeperAnswer, read_line
from monit_agent.config.files.toml_writer import toml_value
from monit_agent.os_text import escape_bytes, from_unicode, to_unicode
from monit_agent.system import jsonline
from monit_agent.wire import codec
from monit_agent.wire.messages import EventAdded, EventRecord, Restart

RESERVED = "\U0010fe80 \U0010fee9\U0010feff"
any_bytes = st.binary() | st.text(alphabet=st.sampled_from(RESERVED + "é\n")).map(str.encode)


@given(any_bytes)
def test_every_byte_comes_back(raw: bytes) -> None:
    """Through text that is Unicode and that strict parsers accept, also bytes that look like the
    form itself."""
    text = os.fsdecode(raw)
    sent = to_unicode(text)
    sent.encode("utf-8")
    assert os.fsencode(from_unicode(sent)) == raw


@given(st.text().filter(lambda text: not set(text) & set(RESERVED)))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """What is UTF-8 already looks on the wire as it always did."""
    assert to_unicode(text) == text
    assert from_unicode(text) == text


def test_the_form_is_the_documented_one() -> None:
    """A byte is a character whose last two digits are the byte's, in JSON and TOML too."""
    text = os.fsdecode(b"caf\xe9")
    assert to_unicode(text) == "caf\U0010fee9"
    assert jsonline.dump(text) == rb'"caf\udbff\udee9"'
    assert toml_value(text) == r'"caf\U0010FEE9"'
    assert escape_bytes(text) == r"caf\xe9"


@given(any_bytes)
def test_bytes_cross_every_socket(raw: bytes) -> None:
    """The keeper's lines of JSON, and the agent's msgpack, in texts and in keys."""
    text = os.fsdecode(raw)
    assert jsonline.load(jsonline.dump({text: [text]})) == {text: [text]}
    request = Restart(env={text: text})
    assert codec.decode_request(codec.encode(request)) == request
    event = EventAdded(event=EventRecord(seq=1, at=0.0, kind="ready", text=text))
    plain = {"seq": 1, "at": 0, "kind": "ready", "text": text}
    line = jsonline.dump({"type": "event_added", "event": plain})
    assert codec.decode_update(codec.encode(event)) == event == read_line(line)


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udce9"', '"\\udbff"'])
def test_a_lone_surrogate_is_no_error(text: str) -> None:
    """A state file of an earlier version has them; what stands for no byte becomes U+FFFD."""
    line = f'{{"id": 1, "ok": false, "message": {text}}}'.encode()
    answer = read_line(line)
    assert isinstance(answer, KeeperAnswer)
    known = os.fsdecode(b"\xe9") if "dce9" in text else "\N{REPLACEMENT CHARACTER}"
    assert answer.message == known
    assert jsonline.load(line)["message"] == known
    json.dumps(to_unicode(answer.message)).encode()
