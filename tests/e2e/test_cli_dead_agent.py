"""What the commands do when an app's agent or keeper does not answer."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from support.command_line import command, listed, monit, script
from support.managers import give_own_process
from support.waiting import wait_until


def _pids(app: str) -> tuple[int, int, int]:
    (found,) = json.loads(monit("describe", app, "--json"))
    return found["keeper_pid"], found["agent_pid"], found["pid"]


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_silent_agent_is_exit_code_4_and_its_rows_are_stale(home: Path, tmp_path: Path) -> None:
    """The list shows what was last known as stale, verbs on that app exit with 4, others work."""
    script(tmp_path)
    monit("start", "app.py", "--name", "deaf", cwd=tmp_path)
    monit("start", "app.py", "--name", "well", cwd=tmp_path)
    give_own_process(home, "deaf")
    _, agent, worker = _pids("deaf")
    with _frozen(agent):
        done = command("list")
        assert done.returncode == 0
        assert "stale" in done.stdout
        assert "deaf" in done.stderr
        deaf, well = listed()
        assert (deaf["stale"], deaf["status"], deaf["pid"]) == (True, "online", worker)
        assert deaf["cpu_percent"] is None
        assert deaf["age_s"] > 0
        assert well["stale"] is False
        both = command("restart", "all")
        assert both.returncode == 4
        assert "deaf" in both.stderr
        assert listed("well")[0]["restarts"] == 1
    monit("restart", "deaf")
    assert home.exists()


def test_an_app_left_by_keeper_and_agent_is_taken_over(home: Path, tmp_path: Path) -> None:
    """With both killed its worker keeps running, it is listed as stale, and start takes it over."""
    script(tmp_path)
    monit("start", "app.py", cwd=tmp_path)
    keeper, agent, worker = _pids("app")
    os.kill(agent, signal.SIGSTOP)  # or it would bring the keeper back before we look
    os.kill(keeper, signal.SIGKILL)
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(agent) and not psutil.pid_exists(keeper))
    (row,) = listed()
    assert (row["stale"], row["pid"]) == (True, worker)
    stopped = command("stop", "app")
    assert stopped.returncode == 4
    assert "monit start app" in stopped.stderr
    assert command("logs", "app", "--no-follow").returncode == 4
    monit("start", "app")
    (row,) = listed()
    assert (row["stale"], row["pid"], row["status"]) == (False, worker, "online")
    assert home.exists()


def test_a_dead_agent_comes_back_and_commands_find_it(home: Path, tmp_path: Path) -> None:
    """Right after its agent was killed a command still does its work."""
    script(tmp_path)
    monit("start", "app.py", cwd=tmp_path)
    _, agent, worker = _pids("app")
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: command("restart", "app").returncode == 0, what="restart works again")
    assert listed()[0]["pid"] != worker
    assert home.exists()
