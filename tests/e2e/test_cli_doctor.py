"""`monit doctor`: what it says about a healthy machine, and about each thing that is wrong."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from monit_agent.cli.doctor.table import CHECKS
from monit_agent.wire.paths import app_paths
from support.command_line import command, monit, script
from support.keeper import KeptApp
from support.processes import end_processes_of
from support.releases import release
from support.waiting import wait_until


def findings(code: int = 0, **env: str) -> dict[str, list[dict[str, Any]]]:
    """Return the findings of `monit doctor --json` by check."""
    done = command("doctor", "--json", env=env)
    assert done.returncode == code, (done.stdout, done.stderr)
    found: dict[str, list[dict[str, Any]]] = {check.name: [] for check in CHECKS}
    for each in json.loads(done.stdout):
        assert set(each) == {"check", "status", "text", "todo"}
        found[each["check"]].append(each)
    return found


def bad(found: dict[str, list[dict[str, Any]]], check: str) -> dict[str, Any]:
    """Return the one finding of a check that is not ok."""
    (one,) = [each for each in found[check] if each["status"] != "ok"]
    return one


def test_a_healthy_machine_is_ok(home: Path, tmp_path: Path) -> None:
    """With an app that runs: every check of monit's own is ok, and the exit code is 0."""
    monit("start", str(script(tmp_path)), "--name", "web")
    found = findings(TERM="xterm", LANG="C.UTF-8")
    own = ("home", "paths", "leftovers", "clock", "keepers", "agents", "versions", "terminal")
    assert [each["status"] for name in own for each in found[name]] == ["ok"] * len(own)
    lines = command("doctor").stdout.splitlines()
    assert any(line.split()[:2] == ["ok", "keepers"] for line in lines)


def test_what_is_wrong_with_an_app_fails_and_says_what_to_do(home: Path, tmp_path: Path) -> None:
    """A keeper that is gone while its app should run; a state that nothing can read; logs of a
    deleted app are no fault."""
    monit("start", str(script(tmp_path)), "--name", "web")
    end_processes_of(str(home))
    broken = app_paths(str(home), "broken")
    os.makedirs(broken.folder)
    Path(broken.state).write_text("{")
    deleted = app_paths(str(home), "deleted")
    os.makedirs(deleted.logs)
    found = findings(code=1)
    gone, unreadable = sorted(found["keepers"], key=lambda each: each["text"], reverse=True)
    assert (gone["status"], gone["todo"]) == ("fail", "run monit start web")
    assert "should run, and has no keeper" in gone["text"]
    assert (unreadable["status"], broken.state in unreadable["todo"]) == ("fail", True)
    assert [each["status"] for each in found["leftovers"]] == ["ok"]
    assert "deleted" in found["leftovers"][0]["text"]


def test_other_versions_and_an_installation_that_is_gone_are_named(
    home: Path, tmp_path: Path
) -> None:
    """With the command that replaces them; without its files, a keeper answers all the same."""
    old = release(tmp_path, "0.0.1")
    app = KeptApp(home)
    app.command[3] = f"{old.package}/keeper/__main__.py"
    try:
        app.start("/bin/sleep", "1000")
        app.wait_for("online")
        wait_until(lambda: app.request("version")["agent_version"] == "0.0.1", what="an agent")
        one = bad(findings(), "versions")
        assert (one["status"], one["todo"]) == ("warn", "run monit upgrade web")
        assert "keeper 0.0.1, agent 0.0.1" in one["text"]
        shutil.rmtree(old.package)
        assert "is gone" in bad(findings(), "versions")["text"]
    finally:
        app.close()


def test_a_hook_that_cannot_be_run_is_named_before_it_is_needed(home: Path, tmp_path: Path) -> None:
    """Missing, not executable, without its interpreter, not in PATH: each with what to do."""
    hook = tmp_path / "page"
    app = ("start", str(script(tmp_path)), "--name", "web", "--alert-command")
    monit(*app, f"{hook} --loud")
    one = bad(findings(code=1), "hooks")
    assert one["text"] == f"web: alert command {hook} does not exist"
    assert one["todo"] == "correct alerts.command, then run monit alerts test web"
    hook.write_text("#!/no/such/shell\n")
    assert f"is not executable; run chmod +x {hook}" in bad(findings(code=1), "hooks")["text"]
    hook.chmod(0o755)
    assert "'/no/such/shell'" in bad(findings(code=1), "hooks")["text"]
    hook.write_text("#!/bin/sh\n")
    assert "no notice was sent yet (web)" in findings()["hooks"][0]["text"]
    monit("alerts", "test", "web")
    assert "the hooks of web took 1 notice" in findings()["hooks"][0]["text"]
    monit("delete", "web")
    monit(*app, "no-such-program-anywhere")
    assert "is not in the PATH" in bad(findings(code=1), "hooks")["text"]


def test_hooks_that_failed_last_are_named(home: Path, tmp_path: Path) -> None:
    """A command that exits with an error, and a webhook at which nobody answers."""
    hook = script(tmp_path, "page", "#!/bin/sh\necho no mail >&2\nexit 3\n")
    hook.chmod(0o755)
    ca = tmp_path / "gone.pem"
    named = ("--alert-command", str(hook), "--alert-webhook", "http://127.0.0.1:1/secret")
    monit("start", str(script(tmp_path)), "--name", "web", *named, "--alert-webhook-ca", str(ca))
    assert f"alerts.webhook-ca {ca} cannot be read" in bad(findings(code=1), "hooks")["text"]
    assert command("alerts", "test", "web").returncode == 1
    _, failed, silent = findings(code=1)["hooks"]
    assert failed["text"] == f"web: alert command {hook}: exit code 3: no mail"
    assert silent["text"].startswith("web: alert webhook http://127.0.0.1:1/…: ")
    assert all(each["todo"].endswith("run monit alerts test web") for each in (failed, silent))


@pytest.mark.full
def test_surroundings_that_do_not_fit_are_named(home: Path, tmp_path: Path) -> None:
    """A home that others can look into, a long path, a clock set back, a terminal, no Node."""
    home.chmod(0o755)
    assert "chmod 700" in bad(findings(), "home")["todo"]
    assert "TERM" in bad(findings(TERM="dumb"), "terminal")["todo"]
    assert "LANG" in bad(findings(TERM="xterm", LANG="C", LC_ALL="C"), "terminal")["todo"]
    assert "Node is not installed" in findings(PATH="/nowhere")["node"][0]["text"]
    long = tmp_path / ("x" * (107 - len(str(tmp_path)) - 30))
    long.mkdir(mode=0o700)
    assert "shorter MONIT_HOME" in bad(findings(MONIT_HOME=str(long)), "paths")["todo"]
    state = Path(app_paths(str(home), "web").state)
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    later = state.stat().st_mtime + 9999
    os.utime(state, (later, later))
    assert "set back" in bad(findings(code=1), "clock")["text"]
