"""What is shown of an app whose keeper is gone, stopped or cannot start, and after a reboot."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.command_line import TICKER, command, listed, monit, row
from support.matrix import matrix
from support.processes import is_running
from support.reboot import change_state, kill_everything, set_other_boot
from support.waiting import wait_until


@pytest.fixture(name="script")
def _script(home: Path, tmp_path: Path) -> str:
    _ = home
    script = tmp_path / "tick.py"
    script.write_text(TICKER)
    return str(script)


def test_after_a_reboot_what_is_dead_is_shown_dead(home: Path, script: str) -> None:
    """With everything killed and another boot id, no pid and no uptime is shown, and the reason is;
    `start` brings back what was running and leaves what was stopped."""
    monit("start", script, "-i", "2")
    monit("stop", "tick/1")
    kill_everything(home)
    change_state(home, "tick", set_other_boot)

    first, second = listed()
    for each in (first, second):
        assert (each["status"], each["pid"], each["uptime_s"]) == ("stopped", None, None)
        assert each["stale"] is True
        assert "the machine was restarted" in str(each["problems"])
        assert "monit start tick" in str(each["problems"])

    monit("start", "tick/0")
    first, second = listed()
    assert (first["status"], second["status"]) == ("online", "stopped")
    monit("delete", "tick")


@pytest.mark.parametrize("how", matrix(["gone", "another process"], ["gone"]))
def test_a_dead_worker_is_never_shown_online(home: Path, script: str, how: str) -> None:
    """With keeper and agent killed, a worker that died too is shown as stopped, also when another
    process has its pid; one that runs is shown as online."""
    monit("start", script)
    worker = row("tick")["pid"]
    kill_everything(home, spare=worker)
    assert (row("tick")["status"], row("tick")["pid"]) == ("online", worker)
    if how == "gone":
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not is_running(worker), what="it is gone")
    else:

        def other_start(state: dict[str, Any]) -> None:
            state["slots"][0]["worker"][1] += 1

        change_state(home, "tick", other_start)

    shown = row("tick")

    assert (shown["status"], shown["pid"], shown["uptime_s"]) == ("stopped", None, None)
    assert "monit start tick" in str(shown["problems"])


def _garbage(path: Path) -> None:
    path.write_bytes(b"\x00garbage{")


def _other_schema(path: Path) -> None:
    path.write_text('{"schema": 99}')


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", matrix([_garbage, _other_schema, _folder], [_garbage]))
def test_a_keeper_that_cannot_start_has_its_reason_everywhere(
    home: Path, script: str, spoil: Callable[[Path], None]
) -> None:
    """With a state that no keeper can read, list and every command have the reason and the way out;
    the worker keeps running, and the way out works."""
    monit("start", script)
    worker, keeper = row("tick")["pid"], row("tick")["ppid"]
    path = home / "apps" / "tick" / "state.json"
    os.kill(keeper, signal.SIGSTOP)  # or it would write the file again
    spoil(path)
    os.kill(keeper, signal.SIGKILL)

    wait_until(lambda: str(path) in str(row("tick")["problems"]), what="the reason is in the row")

    assert row("tick")["pid"] == worker
    assert "no keeper" in command("list").stdout
    assert str(path) in monit("describe", "tick")
    for verb in ("restart", "stop", "reload", "delete"):
        done = command(verb, "tick")
        assert done.returncode == 1
        assert str(path) in done.stderr
        assert "move this file away" in done.stderr
    path.rename(path.with_name("state.bad"))
    wait_until(lambda: command("start", script).returncode == 0, what="it can be started again")
    assert row("tick")["status"] == "online"
    assert not is_running(worker)
    monit("delete", "tick")


def test_a_stopped_keeper_is_shown_and_its_requests_happen_later(home: Path, script: str) -> None:
    """A keeper that got SIGSTOP is named in list with the command that helps; a restart that it did
    not answer is said to happen later, and does."""
    _ = home
    monit("start", script)
    worker, keeper = row("tick")["pid"], row("tick")["ppid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        text = f"kill -CONT {keeper}"
        wait_until(lambda: text in str(row("tick")["problems"]), what="it is named")
        for verb in ("save", "resurrect"):
            assert text in command(verb).stderr
        done = command("restart", "tick")
        assert done.returncode == 1
        assert text in done.stderr
        assert "happens" in done.stderr
        assert "monit: tick: its keeper" in done.stderr
        assert row("tick")["pid"] == worker
    finally:
        os.kill(keeper, signal.SIGCONT)

    wait_until(lambda: row("tick")["pid"] not in (worker, None), what="it was restarted")
    wait_until(lambda: row("tick")["problems"] == [], what="nothing is wrong any more")
    monit("delete", "tick")
