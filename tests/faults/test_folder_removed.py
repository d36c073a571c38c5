"""Files, sockets and whole folders that somebody removes under a running app."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monit_agent.system.claim import claim_address
from support.command_line import TICKER, command, monit, row
from support.keeper import KeptApp, python
from support.matrix import matrix
from support.processes import is_running, processes_of, words_of
from support.waiting import wait_until

SLEEP = python("import time; time.sleep(1000)")


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def _answers(app: KeptApp) -> bool:
    try:
        return bool(app.snapshot())
    except (OSError, ValueError):
        return False


def _workers(home: Path) -> list[int]:
    return [each.pid for each in processes_of(home) if words_of(each)[1:2] == ["-c"]]


def _remove(path: str) -> None:
    if os.path.isdir(path):
        while os.path.exists(path):
            shutil.rmtree(path, ignore_errors=True)  # the keeper may begin a new log meanwhile
    else:
        os.unlink(path)


REMOVED: dict[str, Callable[[KeptApp], str]] = {
    "home": lambda app: str(app.home),
    "folder": lambda app: app.paths.folder,
    "state.json": lambda app: app.paths.state,
    "lock": lambda app: app.paths.lock,
    "keeper.sock": lambda app: app.paths.keeper,
    "notify.sock": lambda app: app.paths.notify,
    "share.sock": lambda app: app.paths.share,
    "fifo": lambda app: app.paths.fifos,
}


@pytest.mark.parametrize("what", matrix(REMOVED, ["home", "keeper.sock", "fifo"]))
def test_what_is_removed_is_made_again(app: KeptApp, what: str) -> None:
    """Whatever of its folder is removed, the keeper makes it again; the worker keeps running."""
    app.start(*SLEEP, cwd="/")
    worker = app.wait_for("online")["pid"]
    path = REMOVED[what](app)
    _remove(path)

    wait_until(lambda: os.path.exists(path), what=f"{what} is there again")
    wait_until(lambda: _answers(app) and os.path.exists(app.paths.state), what="all is there")
    assert app.slot()["pid"] == worker


@pytest.mark.parametrize("what", matrix(["home", "lock"], ["home"]))
def test_a_second_keeper_is_impossible(app: KeptApp, what: str) -> None:
    """Right after the lock file is gone, a second keeper of the app is refused, and the first one
    makes its folder again; there is one worker."""
    app.start(*SLEEP, cwd="/")
    worker = app.wait_for("online")["pid"]
    first = app.keeper_pid()
    _remove(REMOVED[what](app))

    answer = app.start(*SLEEP, cwd="/")

    assert answer["ok"] is False
    assert f"already has a keeper (pid {first})" in answer["message"]
    wait_until(lambda: _answers(app), what="the first keeper answers")
    assert app.keeper_pid() == first
    assert _workers(app.home) == [worker]


def test_a_renamed_home_gets_no_second_keeper(app: KeptApp, home: Path) -> None:
    """Where the home was renamed, no keeper starts at its new place: the workers have theirs."""
    app.start(*SLEEP, cwd="/")
    worker = app.wait_for("online")["pid"]
    elsewhere = home.with_name(home.name + "r")
    home.rename(elsewhere)
    try:
        wait_until(lambda: _answers(app), what="the keeper has its folder again")
        moved = KeptApp(elsewhere)
        answer = moved.start_keeper()
        moved.close()
        assert answer["ok"] is False, answer
        assert _workers(home) == [worker]
    finally:
        shutil.rmtree(elsewhere)


def test_starting_again_after_the_home_was_removed(home: Path, tmp_path: Path) -> None:
    """`start` of the same script after `rm -rf $MONIT_HOME` says that the app runs, and nothing
    runs twice."""
    script = tmp_path / "tick.py"
    script.write_text(TICKER)
    monit("start", str(script))
    before = row("tick")["pid"]
    _remove(str(home))

    again = command("start", str(script))

    assert again.returncode == 1
    assert "already" in again.stderr
    wait_until((home / "apps" / "tick" / "ctl.sock").exists, what="the agent is there")
    wait_until(lambda: row("tick")["status"] == "online" and not row("tick")["stale"])
    assert row("tick")["pid"] == before
    scripts = [each.pid for each in processes_of(home) if str(script) in words_of(each)]
    assert scripts == [before]
    monit("delete", "tick")
    assert not is_running(before)


def test_commands_work_after_keeper_sock_went_and_the_agent_died(
    home: Path, tmp_path: Path
) -> None:
    """With `keeper.sock` removed and the agent killed, the next agent finds the keeper all the
    same, and a restart works."""
    script = tmp_path / "tick.py"
    script.write_text(TICKER)
    monit("start", str(script))
    agent = json.loads(monit("describe", "tick", "--json"))[0]["agent_pid"]
    before = row("tick")["pid"]
    (home / "apps" / "tick" / "keeper.sock").unlink()
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: not is_running(agent), what="the agent is gone")
    wait_until(lambda: not row("tick")["stale"], what="another agent answers")

    monit("restart", "tick")

    assert row("tick")["pid"] != before
    monit("delete", "tick")


def test_a_stranger_cannot_use_the_abstract_socket(app: KeptApp) -> None:
    """The abstract socket has no file whose mode protects it: the keeper answers only its own user
    and root there."""
    app.start(*SLEEP, cwd="/")
    app.wait_for("online")
    if os.getuid() != 0:
        pytest.skip("needs a second user")
    address = claim_address(app.paths.folder)
    if (child := os.fork()) == 0:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(address)
            received = stranger.recv(100)
            os._exit(1 if received else 0)
    _, status = os.waitpid(child, 0)
    assert status == 0

    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(address)
        ours.sendall(b'{"id": 1, "do": "hello"}\n')
        assert ours.recv(100)


COUNTS = python(
    "import itertools, time\n"
    "for number in itertools.count():\n"
    "    print(number, flush=True)\n"
    "    time.sleep(0.005)"
)


@pytest.mark.parametrize("what", matrix(["home", "fifo"], ["fifo"]))
def test_output_arrives_after_the_pipes_went_and_the_keeper_died(app: KeptApp, what: str) -> None:
    """A worker whose pipes were removed is read by the next keeper too, or it would block when they
    are full; the worker after it prints into pipes that are there."""
    app.start(*COUNTS, cwd="/")
    worker = app.wait_for("online")["pid"]
    _remove(REMOVED[what](app))
    wait_until(lambda: os.path.exists(app.paths.fifos), what="the folder is there again")
    wait_until(lambda: _answers(app), what="the keeper answers")
    app.kill_keeper()
    app.start_next_keeper()

    def last_number() -> int:
        lines = app.log().split()
        return int(lines[-2]) if len(lines) > 2 else -1

    reached = last_number()
    wait_until(lambda: last_number() > reached + 50, what="what it prints arrives")
    assert app.slot()["pid"] == worker

    app.request("restart")
    wait_until(lambda: app.slot()["pid"] not in (worker, None), what="another worker runs")
    wait_until(lambda: b"\n0\n1\n2\n" in app.log(), what="what the next one prints arrives")


LAST_WORDS = python(
    "import signal, sys, time\n"
    "def leave(*_):\n"
    "    sys.stdout.write('so long\\n' * 50_000 + 'the end\\n')\n"
    "    sys.stdout.flush()\n"
    "    sys.exit()\n"
    "signal.signal(signal.SIGTERM, leave)\n"
    "print('here', flush=True)\n"
    "while True:\n"
    "    time.sleep(60)\n"
)


def test_both_workers_of_a_reload_are_read_when_their_pipes_went(app: KeptApp) -> None:
    """The pipes are removed, then a second worker starts beside the first: what each of them prints
    arrives, also what the first one prints last."""
    app.start(*LAST_WORDS, cwd="/")
    worker = app.wait_for("online")["pid"]
    wait_until(lambda: b"here\n" in app.log(), what="the first one prints")
    _remove(app.paths.fifos)
    app.request("reload")
    wait_until(lambda: app.slot()["pid"] not in (worker, None), what="another worker runs")
    wait_until(lambda: not is_running(worker), what="the first one is gone")
    wait_until(lambda: app.log().count(b"here\n") == 2, what="the second one prints")
    assert app.log().count(b"so long\n") == 50_000
    assert b"the end\n" in app.log()
