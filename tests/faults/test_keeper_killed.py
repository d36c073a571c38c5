"""A keeper that is killed, and the one that comes after it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.keeper import QUICK, KeptApp, python
from support.managers import Managers, halt, resume
from support.ports import free_port
from support.processes import is_running
from support.waiting import wait_until

SLEEP = ("/bin/sleep", "1000")
LINES = 200_000


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def test_no_byte_is_lost_while_keepers_are_killed(app: KeptApp) -> None:
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
        app.start_next_keeper()
        logs = {row["stream"]: row for row in app.snapshot()["logs"]}
        assert logs["out"]["end"] >= end
        end = logs["out"]["end"]
    expected = b"".join(b"%07d a line of a flood\n" % i for i in range(LINES))
    wait_until(lambda: len(app.log()) >= len(expected), what="all is written", deadline_s=30)
    assert app.log() == expected
    slot = app.slot()
    assert (slot["pid"], slot["restarts"], slot["adopted"]) == (worker, 0, True)


def test_counters_live_on_and_an_adopted_worker_is_kept_as_any_other(app: KeptApp) -> None:
    """The next keeper knows restarts and ids, sees the exit of a worker that is not its child,
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
    app.start_next_keeper()
    adopted = app.slot()
    assert (adopted["pid"], adopted["restarts"], adopted["id"]) == (second["pid"], 1, first["id"])
    assert len(adopted["exits"]) == 1
    os.kill(second["pid"], signal.SIGKILL)
    wait_until(lambda: app.slot()["restarts"] == 2, what="another restart")
    last = app.wait_for("online")
    assert not last["adopted"]
    assert (last["exits"][-1]["code"], last["exits"][-1]["signal"]) == (None, None)
    wait_until(lambda: app.log() == b"red\n" * 3, what="the environment is the same")


def test_an_adopted_family_is_stopped_whole(app: KeptApp) -> None:
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
    app.start_next_keeper()
    app.request("stop")
    app.wait_for("stopped")
    assert not is_running(grandchild)
    assert app.event_texts("killed") == [], "it got the stop signal and exited"


def test_a_worker_whose_exit_was_not_seen_is_replaced(app: KeptApp) -> None:
    """Without a keeper to reap it, its exit has neither code nor signal."""
    app.start(*SLEEP)
    worker = app.wait_for("online")["pid"]
    agent = _agent_of(app)
    os.kill(agent, signal.SIGSTOP)  # or it would bring a keeper before the worker is dead
    app.kill_keeper()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not is_running(worker), what="the worker is gone")
    app.start_next_keeper()
    os.kill(agent, signal.SIGKILL)
    slot = app.wait_for("online")
    assert slot["pid"] != worker
    assert slot["restarts"] == 1
    assert slot["exits"][-1]["signal"] is None


def test_a_worker_that_is_not_written_down_is_adopted_not_doubled(app: KeptApp) -> None:
    """The keeper was killed between fork and write."""
    app.start(*SLEEP, instances=2)
    pids = {n: app.wait_for("online", n)["pid"] for n in range(2)}
    agent = _agent_of(app)
    os.kill(agent, signal.SIGSTOP)
    app.kill_keeper()
    path = Path(app.paths.state)
    state = json.loads(path.read_text())
    state["slots"][0] |= {"worker": None, "status": "starting", "deadline": None}
    state["slots"][1] |= {"worker": None, "status": "stopped", "desired": "stopped"}
    path.write_text(json.dumps(state))
    app.start_next_keeper()
    os.kill(agent, signal.SIGKILL)
    app.wait_for("online", 0)
    app.wait_for("online", 1)
    assert {n: slot["pid"] for n, slot in app.slots().items()} == pids


def test_a_stranger_with_the_same_pid_is_left_alone(app: KeptApp) -> None:
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
        path = Path(app.paths.state)
        state = json.loads(path.read_text())
        state["slots"][0]["worker"][0] = bystander.pid
        path.write_text(json.dumps(state))
        app.start_next_keeper()
        os.kill(agent, signal.SIGKILL)
        assert app.wait_for("online")["pid"] not in (worker, bystander.pid)
        app.request("stop")
        app.wait_for("stopped")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_after_a_reboot_nothing_is_adopted(app: KeptApp) -> None:
    """Another boot id: what was running is started, what was stopped is not, and the numbers of
    the old boot mean nothing."""
    app.start(*SLEEP, instances=2)
    for n in range(2):
        app.wait_for("online", n)
    app.request("stop", instances=[1])
    app.wait_for("stopped", 1)
    assert app.process is not None
    os.kill(app.process.pid, signal.SIGTERM)
    app.process.wait(20)
    bystander = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
    path = Path(app.paths.state)
    state = json.loads(path.read_text())
    ticks = int(Path(f"/proc/{bystander.pid}/stat").read_text().rsplit(") ", 1)[1].split()[19])
    state |= {"boot_id": "another", "left": False}
    state["slots"][0] |= {"worker": [bystander.pid, ticks, [1.0, 1.0], False], "status": "online"}
    path.write_text(json.dumps(state))
    try:
        app.start_keeper()
        assert app.wait_for("online", 0)["pid"] != bystander.pid
        assert app.slot(1)["status"] == "stopped"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_what_a_worker_left_while_no_keeper_ran_is_killed_by_its_session(app: KeptApp) -> None:
    """Also where a long title has overwritten the environment that would name its worker."""
    child = "import sys,time; print('child', flush=True); time.sleep(1000)"
    code = (
        f"import subprocess,sys,time\nsubprocess.Popen([sys.executable,'-c',{child!r}], env={{}})\n"
    )
    app.start(*python(code + "time.sleep(1000)"))
    worker = app.wait_for("online")["pid"]
    wait_until(lambda: app.log() == b"child\n", what="the child runs")
    (left,) = psutil.Process(worker).children()
    os.kill(_agent_of(app), signal.SIGSTOP)
    app.kill_keeper()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not is_running(worker), what="the worker is gone")
    app.start_next_keeper()
    wait_until(lambda: not is_running(left.pid), what="what it left is gone")


def test_a_stop_that_was_under_way_is_finished(app: KeptApp) -> None:
    """The next keeper sends SIGKILL when the time that the first one gave is over."""
    code = (
        "import signal,time; signal.signal(15, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\nwhile True: time.sleep(1)"
    )
    app.start(*python(code), policy=QUICK._replace(kill_timeout_s=1.5))
    wait_until(app.log, what="it is deaf")
    worker = app.wait_for("online")["pid"]
    app.request("stop")
    wait_until(lambda: b'"stopping"' in Path(app.paths.state).read_bytes(), what="it is written")
    app.kill_keeper()
    app.start_next_keeper()
    app.wait_for("stopped")
    assert not is_running(worker)


def test_the_second_keeper_says_who_holds_the_app(app: KeptApp) -> None:
    """And exits with 1, while the first keeps running."""
    answer = app.start(*SLEEP)
    app.wait_for("online")
    second = KeptApp(app.home)
    refused = second.start(*SLEEP)
    assert refused["ok"] is False
    assert refused["kind"] == "refused"
    assert str(answer["pid"]) in refused["message"]
    assert second.process is not None
    assert second.process.wait(20) == 1
    assert app.keeper_pid() == answer["pid"]
    assert len(app.slots()) == 1


def test_a_new_spec_finds_the_old_workers(app: KeptApp) -> None:
    """`start` for an app whose keeper is gone adopts what runs and adds what is missing."""
    app.start(*SLEEP)
    worker = app.wait_for("online")["pid"]
    os.kill(_agent_of(app), signal.SIGSTOP)
    app.kill_keeper()
    assert app.start(*SLEEP, instances=2)["ok"]
    app.wait_for("online", 1)
    assert app.slot(0)["pid"] == worker


def _agent_of(app: KeptApp) -> int:
    texts = wait_until(lambda: app.event_texts("agent_started"), what="an agent is started")
    found = re.search(r"\d+", texts[-1])
    assert found is not None
    return int(found[0])


BINDS_LATE = """
import os, socket, sys, time
here, port = sys.argv[1], int(sys.argv[2])
open(f"{here}/starts.{os.getpid()}", "w").close()
while not os.path.exists(f"{here}/go"): time.sleep(0.01)
server = socket.socket()
open(f"{here}/binds.{os.getpid()}", "w").close()
server.bind(("127.0.0.1", port))
server.listen()
while True: server.accept()[0].close()
"""


def test_a_worker_that_binds_while_no_keeper_runs_gets_the_port_from_the_next(app: KeptApp) -> None:
    """A reload's incoming worker reaches `bind` just after the keeper was killed: it waits for the
    next keeper and takes over, instead of finding its port in use."""
    go, port = app.home / "go", free_port()
    go.touch()
    code = (BINDS_LATE, str(app.home), str(port))
    app.start(*python(*code), port=port, mode="cluster")
    old = app.wait_for("online")["pid"]
    go.unlink()
    app.request("reload")
    wait_until(lambda: app.slot()["replacement"], what="the next worker is started")
    new = app.slot()["replacement"]["pid"]
    wait_until((app.home / f"starts.{new}").exists, what="it runs")
    state = Path(app.paths.state)
    wait_until(lambda: f"{new}" in state.read_text(), what="the next keeper can know of it")
    agent = wait_until(lambda: Managers(app.home).agents.get("web"), what="an agent runs")
    assert agent is not None
    assert halt(agent)  # or it starts a keeper at once
    app.kill_keeper()
    go.touch()
    wait_until((app.home / f"binds.{new}").exists, what="it binds")

    app.start_next_keeper()
    resume(agent)

    wait_until(lambda: app.slot()["pid"] == new, what="the next worker has taken over")
    wait_until(lambda: not is_running(old), what="the old one has exited")
    exits = wait_until(lambda: app.slot()["exits"], what="its exit is in the record")
    assert [each["requested"] for each in exits] == [True]
    assert app.slot()["restarts"] == 1


def test_clients_wait_for_a_port_that_only_the_killed_keeper_had(app: KeptApp) -> None:
    """While the only worker is replaced, no worker has the port. A client that connects after the
    keeper was killed is not refused, and the next worker answers it."""
    go, port = app.home / "go", free_port()
    go.touch()
    app.start(*python(BINDS_LATE, str(app.home), str(port)), port=port, mode="cluster")
    old = app.wait_for("online")["pid"]
    wait_until(lambda: _agent_holds_a_listening_socket(app), what="it holds the port")
    go.unlink()
    app.request("restart")
    wait_until(lambda: app.slot()["pid"] not in (old, None), what="the next worker is started")
    wait_until((app.home / f"starts.{app.slot()['pid']}").exists, what="it does not bind yet")

    app.kill_keeper()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        go.touch()
        assert client.recv(1) == b"", "closed by the server, which accepted it"

    wait_until(lambda: app.snapshot_or_none() is not None, what="another keeper answers")
    app.wait_for("online")
    app.request("stop")
    app.wait_for("stopped")
    with socket.socket() as free:
        free.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # connections linger in the kernel
        wait_until(lambda: _can_bind(free, port), what="nobody has the port after the stop")


def _agent_holds_a_listening_socket(app: KeptApp) -> bool:
    agent = Managers(app.home).agents.get("web")
    if agent is None:
        return False
    connections = psutil.Process(agent).net_connections("tcp")
    return any(each.status == psutil.CONN_LISTEN for each in connections)


def _can_bind(sock: socket.socket, port: int) -> bool:
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
