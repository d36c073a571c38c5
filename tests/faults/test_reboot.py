"""After a reboot, or when everything was killed, what was running comes back, and nothing else."""

import os
import signal
from pathlib import Path

import pytest

from support.command_line import TICKER, command, keeper_pid, listed, logs, monit, printed, row
from support.matrix import matrix
from support.reboot import change_state, kill_everything, reboot
from support.waiting import wait_until

SAYS_ENVIRONMENT = """\
import os, time
print("SECRET is", os.environ.get("SECRET"), flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture(name="shop")
def _shop(home: Path, tmp_path: Path) -> Path:
    """Start `web` (0 and 2 run, 1 is stopped), `off` (stopped) and `job` (has finished)."""
    (tmp_path / "tick.py").write_text(SAYS_ENVIRONMENT)
    (tmp_path / "job.py").write_text('print("worked", flush=True)\n')
    monit("start", "tick.py", "--name", "web", "--env", "SECRET=s3 %=\n$x", cwd=tmp_path)
    monit("scale", "web", "3")
    monit("stop", "web/1")
    monit("start", "tick.py", "--name", "off", cwd=tmp_path)
    monit("stop", "off")
    monit("start", "job.py", "--no-autorestart", cwd=tmp_path)
    wait_until(lambda: row("job")["status"] == "stopped", what="the job is done")
    return home


def _statuses() -> dict[str, str]:
    return {f"{each['app']}/{each['instance']}": each["status"] for each in listed()}


AS_BEFORE = {
    "job/0": "stopped", "off/0": "stopped",
    "web/0": "online", "web/1": "stopped", "web/2": "online",
}  # fmt: skip


@pytest.mark.parametrize("words", matrix(["resurrect", "restart all"], ["resurrect"]))
def test_what_was_running_comes_back_and_nothing_else(shop: Path, words: str) -> None:
    """With its instances and its named variables, as `save` printed; what was stopped or had
    finished stays so."""
    assert [line.split(maxsplit=1) for line in monit("save").splitlines()[1:]] == [
        ["job", "has finished"],
        ["off", "stays stopped"],
        ["web", "2 of 3 instances"],
    ]
    reboot(shop)

    monit(*words.split())

    assert _statuses() == AS_BEFORE
    assert [row("web", n)["restarts"] for n in (0, 2)] == [0, 0]
    assert all(each["stale"] is False for each in listed())
    wait_until(
        lambda: logs("web").count("SECRET is s3 %=") == 5, what="both have the variable again"
    )
    assert logs("job").count("worked") == 1


@pytest.mark.full
def test_start_all_starts_whatever_is_known_and_not_running(shop: Path) -> None:
    """Also after a reboot: what was stopped on purpose, and what had finished."""
    reboot(shop)

    monit("start", "all")

    assert set(_statuses().values()) == {"online", "stopped"}
    assert _statuses()["web/1"] == _statuses()["off/0"] == "online"
    wait_until(lambda: logs("job").count("worked") == 2, what="the job ran again")


def test_resurrect_adopts_what_runs_and_leaves_apps_with_keepers(shop: Path) -> None:
    """In the same boot a worker that outlived keeper and agent is not restarted."""
    worker = row("web")["pid"]
    kill_everything(shop, spare=worker)

    monit("resurrect")
    assert _statuses() == AS_BEFORE
    assert row("web")["pid"] == worker
    again = command("resurrect")

    assert again.returncode == 0
    assert "already there: job, off, web" in again.stderr
    assert row("web")["pid"] == worker


@pytest.mark.full
def test_one_app_that_cannot_come_back_does_not_keep_the_others_away(shop: Path) -> None:
    """Its reason is reported with exit code 1, and the others are started."""
    reboot(shop)
    path = shop / "apps" / "off" / "state.json"
    path.write_text("garbage")

    done = command("resurrect")

    assert done.returncode == 1
    assert str(path) in done.stderr
    assert _statuses()["web/0"] == _statuses()["web/2"] == "online"


@pytest.mark.full
def test_a_worker_that_the_shutdown_ended_first_has_not_finished(
    home: Path, tmp_path: Path
) -> None:
    """A machine that shuts down sends SIGTERM to workers and keepers at once: an app that is not
    restarted when it exits comes back all the same."""
    (tmp_path / "tick.py").write_text(
        "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(0))\n" + TICKER
    )
    monit("start", "tick.py", "--stop-exit-codes", "0", cwd=tmp_path)
    worker, keeper = row("tick")["pid"], keeper_pid("tick")
    os.kill(worker, signal.SIGTERM)
    wait_until(lambda: row("tick")["status"] == "stopped", what="the worker exited")
    os.kill(keeper, signal.SIGTERM)
    wait_until(lambda: row("tick")["stale"], what="its keeper exited")
    reboot(home)

    monit("resurrect")

    assert row("tick")["status"] == "online"


def test_restart_of_many_leaves_what_is_stopped(shop: Path) -> None:
    """`all` and patterns restart what runs and name what stays stopped; a name starts it; with
    nothing to restart the command fails and says what to do."""
    before = row("web")["pid"]

    done = command("restart", "all")

    assert done.returncode == 0
    assert "off is stopped and stays stopped; monit start off starts it" in done.stderr
    assert _statuses() == AS_BEFORE
    assert row("web")["pid"] != before
    monit("restart", "off")
    assert _statuses()["off/0"] == "online"
    monit("stop", "all")
    nothing = command("restart", "w*")
    assert nothing.returncode == 1
    assert "monit start w*" in nothing.stderr
    assert "online" not in _statuses().values()
    assert shop.exists()


@pytest.mark.full
def test_save_fails_for_what_is_not_on_disk(home: Path, tmp_path: Path) -> None:
    """A state file that differs from what runs is reported with the app's name."""
    (tmp_path / "tick.py").write_text(TICKER)
    monit("start", "tick.py", cwd=tmp_path)
    printed("tick", "tick 1")
    os.kill(keeper_pid("tick"), signal.SIGSTOP)  # or it would write the file again
    change_state(home, "tick", lambda state: state["slots"][0].update(desired="stopped"))

    done = command("save")

    os.kill(keeper_pid("tick"), signal.SIGCONT)
    assert done.returncode == 1
    assert "tick is not saved" in done.stderr
