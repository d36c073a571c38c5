"""What comes from outside: garbage, slow clients, places where nothing can be written."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monit_agent.keeper.control import CLIENTS
from monit_agent.supervise.spec import spec_to_json
from monit_agent.wire.limits import KEEPER_LINE_BYTES
from monit_agent.wire.paths import keeper_command
from support.keeper import KeptApp
from support.waiting import wait_until

SLEEP = ("/bin/sleep", "1000")


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


GARBAGE = [
    b"hello",
    b"\xff\xfe\x00",
    b"{",
    b"[]",
    b"3",
    b"null",
    b'{"do": 3}',
    b'{"do": null}',
    b'{"do": "format_disk"}',
    b'{"do": "start", "instances": "all"}',
    b'{"do": "start", "instances": [true]}',
    b'{"do": "start", "instances": [1e400]}',
    b'{"do": "scale", "count": -1}',
    b'{"do": "scale", "count": 100000}',
    b'{"do": "scale", "count": "3"}',
    b'{"do": "signal", "signal": {}}',
    b'{"do": "signal", "signal": "99"}',
    b'{"do": "restart", "env": []}',
    b'{"do": "restart", "env": {"A=B": "c"}}',
    b'{"do": "restart", "env": {"A": 3}}',
    b'{"do": "restart", "env": {"A": "\\u0000"}}',
    b"[" * 100_000,
    b'{"do": "start"} {"do": "stop"}',
]


def test_garbage_is_refused_and_disturbs_no_other_client(app: KeptApp) -> None:
    """Each line gets one refusal with a reason; the worker and other clients notice nothing."""
    app.start(*SLEEP)
    worker = app.wait_for("online")["pid"]
    other, line = app.connect(), app.connect()
    other.request("hello", role="test", pid=1)
    for raw in GARBAGE:
        line.send(raw + b"\n")
        answer = line.read()
        assert answer["ok"] is False, raw
        assert answer["kind"] in ("bad_request", "refused", "unsupported"), raw
        assert answer["message"], raw
    assert line.request("start", instances=[7])["kind"] == "no_such_instance"
    assert line.request("stop", instances=[])["instances"] == []
    assert other.request("hello", role="test", pid=1)["snapshot"]["instances"][0]["pid"] == worker
    line.close()
    other.close()


def test_the_id_comes_back_as_it_was(app: KeptApp) -> None:
    """Any JSON value serves."""
    app.start(*SLEEP)
    line = app.connect()
    for value in (0, "x", None, [1, {"a": 2.5}], {"b": "ä😀"}):
        line.send(json.dumps({"id": value, "do": "nothing"}).encode() + b"\n")
        assert line.read()["id"] == value
    line.close()


def test_a_line_without_end_is_cut_off(app: KeptApp) -> None:
    """More than the longest line is not read; that client is refused and dropped."""
    app.start(*SLEEP)
    line = app.connect()
    with contextlib.suppress(OSError):  # it may hang up while we still write
        line.send(b"x" * (KEEPER_LINE_BYTES + (2 << 20)))

    def hung_up() -> bool:
        try:
            assert line.read()["kind"] == "bad_request"
        except ConnectionError:
            return True
        return False

    wait_until(hung_up, what="the connection is closed")
    line.close()
    assert app.wait_for("online")


def test_a_client_that_does_not_read_is_dropped_and_delays_no_other(app: KeptApp) -> None:
    """It may connect again; another one gets its answers all the while."""
    app.start(*SLEEP)
    deaf = app.connect()
    deaf.send(b'{"id": 1, "do": "hello", "role": "test", "pid": 1}\n')
    busy = app.connect()
    why = "w" * 20_000
    for _ in range(150):
        assert busy.request("reset", by=why)["ok"]
    busy.close()

    def dropped() -> bool:
        deaf.sock.setblocking(False)
        try:
            while deaf.sock.recv(1 << 20):
                pass
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        return True

    wait_until(dropped, what="the deaf one is dropped")
    deaf.close()
    assert app.request("hello", role="test", pid=1)["ok"]


def _repeat(do: Callable[[], None], times: int) -> None:
    for _ in range(times):
        do()


def test_many_connections_leave_it_able_to_work(app: KeptApp) -> None:
    """Connections beyond its limit are closed at once; when the others are gone it answers."""
    app.start(*SLEEP)
    app.wait_for("online")
    with contextlib.ExitStack() as open_ones:
        greeted = 0

        def greet() -> None:
            nonlocal greeted
            line = open_ones.enter_context(contextlib.closing(app.connect()))
            line.request("hello", role="test", pid=1)
            greeted += 1

        with pytest.raises(ConnectionError):
            _repeat(greet, CLIENTS + 1)
        assert greeted >= CLIENTS - 1  # the agent may be one of them

    def answers() -> bool:
        try:
            return bool(app.snapshot())
        except OSError:
            return False

    wait_until(answers, what="it answers")


@pytest.mark.parametrize(
    "stdin",
    [b"nonsense", b"{}", b'{"spec": 3, "env": {}}', b'{"spec": {"name": "web"}, "env": {}}'],
)
def test_a_spec_that_is_none_is_refused(app: KeptApp, stdin: bytes) -> None:
    """With the reason, before anything is made of it."""
    Path(app.paths.folder).mkdir(parents=True)
    reply = app.start_keeper(stdin)
    assert (reply["ok"], reply["kind"]) == (False, "bad_request")
    assert not Path(app.paths.state).exists()


def test_nothing_to_adopt_is_refused(app: KeptApp) -> None:
    """Without a spec and without a state there is no app."""
    Path(app.paths.folder).mkdir(parents=True)
    reply = app.start_keeper()
    assert reply["ok"] is False
    assert "no app" in reply["message"]


def test_a_state_that_cannot_be_read_is_refused(app: KeptApp) -> None:
    """It is neither overwritten nor taken for an empty app."""
    Path(app.paths.folder).mkdir(parents=True)
    Path(app.paths.state).write_text('{"schema": 99}')
    reply = app.start_keeper()
    assert (reply["ok"], reply["kind"]) == (False, "refused")
    assert "schema 99" in reply["message"]
    assert Path(app.paths.state).read_text() == '{"schema": 99}'


def test_where_nothing_can_be_written_nothing_is_started(app: KeptApp) -> None:
    """A place that is no folder, and a disk that is full: refused, no worker ever ran."""
    (app.home / "apps").write_text("in the way")
    reply = app.start("/bin/touch", str(app.home / "ran"))
    assert (reply["ok"], reply["kind"]) == (False, "failed")
    assert app.paths.folder in reply["message"]
    (app.home / "apps").unlink()
    full = 'ulimit -f 0; exec "$@"'
    command = ["/bin/sh", "-c", full, "sh", *keeper_command(app.paths.folder)]
    spec = spec_to_json(app.spec("/bin/touch", str(app.home / "ran")))
    done = subprocess.run(
        command, input=json.dumps({"spec": spec, "env": {}}).encode(), capture_output=True
    )
    assert done.returncode == 1
    reply = json.loads(done.stdout)
    assert (reply["ok"], reply["kind"]) == (False, "failed")
    assert "File too large" in reply["message"]
    assert not (app.home / "ran").exists()


def test_a_path_too_long_for_a_socket_is_refused(home: Path) -> None:
    """With what to shorten."""
    app = KeptApp(home / ("x" * 100))
    reply = app.start(*SLEEP)
    assert reply["ok"] is False
    assert "MONIT_HOME" in reply["message"]
    app.close()


def test_it_keeps_running_from_memory_when_the_state_cannot_be_written(app: KeptApp) -> None:
    """Recorded once, tried again by itself, recorded when it worked."""
    app.start(*SLEEP)
    app.wait_for("online")
    in_the_way = Path(app.paths.state + ".tmp")
    in_the_way.mkdir()
    app.request("stop")
    app.wait_for("stopped")
    wait_until(lambda: app.event_texts("state_unsaved"), what="the problem is logged")
    app.request("start")
    app.wait_for("online")
    in_the_way.rmdir()
    wait_until(lambda: app.event_texts("state_saved"), what="it is saved again")
    wait_until(lambda: b'"online"' in Path(app.paths.state).read_bytes(), what="with what is now")
    assert len(app.event_texts("state_unsaved")) == 1


def test_a_keeper_started_by_a_worker_is_no_part_of_it(app: KeptApp) -> None:
    """`monit start` inside an app begins another app, which outlives the first."""
    inner = KeptApp(app.home, "inner")
    Path(inner.paths.folder).mkdir(parents=True)
    given = json.dumps(
        {"spec": spec_to_json(inner.spec(*SLEEP)), "env": {"PATH": os.environ["PATH"]}}
    )
    (app.home / "given").write_text(given)
    keeper = " ".join(keeper_command(inner.paths.folder))
    app.start("/bin/sh", "-c", f"setsid {keeper} < {app.home}/given; exec sleep 1000")

    def up() -> bool:
        try:
            return inner.slot()["status"] == "online"
        except (OSError, KeyError):
            return False

    app.wait_for("online")
    wait_until(up, what="the inner app runs")
    pid = inner.keeper_pid()
    app.request("delete")
    assert app.process is not None
    app.process.wait(20)
    assert inner.keeper_pid() == pid
    assert inner.slot()["restarts"] == 0


def test_a_new_app_does_not_take_the_place_of_a_newer_state(app: KeptApp) -> None:
    """It would rewrite what only a newer version can read."""
    os.makedirs(app.paths.folder)
    text = '{"schema": 99, "written_by": "12.3.4"}'
    Path(app.paths.state).write_text(text)
    answer = app.start("/bin/sleep", "1000")
    assert (answer["ok"], answer["kind"]) == (False, "refused")
    assert "12.3.4" in answer["message"]
    assert Path(app.paths.state).read_text() == text
