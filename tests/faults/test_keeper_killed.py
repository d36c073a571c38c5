"""A keeper that dies, and the one that comes after it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeping import QUICK, Keeping, is_running, python
from waiting import wait_until

SLEEP = ("/bin/sleep", "1000")
LINES = 200_000


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[Keeping]:
    keeping = Keeping(home)
    yield keeping
    keeping.close()


def test_no_byte_is_lost_while_keepers_are_killed(app: Keeping) -> None:
    """200,000 lines flat out, the keeper killed with -9 four times on the way: the file holds
    every line in order, offsets never go back, the worker is the same."""
    code = (
        "import sys,time\n"
        f"for i in range({LINES}):\n"
        "    print(f'{i:07d} a line of a flood')\n"
        "    if i % 20000 == 0: sys.stdout.flush(); time.sleep(0.1)\n"
        "sys.stdout.flush(); time.sleep(1000)"
    )
    app.start(*python(code), env={"PYTHONUNBUFFERED": "", "PATH": os.environ["PATH"]})
    wait_until(lambda: len(app.log()) > 0, what="the flood began")
    worker = app.slot()["pid"]
    end = 0
    for _ in range(4):
        app.kill_keeper()
        app.revive()
        logs = {row["stream"]: row for row in app.snapshot()["logs"]}
        assert logs["out"]["end"] >= end
        end = logs["out"]["end"]
    wanted = b"".join(b"%07d a line of a flood\n" % i for i in range(LINES))
    wait_until(lambda: len(app.log()) >= len(wanted), what="all is written", deadline_s=30)
    assert app.log() == wanted
    slot = app.slot()
    assert (slot["pid"], slot["restarts"], slot["adopted"]) == (worker, 0, True)


def test_counters_live_on_and_an_adopted_worker_is_kept_as_any_other(app: Keeping) -> None:
    """The next keeper knows restarts and ids, sees the death of a worker that is not its child,
    and starts the next one in the environment of the first."""
    show = "import os,time; print(os.environ['COLOUR'], flush=True); time.sleep(1000)"
    app.start(*python(show), env={"COLOUR": "red", "PATH": os.environ["PATH"]})
    first = app.wait_for("online")
    wait_until(lambda: app.log() == b"red\n", what="the first one has printed")
    os.kill(first["pid"], signal.SIGKILL)
    wait_until(lambda: app.slot()["restarts"] == 1, what="a restart")
    wait_until(lambda: app.log() == b"red\n" * 2, what="the second one has printed")
    second = app.wait_for("online")
    app.kill_keeper()
    app.revive()
    adopted = app.slot()
    assert (adopted["pid"], adopted["restarts"], adopted["id"]) == (second["pid"], 1, first["id"])
    assert len(adopted["exits"]) == 1
    os.kill(second["pid"], signal.SIGKILL)
    wait_until(lambda: app.slot()["restarts"] == 2, what="another restart")
    last = app.wait_for("online")
    assert not last["adopted"]
    assert (last["exits"][-1]["code"], last["exits"][-1]["signal"]) == (None, None)
    wait_until(lambda: app.log() == b"red\n" * 3, what="the environment is the same")


def test_an_adopted_family_is_stopped_whole(app: Keeping) -> None:
    """Also those descendants that never become children of the new keeper."""
    code = (
        "import subprocess,sys,time\n"
        "c=[sys.executable,'-c','import time; time.sleep(1000)']\n"
        "p=subprocess.Popen(c,start_new_session=True); print(p.pid,flush=True); time.sleep(1000)"
    )
    app.start(*python(code))
    app.wait_for("online")
    wait_until(app.log, what="the grandchild is there")
    grandchild = int(app.log())
    app.kill_keeper()
    app.revive()
    app.ask("stop")
    app.wait_for("stopped")
    assert not is_running(grandchild)
    assert app.told("killed") == [], "it was told to stop and did"


def test_a_worker_that_died_unseen_is_replaced(app: Keeping) -> None:
    """With nobody there to see how, its exit has neither code nor signal."""
    app.start(*SLEEP)
    worker = app.wait_for("online")["pid"]
    agent = _agent_of(app)
    os.kill(agent, signal.SIGSTOP)  # or it would bring a keeper before the worker is dead
    app.kill_keeper()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not is_running(worker), what="the worker is gone")
    app.revive()
    os.kill(agent, signal.SIGKILL)
    slot = app.wait_for("online")
    assert slot["pid"] != worker
    assert slot["restarts"] == 1
    assert slot["exits"][-1]["signal"] is None


def test_a_worker_that_is_not_written_down_is_adopted_not_doubled(app: Keeping) -> None:
    """The keeper died between fork and write."""
    app.start(*SLEEP, instances=2)
    pids = {n: app.wait_for("online", n)["pid"] for n in range(2)}
    agent = _agent_of(app)
    os.kill(agent, signal.SIGSTOP)
    app.kill_keeper()
    path = Path(app.places.state)
    state = json.loads(path.read_text())
    state["slots"][0] |= {"worker": None, "status": "starting", "wake_at": None}
    state["slots"][1] |= {"worker": None, "status": "stopped", "wanted": "stopped"}
    path.write_text(json.dumps(state))
    app.revive()
    os.kill(agent, signal.SIGKILL)
    app.wait_for("online", 0)
    app.wait_for("online", 1)
    assert {n: slot["pid"] for n, slot in app.slots().items()} == pids


def test_a_stranger_with_the_same_pid_is_left_alone(app: Keeping) -> None:
    """A recycled number is no identity: the bystander is neither adopted nor signalled, nor is
    its group, and the app gets a worker of its own."""
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True
    )
    try:
        app.start(*SLEEP)
        worker = app.wait_for("online")["pid"]
        agent = _agent_of(app)
        os.kill(agent, signal.SIGSTOP)
        app.kill_keeper()
        os.kill(worker, signal.SIGKILL)
        path = Path(app.places.state)
        state = json.loads(path.read_text())
        state["slots"][0]["worker"][0] = bystander.pid
        path.write_text(json.dumps(state))
        app.revive()
        os.kill(agent, signal.SIGKILL)
        assert app.wait_for("online")["pid"] not in (worker, bystander.pid)
        app.ask("stop")
        app.wait_for("stopped")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_after_a_reboot_nothing_is_adopted(app: Keeping) -> None:
    """Another boot id: what was running is started, what was stopped is not, and the numbers of
    the old boot mean nothing."""
    app.start(*SLEEP, instances=2)
    for n in range(2):
        app.wait_for("online", n)
    app.ask("stop", instances=[1])
    app.wait_for("stopped", 1)
    assert app.process is not None
    os.kill(app.process.pid, signal.SIGTERM)
    app.process.wait(20)
    bystander = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
    path = Path(app.places.state)
    state = json.loads(path.read_text())
    ticks = int(Path(f"/proc/{bystander.pid}/stat").read_text().rsplit(") ", 1)[1].split()[19])
    state |= {"boot_id": "another", "left": False}
    state["slots"][0] |= {"worker": [bystander.pid, ticks, [1.0, 1.0], False], "status": "online"}
    path.write_text(json.dumps(state))
    try:
        app.launch()
        assert app.wait_for("online", 0)["pid"] != bystander.pid
        assert app.slot(1)["status"] == "stopped"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_stop_that_was_under_way_is_finished(app: Keeping) -> None:
    """The next keeper sends SIGKILL when the time that the first one gave is over."""
    code = (
        "import signal,time; signal.signal(15, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\nwhile True: time.sleep(1)"
    )
    app.start(*python(code), policy=QUICK._replace(kill_timeout_s=1.5))
    wait_until(app.log, what="it is deaf")
    worker = app.wait_for("online")["pid"]
    app.ask("stop")
    wait_until(lambda: b'"stopping"' in Path(app.places.state).read_bytes(), what="it is written")
    app.kill_keeper()
    app.revive()
    app.wait_for("stopped")
    assert not is_running(worker)


def test_the_second_keeper_says_who_holds_the_app(app: Keeping) -> None:
    """And exits with 1, while the first goes on."""
    said = app.start(*SLEEP)
    app.wait_for("online")
    second = Keeping(app.home)
    refused = second.start(*SLEEP)
    assert refused["ok"] is False
    assert refused["kind"] == "refused"
    assert str(said["pid"]) in refused["message"]
    assert second.process is not None
    assert second.process.wait(20) == 1
    assert app.keeper_pid() == said["pid"]
    assert len(app.slots()) == 1


def test_a_new_spec_finds_the_old_workers(app: Keeping) -> None:
    """`start` for an app whose keeper is gone adopts what runs and adds what is missing."""
    app.start(*SLEEP)
    worker = app.wait_for("online")["pid"]
    os.kill(_agent_of(app), signal.SIGSTOP)
    app.kill_keeper()
    assert app.start(*SLEEP, instances=2)["ok"]
    app.wait_for("online", 1)
    assert app.slot(0)["pid"] == worker


def _agent_of(app: Keeping) -> int:
    texts = wait_until(lambda: app.told("agent_started"), what="an agent is started")
    found = re.search(r"\d+", texts[-1])
    assert found is not None
    return int(found[0])
