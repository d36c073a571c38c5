"""Which processes get the stop signal, and when: kill modes mixed, group and process."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.supervise.spec import RestartPolicy
from support.keeper import QUICK, KeptApp, python
from support.matrix import matrix
from support.processes import is_running
from support.programs import PROGRAMS
from support.waiting import wait_until

MEMBER = f"{sys.executable} {PROGRAMS / 'stop' / 'member.py'}"
PATIENT = QUICK._replace(kill_timeout_s=60.0)


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def shell(app: KeptApp, script: str, *up: str, policy: RestartPolicy = PATIENT) -> dict[str, int]:
    """Start a shell script; return the pids of its members that are ``up``."""
    app.start("/bin/bash", "-c", script, policy=policy)
    app.wait_for("online")
    return members(app, *up)


def members(app: KeptApp, *names: str) -> dict[str, int]:
    """Return the pids of members, when all are up."""
    rows = wait_until(
        lambda: found if (found := _up(app)).keys() >= {*names} else None,
        what=f"{names} are up",
    )
    return {name: int(rows[name]) for name in names}


def _up(app: KeptApp) -> dict[str, str]:
    printed = text(app) + app.log(0, "err").decode()
    return dict(re.findall(r"(\S+) up (\d+)", printed))


def text(app: KeptApp) -> str:
    return app.log().decode()


def wait_for_line(app: KeptApp, line: str) -> None:
    wait_until(lambda: line in text(app).splitlines(), what=line)


def release(app: KeptApp) -> None:
    (app.home / "released").touch()


def test_a_pool_below_the_main_process_finishes_its_jobs(app: KeptApp) -> None:
    """The stop signal goes to the main process only, which waits for its children."""
    app.start(*MEMBER.split(), "main", "-job", policy=PATIENT)
    members(app, "main", "-job")
    app.request("stop")
    wait_for_line(app, "main SIGTERM")
    release(app)
    app.wait_for("stopped")
    assert text(app).splitlines()[-2:] == ["-job done", "main done"]


@pytest.mark.parametrize(
    "do", matrix(["restart", "reload", "delete", "scale", "shut down"], ["reload", "delete"])
)
def test_whatever_stops_a_worker_lets_its_pool_finish(app: KeptApp, do: str) -> None:
    """A stop as part of something else is no other stop."""
    app.start(*MEMBER.split(), "main", "-job", policy=PATIENT)
    members(app, "main", "-job")
    app.wait_for("online")
    if do == "shut down":
        os.kill(app.keeper_pid(), signal.SIGTERM)
    else:
        app.request(do, **({"count": 0} if do == "scale" else {}))
    wait_for_line(app, "main SIGTERM")
    release(app)
    wait_for_line(app, "main done")
    lines = text(app).splitlines()
    assert lines.index("main SIGTERM") < lines.index("-job done") < lines.index("main done")


def test_a_pool_below_a_shell_finishes_its_jobs(app: KeptApp) -> None:
    """When the shell has gone, the master gets the signal, and its children do not."""
    shell(app, f"{MEMBER} master -job; true", "master", "-job")
    app.request("stop")
    wait_for_line(app, "master SIGTERM")
    release(app)
    app.wait_for("stopped")
    assert text(app).splitlines()[-2:] == ["-job done", "master done"]


def test_both_ends_of_a_pipe_are_stopped(app: KeptApp) -> None:
    """Each process whose parent has gone gets the signal."""
    shell(app, f"{MEMBER} a >&2 | {MEMBER} b >&2", "a", "b")
    release(app)
    app.request("stop")
    app.wait_for("stopped")
    assert {"a done", "b done"} <= {*app.log(0, "err").decode().splitlines()}


def test_children_that_an_exiting_leftover_leaves_get_the_signal_in_turn(app: KeptApp) -> None:
    """A master that does not wait for its child leaves it, and that is stopped then."""
    shell(app, f"{MEMBER} outer & wait $!; sh -c '{MEMBER} inner; true'", policy=PATIENT)
    outer = members(app, "outer")["outer"]
    os.kill(outer, signal.SIGTERM)
    release(app)
    members(app, "inner")
    app.request("stop")
    app.wait_for("stopped")
    assert {"inner SIGTERM", "inner done"} <= {*text(app).splitlines()}


def test_a_shell_with_a_trap_and_its_program_are_stopped(app: KeptApp) -> None:
    """The shell runs its trap only after its foreground program, so both get the signal."""
    release(app)
    shell(app, f"trap 'echo cleaned up; exit 0' TERM; {MEMBER} front; true", "front")
    app.request("stop")
    assert app.wait_for("stopped")["exits"][-1]["code"] == 0
    assert text(app).splitlines()[-3:] == ["front SIGTERM", "front done", "cleaned up"]


def test_a_program_that_its_shell_stops_gets_one_signal(app: KeptApp) -> None:
    """What runs in the background of a script with a trap is left to the script."""
    shell(app, f"trap 'kill $!; wait $!; exit 0' TERM; {MEMBER} back & wait $!", "back")
    app.request("stop")
    wait_for_line(app, "back SIGTERM")
    release(app)
    app.wait_for("stopped")
    assert text(app).count("SIGTERM") == 1


def test_kill_mode_group_signals_all_at_once(app: KeptApp) -> None:
    """Parent and child get the signal although the parent runs on."""
    app.start(*MEMBER.split(), "main", "child", policy=PATIENT._replace(kill_mode="group"))
    members(app, "main", "child")
    app.request("stop")
    wait_for_line(app, "child SIGTERM")
    wait_for_line(app, "main SIGTERM")
    release(app)
    app.wait_for("stopped")
    assert text(app).count("SIGTERM") == 2


@pytest.mark.parametrize(
    "then", matrix(["stop", "restart", "crash", "delete", "next keeper"], ["stop", "next keeper"])
)
def test_kill_mode_process_leaves_the_others_running(app: KeptApp, then: str) -> None:
    """Whatever ends the main process; an event counts them."""
    policy = PATIENT._replace(kill_mode="process")
    release(app)
    app.start(*MEMBER.split(), "main", "child", policy=policy)
    pids = members(app, "main", "child")
    app.wait_for("online")
    if then == "crash":
        os.kill(pids["main"], signal.SIGKILL)
    elif then == "next keeper":
        app.request("stop")
        os.kill(pids["main"], signal.SIGKILL)
        app.wait_for("stopped")
        app.kill_keeper()
        app.start_next_keeper()
    else:
        app.request(then)
        os.kill(pids["main"], signal.SIGKILL)
    wait_until(lambda: not is_running(pids["main"]), what="the main process is gone")
    if then == "delete":
        assert app.process
        app.process.wait(20)
    elif then != "next keeper":
        texts = wait_until(lambda: app.event_texts("left_behind"), what="it is recorded")
        assert texts == ["left 1 process running (kill mode process)"]
    assert is_running(pids["child"])
    assert "child SIGTERM" not in text(app)
    os.kill(pids["child"], signal.SIGKILL)


DEAF_CHILD = """
import signal, subprocess, sys, time
code = "import signal, time; signal.signal(15, signal.SIG_IGN)\\n"
code += "print('deaf', flush=True); time.sleep(1000)"
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
time.sleep(1000)
"""


def test_what_ignores_the_signal_is_killed_in_time(app: KeptApp) -> None:
    """The time counts from the first signal, not from when the main process exited."""
    app.start(*python(DEAF_CHILD), policy=QUICK._replace(kill_timeout_s=0.5))
    wait_until(lambda: app.log() == b"deaf\n", what="the child ignores the signal")
    app.wait_for("online")
    app.request("stop")
    slot = app.wait_for("stopped")
    (exit_,) = slot["exits"]
    assert exit_["signal"] == signal.SIGTERM, "the main process heeds it"
    assert len(app.event_texts("killed")) == 1


HARD = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)"],
                         start_new_session=True, env={})
print("child up", child.pid, flush=True)
signal.signal(signal.SIGTERM, CHOICE)
time.sleep(1000)
"""


@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize("do", ["stop", "delete"])
def test_a_child_with_its_own_session_and_no_environment_is_stopped(
    app: KeptApp, do: str, heeds: bool
) -> None:
    """Nothing shows where it comes from, but there is no other worker that it could belong to."""
    choice = "signal.SIG_DFL" if heeds else "signal.SIG_IGN"
    policy = QUICK._replace(kill_timeout_s=30.0 if heeds else 0.3)
    app.start(*python(HARD.replace("CHOICE", choice)), policy=policy)
    child = members(app, "child")["child"]
    app.wait_for("online")
    app.request(do)
    if do == "delete":
        assert app.process
        app.process.wait(20)
    else:
        app.wait_for("stopped")
    assert not is_running(child)


def test_such_a_child_of_an_adopted_worker_is_stopped(app: KeptApp) -> None:
    """It is below the worker when that gets the stop signal, which the next keeper knows."""
    app.start(*python(HARD.replace("CHOICE", "signal.SIG_DFL")), policy=PATIENT)
    child = members(app, "child")["child"]
    app.wait_for("online")
    app.kill_keeper()
    app.start_next_keeper()
    app.wait_for("online")
    app.request("stop")
    app.wait_for("stopped")
    assert not is_running(child)


def test_such_a_child_keeps_running_while_another_worker_runs(app: KeptApp) -> None:
    """It may be that one's."""
    app.start(*python(HARD.replace("CHOICE", "signal.SIG_DFL")), policy=PATIENT, instances=2)
    pids = []
    for n in range(2):
        app.wait_for("online", n)
        line = wait_until(lambda n=n: app.log(n).decode(), what="a child is up")
        pids.append(int(line.split()[2]))
    app.request("stop", instances=[0])
    app.wait_for("stopped", 0)
    assert is_running(pids[0])
    app.request("stop", instances=[1])
    app.wait_for("stopped", 1)
    wait_until(lambda: not any(map(is_running, pids)), what="both are gone")


def test_the_agent_survives_the_stop_of_the_last_worker(app: KeptApp) -> None:
    """It is a child of the keeper too, as is what agents are forked from."""
    app.start(*python(HARD.replace("CHOICE", "signal.SIG_DFL")), policy=PATIENT)
    app.wait_for("online")
    agent = wait_until(lambda: app.event_texts("agent_started"), what="an agent is started")
    app.request("stop")
    app.wait_for("stopped")
    assert is_running(int(agent[0].split()[1]))
    assert app.event_texts("agent_exited") == []


def test_a_stop_continues_when_the_keeper_is_killed_in_its_middle(app: KeptApp) -> None:
    """The next keeper waits for what the main process left, which got its signal already."""
    master = shell(app, f"{MEMBER} master -job; true", "master", "-job")["master"]
    app.request("stop")
    wait_for_line(app, "master SIGTERM")
    state = Path(app.paths.state)
    wait_until(lambda: b":[%d]" % master in state.read_bytes(), what="it is saved")
    app.kill_keeper()
    app.start_next_keeper()
    assert app.slot()["status"] == "stopping"
    release(app)
    app.wait_for("stopped")
    assert text(app).splitlines()[-2:] == ["-job done", "master done"]
    assert text(app).count("SIGTERM") == 1


def test_the_next_keeper_stops_roots_first_too(app: KeptApp) -> None:
    """An adopted worker is stopped as any other."""
    shell(app, f"{MEMBER} master -job; true", "master", "-job")
    app.kill_keeper()
    app.start_next_keeper()
    app.wait_for("online")
    app.request("stop")
    wait_for_line(app, "master SIGTERM")
    release(app)
    app.wait_for("stopped")
    assert text(app).splitlines()[-2:] == ["-job done", "master done"]
