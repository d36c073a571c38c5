"""Workers that misbehave."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.supervise.spec import RestartPolicy
from support.keeper import QUICK, KeptApp, python
from support.processes import is_running
from support.waiting import wait_until

SLEEP = ("/bin/sleep", "1000")


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def test_a_killed_worker_is_replaced_at_once(app: KeptApp) -> None:
    """Another process, one restart more, and the exit has the signal."""
    app.start(*SLEEP)
    first = app.wait_for("online")["pid"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: app.slot()["pid"] not in (None, first), what="another worker")
    slot = app.slot()
    assert slot["restarts"] == 1
    assert (slot["exits"][-1]["signal"], slot["exits"][-1]["requested"]) == (9, False)
    assert len(slot["restart_times"]) == 1
    assert "killed by SIGKILL" in app.event_texts("exited")[0]


def test_one_that_always_exits_becomes_errored(app: KeptApp) -> None:
    """After max_restarts failed starts; its last lines are in the log before that is recorded."""
    policy = QUICK._replace(max_restarts=4, backoff_first_s=0.02, min_uptime_s=10.0)
    app.start(*python("print('why I die', flush=True); raise SystemExit(7)"), policy=policy)
    slot = app.wait_for("errored")
    assert app.log() == b"why I die\n" * 4
    assert slot["restarts"] == 3
    assert slot["exits"][-1]["code"] == 7
    assert "4 times" in slot["reason"]
    assert slot["desired"] == "running"
    assert app.request("start")["instances"] == [0]
    wait_until(lambda: app.log().count(b"why") > 4, what="it is tried again on request")


def test_a_slow_crash_loop_shows_as_one(app: KeptApp) -> None:
    """One that exits after it was online is always started again, and the times are kept."""
    code = "import time; time.sleep(0.2); raise SystemExit(1)"
    app.start(*python(code), policy=QUICK._replace(min_uptime_s=0.05, max_restarts=2))
    wait_until(lambda: app.slot()["restarts"] >= 4, what="it went round four times")
    slot = app.slot()
    assert slot["status"] in ("starting", "online")
    assert len(slot["restart_times"]) >= 4
    assert all(exit_["ran_s"] > 0.1 for exit_ in slot["exits"])
    app.request("reset")
    assert app.slot()["restarts"] <= 1


def test_a_program_that_does_not_exist_is_named(app: KeptApp) -> None:
    """Errored at once, with what could not be run and why."""
    app.start("/nowhere/to/be/found", policy=RestartPolicy())
    reason = app.wait_for("errored")["reason"]
    assert "/nowhere/to/be/found" in reason
    assert "No such file or directory" in reason


def test_a_program_without_the_run_bit_and_a_folder_that_is_gone(app: KeptApp) -> None:
    """Permission and working directory have texts of their own."""
    script = app.home / "script"
    script.write_text("#!/bin/sh\n")
    app.start(str(script), policy=RestartPolicy())
    assert "Permission denied" in app.wait_for("errored")["reason"]
    other = KeptApp(app.home, "other")
    other.start(*SLEEP, cwd=str(app.home / "gone"), policy=RestartPolicy())
    assert "working directory" in other.wait_for("errored")["reason"]
    other.close()


def test_argv0_is_looked_up_in_the_workers_path(app: KeptApp) -> None:
    """In theirs, not in ours."""
    tools = app.home / "tools"
    tools.mkdir()
    (tools / "my-own-tool").write_text("#!/bin/sh\necho found; exec sleep 1000\n")
    (tools / "my-own-tool").chmod(0o755)
    app.start("my-own-tool", env={"PATH": f"{tools}:/usr/bin:/bin"})
    wait_until(lambda: app.log() == b"found\n", what="it ran")


def test_one_that_does_not_heed_sigterm_is_killed(app: KeptApp) -> None:
    """After kill_timeout, and it is recorded."""
    code = (
        "import signal,time; signal.signal(15, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\nwhile True: time.sleep(1)"
    )
    app.start(*python(code), policy=QUICK._replace(kill_timeout_s=0.3))
    wait_until(app.log, what="it is deaf")
    app.request("stop")
    slot = app.wait_for("stopped")
    assert slot["exits"][-1]["signal"] == 9
    assert "SIGKILL" in app.event_texts("killed")[0]


def test_a_halted_worker_can_be_stopped(app: KeptApp) -> None:
    """SIGCONT follows SIGTERM."""
    app.start(*SLEEP)
    pid = app.wait_for("online")["pid"]
    os.kill(pid, signal.SIGSTOP)
    app.request("stop")
    assert app.wait_for("stopped")["exits"][-1]["signal"] == 15


FAMILY = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
plain = subprocess.Popen(sleep)
own = subprocess.Popen(sleep, start_new_session=True)
if os.fork() == 0:                      # a daemon by the book: its parent ends at once
    os.setsid()
    deep = subprocess.Popen(sleep)
    print("deep", deep.pid, flush=True)
    os._exit(0)
os.wait()
print("plain", plain.pid, flush=True)
print("own", own.pid, flush=True)
{then}
"""


def family(app: KeptApp) -> dict[str, int]:
    """Wait for the three descendants' pids."""
    wait_until(lambda: app.log().count(b"\n") >= 3, what="the family is complete")
    rows = [line.split() for line in app.log().decode().splitlines()[:3]]
    return {name: int(pid) for name, pid in rows}


def test_stop_leaves_no_descendant(app: KeptApp) -> None:
    """Neither a child, nor one in a session of its own, nor one whose parents have exited."""
    app.start(
        *python(FAMILY.format(then="time.sleep(1000)")), policy=QUICK._replace(kill_timeout_s=1)
    )
    pids = family(app)
    app.wait_for("online")
    assert all(map(is_running, pids.values())), "the children run as long as the worker"
    app.request("stop")
    app.wait_for("stopped")
    wait_until(lambda: not any(map(is_running, pids.values())), what="all are gone")


def test_what_an_exited_worker_leaves_is_killed_before_the_next(app: KeptApp) -> None:
    """The replacement finds no old family that holds ports or files."""
    app.start(*python(FAMILY.format(then="time.sleep(1000)")))
    pids = family(app)
    os.kill(app.wait_for("online")["pid"], signal.SIGKILL)
    wait_until(lambda: app.event_texts("left_behind"), what="it is recorded")
    wait_until(lambda: not any(map(is_running, pids.values())), what="all are gone")
    wait_until(lambda: app.log().count(b"\n") >= 6, what="the next family is there")
    assert app.wait_for("online")["restarts"] == 1


def test_children_of_a_stopping_worker_have_time_to_finish(app: KeptApp) -> None:
    """`sh -c` exits at once on SIGTERM; the server below it may still answer its last request."""
    child = (
        "import signal,time,sys\n"
        "def end(*_):\n time.sleep(0.5); print('last answer', flush=True); sys.exit()\n"
        "signal.signal(15, end); print('up', flush=True)\nwhile True: time.sleep(0.1)"
    )
    code = f"import subprocess,sys,time\nsubprocess.Popen([sys.executable,'-c',{child!r}])\n"
    app.start(*python(code + "time.sleep(1000)"))
    wait_until(lambda: app.log() == b"up\n", what="the child is up")
    app.request("stop")
    app.wait_for("stopped")
    assert app.log() == b"up\nlast answer\n"


def test_one_that_daemonises_must_stay_in_the_foreground(app: KeptApp) -> None:
    """Its daemon does not pile up with every try."""
    policy = QUICK._replace(max_restarts=2, backoff_first_s=0.02, min_uptime_s=5.0)
    app.start(*python(FAMILY.format(then="os._exit(0)")), policy=policy)
    app.wait_for("errored")
    assert "foreground" in app.event_texts("left_behind")[0]
    pids = [int(line.split()[1]) for line in app.log().decode().splitlines()]
    wait_until(lambda: not any(map(is_running, pids)), what="no daemon is left")


def test_a_job_that_is_finished_stays_so(app: KeptApp) -> None:
    """With restarts off it runs once; a stop exit code says the same."""
    once = QUICK._replace(restart="never")
    app.start(*python("print('once', flush=True)"), policy=once)
    assert app.wait_for("stopped")["exits"][-1]["code"] == 0
    assert app.log() == b"once\n"
    other = KeptApp(app.home, "other")
    other.start(*python("raise SystemExit(4)"), policy=QUICK._replace(stop_exit_codes=(4,)))
    assert other.wait_for("stopped")["restarts"] == 0
    other.close()
