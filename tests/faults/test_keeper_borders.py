"""What comes from outside: garbage, slow clients, places where nothing can be written."""

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeping import Keeping
from monit_agent.supervise.spec import to_json
from monit_agent.wire.places import keeper_command
from waiting import wait_until

SLEEP = ("/bin/sleep", "1000")


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[Keeping]:
    keeping = Keeping(home)
    yield keeping
    keeping.close()


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


def test_garbage_is_refused_and_hurts_nobody(app: Keeping) -> None:
    """Each line gets one refusal with a reason; the worker and other clients notice nothing."""
    app.start(*SLEEP)
    worker = app.wait_for("online")["pid"]
    other, line = app.connect(), app.connect()
    other.ask("hello", role="test", pid=1)
    for raw in GARBAGE:
        line.send(raw + b"\n")
        answer = line.read()
        assert answer["ok"] is False, raw
        assert answer["kind"] in ("bad_request", "refused"), raw
        assert answer["message"], raw
    assert line.ask("start", instances=[7])["kind"] == "no_such_instance"
    assert line.ask("stop", instances=[])["instances"] == []
    assert other.ask("hello", role="test", pid=1)["snapshot"]["instances"][0]["pid"] == worker
    line.close()
    other.close()


def test_the_id_comes_back_as_it_was(app: Keeping) -> None:
    """Any JSON value serves."""
    app.start(*SLEEP)
    line = app.connect()
    for value in (0, "x", None, [1, {"a": 2.5}], {"b": "ä😀"}):
        line.send(json.dumps({"id": value, "do": "nothing"}).encode() + b"\n")
        assert line.read()["id"] == value
    line.close()


def test_a_line_without_end_is_cut_off(app: Keeping) -> None:
    """More than 1 MiB is not read; that client is told and dropped."""
    app.start(*SLEEP)
    line = app.connect()
    with contextlib.suppress(OSError):  # it may hang up while we still write
        line.send(b"x" * (3 << 20))

    def hung_up() -> bool:
        try:
            assert line.read()["kind"] == "bad_request"
        except ConnectionError:
            return True
        return False

    wait_until(hung_up, what="the connection is closed")
    line.close()
    assert app.wait_for("online")


def test_a_client_that_does_not_read_is_dropped_and_holds_up_nobody(app: Keeping) -> None:
    """It may come again; the one that asks gets its answers all the while."""
    app.start(*SLEEP)
    deaf = app.connect()
    deaf.send(b'{"id": 1, "do": "hello", "role": "test", "pid": 1}\n')
    busy = app.connect()
    why = "w" * 20_000
    for _ in range(150):
        assert busy.ask("reset", why=why)["ok"]
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
    assert app.ask("hello", role="test", pid=1)["ok"]


def test_many_connections_leave_it_able_to_work(app: Keeping) -> None:
    """More than it takes at once are turned away; when they are gone it answers as before."""
    app.start(*SLEEP)
    app.wait_for("online")
    lines: list[socket.socket] = []
    for _ in range(100):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        try:
            sock.connect(app.places.keeper)
        except OSError:
            sock.close()
            break
        lines.append(sock)
    for sock in lines:
        sock.close()

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
def test_a_spec_that_is_none_is_refused(app: Keeping, stdin: bytes) -> None:
    """With the reason, before anything is made of it."""
    Path(app.places.folder).mkdir(parents=True)
    said = app.launch(stdin)
    assert (said["ok"], said["kind"]) == (False, "bad_request")
    assert not Path(app.places.state).exists()


def test_nothing_to_adopt_is_told(app: Keeping) -> None:
    """Without a spec and without a state there is no app."""
    Path(app.places.folder).mkdir(parents=True)
    said = app.launch()
    assert said["ok"] is False
    assert "no app" in said["message"]


def test_a_state_that_cannot_be_read_is_told_not_guessed(app: Keeping) -> None:
    """It is neither overwritten nor taken for an empty app."""
    Path(app.places.folder).mkdir(parents=True)
    Path(app.places.state).write_text('{"schema": 99}')
    said = app.launch()
    assert (said["ok"], said["kind"]) == (False, "failed")
    assert "schema 99" in said["message"]
    assert Path(app.places.state).read_text() == '{"schema": 99}'


def test_where_nothing_can_be_written_nothing_is_started(app: Keeping) -> None:
    """A place that is no folder, and a disk that is full: refused, no worker ever ran."""
    (app.home / "apps").write_text("in the way")
    said = app.start("/bin/touch", str(app.home / "ran"))
    assert (said["ok"], said["kind"]) == (False, "failed")
    assert app.places.folder in said["message"]
    (app.home / "apps").unlink()
    full = 'ulimit -f 0; exec "$@"'
    command = ["/bin/sh", "-c", full, "sh", *keeper_command(app.places.folder)]
    spec = to_json(app.spec("/bin/touch", str(app.home / "ran")))
    done = subprocess.run(
        command, input=json.dumps({"spec": spec, "env": {}}).encode(), capture_output=True
    )
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert (said["ok"], said["kind"]) == (False, "failed")
    assert "File too large" in said["message"]
    assert not (app.home / "ran").exists()


def test_a_path_too_long_for_a_socket_is_told(home: Path) -> None:
    """With what to shorten."""
    app = Keeping(home / ("x" * 100))
    said = app.start(*SLEEP)
    assert said["ok"] is False
    assert "MONIT_HOME" in said["message"]
    app.close()


def test_it_goes_on_from_memory_when_the_state_cannot_be_written(app: Keeping) -> None:
    """Told once, tried again by itself, told when it worked."""
    app.start(*SLEEP)
    app.wait_for("online")
    in_the_way = Path(app.places.state + ".tmp")
    in_the_way.mkdir()
    app.ask("stop")
    app.wait_for("stopped")
    wait_until(lambda: app.told("state_unsaved"), what="the trouble is told")
    app.ask("start")
    app.wait_for("online")
    in_the_way.rmdir()
    wait_until(lambda: app.told("state_saved"), what="it is saved again")
    wait_until(lambda: b'"online"' in Path(app.places.state).read_bytes(), what="with what is now")
    assert len(app.told("state_unsaved")) == 1


def test_a_keeper_started_by_a_worker_is_no_part_of_it(app: Keeping) -> None:
    """`monit start` inside an app begins another app, which outlives the first."""
    inner = Keeping(app.home, "inner")
    Path(inner.places.folder).mkdir(parents=True)
    given = json.dumps({"spec": to_json(inner.spec(*SLEEP)), "env": {"PATH": os.environ["PATH"]}})
    (app.home / "given").write_text(given)
    keeper = " ".join(keeper_command(inner.places.folder))
    app.start("/bin/sh", "-c", f"setsid {keeper} < {app.home}/given; exec sleep 1000")

    def up() -> bool:
        try:
            return inner.slot()["status"] == "online"
        except (OSError, KeyError):
            return False

    app.wait_for("online")
    wait_until(up, what="the inner app runs")
    pid = inner.keeper_pid()
    app.ask("delete")
    assert app.process is not None
    app.process.wait(20)
    assert inner.keeper_pid() == pid
    assert inner.slot()["restarts"] == 0
