"""Whatever stands in a file or arrives at a socket, it is read, or refused as what it is.

`make test` runs a few examples, `make fuzz` many (``MONIT_FUZZ`` is their number).
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.keeper.messages import BadLineError, read_line
from monit_agent.agent.logs.reader import StreamReader
from monit_agent.agent.probes.reports import BadReportError, read_report
from monit_agent.client.saved_state import read_saved_app
from monit_agent.config.files.config import make_launches, read_config
from monit_agent.config.files.faults import ConfigFaultsError
from monit_agent.keeper.state import statefile
from monit_agent.supervise.spec import AppSpec, spec_to_json
from monit_agent.wire import timeindex
from monit_agent.wire.logfiles import StreamNames
from monit_agent.wire.zmtp import GREETING, Inbox, ProtocolError, message_bytes, ready_bytes
from support.agent import Client, ScriptedKeeper, client_of, scripted_app
from support.fuzz import json_values, short

STATE: dict[str, Any] = {
    "schema": statefile.SCHEMA, "boot_id": "b", "keeper_pid": 1, "left": False, "ports": [],
    "trees": {}, "inherited": [], "rollout": None, "slots": [],
    "spec": spec_to_json(AppSpec(name="a", script="a", argv=("a",), cwd="/", user="u")),
}  # fmt: skip

CONFIG = """
version = 1
[defaults]
instances = 2
[apps.web]
run = ["true", "a"]
env = { A = "1" }
port = 8000
"""


@st.composite
def _damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """Return good bytes with a part replaced, which gets further than random ones."""
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(len(good), start + 20)))
    return good[:start] + draw(st.binary(max_size=20)) + good[end:]


@short
@given(st.sampled_from(sorted(STATE)), json_values)
def test_a_state_file_with_another_value_is_refused_or_read(
    tmp_path: Path, key: str, value: Any
) -> None:
    """By the keeper, who says why, and by clients, who show what they can."""
    path = tmp_path / "state.json"
    path.write_text(json.dumps({**STATE, key: value}))
    with contextlib.suppress(statefile.BadStateError):
        statefile.load(str(path))
    read_saved_app(str(path))


@short
@given(_damaged(json.dumps(STATE).encode()))
def test_a_damaged_state_file_is_refused_or_read(tmp_path: Path, raw: bytes) -> None:
    """Also when it is no JSON any more."""
    path = tmp_path / "state.json"
    path.write_bytes(raw)
    with contextlib.suppress(statefile.BadStateError):
        statefile.load(str(path))
    read_saved_app(str(path))


@short
@given(_damaged(CONFIG.encode()))
def test_a_damaged_config_is_refused_with_its_faults(tmp_path: Path, raw: bytes) -> None:
    """Nothing but faults with their places comes out of it, or apps."""
    path = tmp_path / "monit.toml"
    path.write_bytes(raw)
    with contextlib.suppress(ConfigFaultsError):
        make_launches(read_config(str(path), None, os.environ), os.environ)


@short
@given(_damaged(timeindex.pack_header(0) + timeindex.pack_record(0, 5) * 3), st.integers(0, 200))
def test_a_damaged_time_index_loses_times_and_no_line(
    tmp_path: Path, raw: bytes, size: int
) -> None:
    """The log can be read by offset and from its end, whatever its index says."""
    log, index = tmp_path / "log", tmp_path / "idx"
    log.write_bytes(b"line\n" * size)
    index.write_bytes(raw)
    file = StreamReader(StreamNames(str(log), str(index)))
    part = file.tail(5, None)
    assert part.data == b"line\n" * min(size, 5)
    file.range(0, 100)
    file.since(5)
    file.times(0, 100)


@short
@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_lines_of_keepers_and_reports_of_probes_are_read_or_refused(raw: bytes) -> None:
    """With the error that their readers expect."""
    with contextlib.suppress(BadLineError):
        read_line(raw)
    with contextlib.suppress(BadReportError):
        read_report(raw)


@short
@given(
    st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=4), max_size=4),
    st.integers(1, 50),
)
def test_messages_arrive_in_any_pieces(messages: list[list[bytes]], size: int) -> None:
    """However the kernel cuts the stream, the same messages come out."""
    raw = GREETING + b"".join(map(message_bytes, messages))
    inbox, seen = Inbox(10_000), list[Any]()
    for start in range(0, len(raw), size):
        inbox.add(raw[start : start + size])
        while (message := inbox.next_message()) is not None:
            seen.append(message.frames)  # pyright: ignore[reportAttributeAccessIssue]
    assert seen == messages
    assert inbox.held_bytes == 0


@short
@given(st.binary(max_size=400), st.booleans())
def test_random_frames_are_messages_or_an_error(raw: bytes, greeted: bool) -> None:
    """And never more is held than one message may have."""
    inbox = Inbox(100)
    inbox.add(GREETING + raw if greeted else raw)
    with contextlib.suppress(ProtocolError):
        while inbox.next_message() is not None:
            assert inbox.held_bytes <= len(raw)


@pytest.fixture(name="app", scope="module")
def _app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ScriptedKeeper, Client]]:
    _ = tmp_path_factory
    import tempfile

    with tempfile.TemporaryDirectory(prefix="m") as home, scripted_app(Path(home)) as both:
        yield both


@short
@given(
    st.sampled_from(["ctl", "pub", "probe", "node_probe"]),
    st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode() + b"\n"),
)
def test_an_agent_survives_what_arrives(
    app: tuple[ScriptedKeeper, Client], name: str, raw: bytes
) -> None:
    """At each of its sockets, before and after a good handshake."""
    keeper, client = app
    kind = socket.SOCK_DGRAM if name == "probe" else socket.SOCK_STREAM
    good = GREETING + ready_bytes(b"DEALER" if name == "ctl" else b"SUB")
    for start in (b"", good) if name in ("ctl", "pub") else (b"",):
        with socket.socket(socket.AF_UNIX, kind) as rude, contextlib.suppress(BrokenPipeError):
            rude.connect(getattr(keeper.paths, name))
            rude.send(start + raw)
    assert client.snapshot().app.name == "web"


@short
@given(st.dictionaries(st.sampled_from(["type", "instance", "instances", "env", "x"]), json_values))
def test_any_map_as_a_request_gets_one_answer(
    app: tuple[ScriptedKeeper, Client], request_map: dict[str, Any]
) -> None:
    """A refusal in most cases, and always under its id."""
    keeper, _ = app
    try:
        body = msgspec.msgpack.encode(request_map)
    except (OverflowError, UnicodeEncodeError):
        return  # an integer of more than 64 bits cannot be sent
    with client_of(keeper.paths) as client:
        client.ctl.send_multipart([b"mine", body])
        assert client.answer(b"mine") is not None
