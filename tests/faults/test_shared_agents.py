"""The agents of a home share a process: what ends it, and what one of them does, costs no other."""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from monit_agent.wire import topics
from monit_agent.wire.paths import app_paths
from support.agent import Client, client_of
from support.command_line import MONIT, command, monit, row
from support.managers import Managers, agents_in
from support.processes import kill
from support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="a zygote needs pidfds"),
    pytest.mark.usefixtures("home"),
]

COUNTER = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done"
FLOOD = "while :; do echo 0123456789012345678901234567890123456789; done"


def start(*names: str, run: str = "exec sleep 1000", options: tuple[str, ...] = ()) -> None:
    """Start apps that run a line of shell, one after another."""
    for name in names:
        monit("start", "--name", name, "--min-uptime", "50ms", *options, "--", "sh", "-c", run)
        agent_of(name)


def agent_of(app: str, other_than: int = 0) -> tuple[int, int]:
    """Wait until the app's agent answers and is not the one with the epoch ``other_than``; return
    its process and its epoch."""
    paths = app_paths(os.environ["MONIT_HOME"], app)

    def there() -> tuple[int, int] | None:
        with client_of(paths) as client:
            answer = client.try_snapshot()
        return (answer.agent_pid, answer.epoch) if answer and answer.epoch != other_than else None

    found = wait_until(there, what=f"the agent of {app}")
    assert found is not None
    return found


def opened(pid: int) -> list[str]:
    """Return the paths of the files and sockets that a process has open."""
    process = psutil.Process(pid)
    sockets = [str(each.laddr) for each in process.net_connections("unix")]
    return [*sockets, *(each.path for each in process.open_files())]


def test_all_come_back_when_their_process_is_killed(home: Path) -> None:
    """Ten apps lose their agents at once: all have one again, in one process, no worker is
    touched, no line is missing and every event is there."""
    names = [f"app{number}" for number in range(10)]
    start(*names, run=COUNTER)
    before = {name: agent_of(name) for name in names}
    workers = {name: row(name)["pid"] for name in names}
    assert len({pid for pid, _ in before.values()}) == 1

    kill(before["app0"][0])
    after = {name: agent_of(name, other_than=epoch) for name, (_, epoch) in before.items()}

    assert len({pid for pid, _ in after.values()}) == 1
    assert {name: row(name)["pid"] for name in names} == workers
    for name in names:
        with client_of(app_paths(str(home), name)) as client:
            events = client.snapshot().events
        assert [each.kind for each in events[-2:]] == ["agent_exited", "agent_started"], name
        assert [each.seq for each in events] == list(range(events[0].seq, events[-1].seq + 1))
        lines = monit("logs", name, "--no-follow", "-n", "10000", "--json").splitlines()
        numbers = [int(json.loads(line)["line"]) for line in lines]
        assert numbers == list(range(1, len(numbers) + 1)), name


def test_an_app_that_is_deleted_leaves_the_agents_of_others() -> None:
    """Its agent leaves their process, with all its descriptors; they do not notice."""
    start("one", "two", "three")
    pid, one = agent_of("one")
    start("four")
    assert agent_of("four")[0] == pid
    monit("delete", "four")
    assert agent_of("one") == (pid, one)
    wait_until(lambda: sorted(agents_in(pid)) == ["one", "three", "two"], what="four is gone")
    wait_until(lambda: not [each for each in opened(pid) if "/four" in each], what="all is closed")
    assert not psutil.Process(pid).children(), "no zombie either"


def test_an_agent_that_is_replaced_leaves_those_of_others() -> None:
    """`monit upgrade` of one app gives it another agent; the process and the others stay."""
    start("one", "two")
    (pid, one), (_, two) = agent_of("one"), agent_of("two")
    monit("upgrade", "two", "--force")
    assert agent_of("two", other_than=two)[0] == pid
    assert agent_of("one") == (pid, one)


def test_the_first_app_may_go_first() -> None:
    """The process was started by the keeper of an app that is deleted: the others keep it."""
    start("one", "two")
    pid, two = agent_of("two")
    monit("delete", "one")
    assert agent_of("two") == (pid, two)
    assert row("two")["status"] == "online"


def test_an_agent_that_does_not_leave_is_killed_with_its_process() -> None:
    """One process is halted while an app is deleted: the app is deleted, and the agents of others
    come back."""
    start("one", "two")
    pid, two = agent_of("two")
    keeper = psutil.Process(Managers(Path(os.environ["MONIT_HOME"])).keepers["one"])
    os.kill(pid, signal.SIGSTOP)
    keeper.terminate()  # the keeper stops its worker, and then its agent
    keeper.wait(timeout=60)
    assert agent_of("two", other_than=two)[0] != pid


def test_an_agent_that_works_much_moves_out(home: Path) -> None:
    """Somebody asks one agent for a snapshot again and again: it moves to a process of its own, and
    the other stays where it is."""
    start("calm", "busy")
    pid, calm = agent_of("calm")
    busy = agent_of("busy")
    assert busy[0] == pid
    with client_of(app_paths(str(home), "busy")) as client:

        def moved() -> bool:
            for _ in range(200):
                answer = client.try_snapshot()
            return answer is not None and answer.epoch != busy[1]

        wait_until(moved, deadline_s=60, what="it moves out")
    assert agent_of("busy")[0] != pid
    assert agent_of("calm") == (pid, calm)


def test_a_flooding_app_does_not_stop_the_samples_of_another(home: Path) -> None:
    """While an app prints all it can and somebody reads that, the samples of another come."""
    start("calm")
    start("flood", run=FLOOD)
    assert agent_of("flood")[0] == agent_of("calm")[0]
    with (
        client_of(app_paths(str(home), "calm")) as calm,
        client_of(app_paths(str(home), "flood")) as flood,
    ):
        flood.subscribe(topics.log("flood", 0, "out"))
        flooded = next(flood.messages()).header.offset or 0
        calm.subscribe(topics.metrics("calm", 0))
        for _ in range(3):
            next(calm.messages())
            flooded, before = _newest_offset(flood), flooded
            assert flooded > before


def _newest_offset(client: Client) -> int:
    """Read what is there, at least one message; return the offset of the newest."""
    offset = 0
    for message in client.messages():
        offset = message.header.offset or 0
        if not client.sub.poll(0):
            break
    return offset


def test_each_has_its_own_log(home: Path) -> None:
    """What an agent has to say is in its app's log, and in no other."""
    start("one", "two")
    assert agent_of("one")[0] == agent_of("two")[0]
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(app_paths(str(home), "two").ctl)
        stranger.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            stranger.send(b"GET / HTTP/1.1\r\n\r\n")
            while stranger.recv(1000):
                pass
    logs = {name: Path(app_paths(str(home), name).agent_log) for name in ("one", "two")}
    wait_until(lambda: "not ZeroMQ" in logs["two"].read_text(), what="it is written down")
    assert "not ZeroMQ" not in logs["one"].read_text()


def test_each_has_its_own_environment_and_limit(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of an alert gets the environment of its own app, and its limit of descriptors."""
    found = {}
    for name, files in (("one", 200), ("two", 300)):
        monkeypatch.setenv("FLAVOUR", f"of {name}")
        found[name] = tmp_path / name
        line = f"echo $FLAVOUR, $(ulimit -Sn) > {shlex.quote(str(found[name]))}"
        hook = tmp_path / f"hook-{name}"
        hook.write_text(f"#!/bin/sh\n{line}\n")
        hook.chmod(0o700)
        words = [*MONIT, "start", "--name", name, "--min-uptime", "50ms"]
        words += ["--alert-command", str(hook), "--", "sleep", "1000"]
        shell = f"ulimit -Sn {files}; exec {shlex.join(words)}"
        subprocess.run(["sh", "-c", shell], check=True, capture_output=True, timeout=60)
        agent_of(name)
    assert agent_of("one")[0] == agent_of("two")[0]
    for name in found:
        monit("alerts", "test", name)
    assert found["one"].read_text() == "of one, 200\n"
    assert found["two"].read_text() == "of two, 300\n"


def test_one_process_has_as_many_as_its_descriptors_allow(home: Path) -> None:
    """With a hard limit of 192 they are three; the fourth agent gets another process."""
    for number in range(4):
        words = [*MONIT, "start", "--name", f"app{number}", "--min-uptime", "50ms"]
        shell = f"ulimit -n 192; exec {shlex.join([*words, '--', 'sleep', '1000'])}"
        subprocess.run(["sh", "-c", shell], check=True, capture_output=True, timeout=60)
    pids = [agent_of(f"app{number}")[0] for number in range(4)]
    assert pids[0] == pids[1] == pids[2] != pids[3]
    assert len(Managers(home).agents) == 4


def test_another_limit_makes_another_process() -> None:
    """An app whose hard limit is another cannot share the process: its programs could not be given
    theirs."""
    start("one", "two")
    words = [*MONIT, "start", "--name", "few", "--min-uptime", "50ms", "--", "sleep", "1000"]
    shell = f"ulimit -n 400; exec {shlex.join(words)}"
    subprocess.run(["sh", "-c", shell], check=True, capture_output=True, timeout=60)
    assert agent_of("few")[0] != agent_of("one")[0]
    assert row("few")["status"] == "online"


def test_an_app_with_many_instances_has_a_process_for_itself() -> None:
    """Neither do other agents join it there."""
    start("many", options=("-i", "51"))
    start("one", "two")
    assert agent_of("one")[0] == agent_of("two")[0] != agent_of("many")[0]


def test_a_process_that_ends_again_and_again_is_not_shared() -> None:
    """After four deaths within seconds each agent has its own process: one of them may be what
    ends it."""
    start("one", "two")
    for _ in range(4):
        pid, epoch = agent_of("one")
        other = agent_of("two")
        kill(pid)
        agent_of("one", other_than=epoch)
        if other[0] == pid:
            agent_of("two", other_than=other[1])
    assert agent_of("one")[0] != agent_of("two")[0]


def test_a_keeper_started_by_an_agent_that_left_is_reaped(home: Path) -> None:
    """An agent starts a keeper; later its app is deleted, and the process of the agents stays: the
    keeper does not remain as a zombie."""
    start("one", "two")
    kill(Managers(home).keepers["two"])
    wait_until(lambda: "two" in Managers(home).keepers, what="the next keeper")
    keeper = Managers(home).keepers["two"]
    wait_until(lambda: not row("two")["stale"], what="it answers")
    monit("delete", "two")
    wait_until(lambda: not psutil.pid_exists(keeper), what="the keeper is reaped")
    assert command("list").returncode == 0
