"""Who did what, and what dies first."""

import json
import os
import pwd
from pathlib import Path

import pytest

from monit_agent.cli.exit_codes import ExitCode
from support.command_line import command, in_terminal, monit, row, script
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")


def _requests() -> list[tuple[str, str]]:
    events = json.loads(monit("describe", "app", "--json"))[0]["history"]["events"]
    return [(each["text"], each["by"]) for each in events if each["kind"] == "requested"]


def _score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_events_say_who_requested_what_and_from_where(tmp_path: Path) -> None:
    """User, pid, command and terminal of the client stand in the events, without arguments."""
    command("start", str(script(tmp_path)), "--name", "app", "--min-uptime", "0.1s")
    with in_terminal("restart", "app") as terminal:
        terminal.expect("restarted app")
        pid = terminal.pid
    offered = "gc  Collect garbage"
    wait_until(lambda: offered in monit("describe", "app"), what="the probe offers its actions")
    # again while the agent is too busy to answer; gc takes no argument, and fails
    collect = ("trigger", "app", "gc", "secret-argument")

    def triggered() -> bool:
        assert command(*collect).returncode in (ExitCode.FAILED, ExitCode.NO_ANSWER)
        return len(_requests()) > 1

    wait_until(triggered, what="both requests are events")
    (restart, by), *triggers = _requests()
    me = pwd.getpwuid(os.getuid()).pw_name
    assert restart.startswith("restart 0")
    assert by.startswith(f"{me}:{pid} (")
    assert "monit restart, pts/" in by
    assert {text for text, _ in triggers} == {"trigger gc"}
    assert "secret-argument" not in monit("describe", "app", "--json")


def test_an_app_is_killed_before_its_keeper_when_memory_is_short(tmp_path: Path) -> None:
    """Root's keeper is less likely to be killed than before; elsewhere the worker is more likely.
    The worker of root keeps what the keeper had inherited, and so does its agent."""
    command("start", str(script(tmp_path)), "--name", "app", "--min-uptime", "0.1s")
    (found,) = json.loads(monit("describe", "app", "--json"))
    inherited = _score(os.getpid())
    keeper, worker = _score(found["keeper_pid"]), _score(row("app")["pid"])
    assert keeper < worker
    assert _score(found["agent_pid"]) == inherited
    assert worker in (inherited, inherited + 10)
