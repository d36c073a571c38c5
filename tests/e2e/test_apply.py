"""`monit apply` as somebody sees it who types it: what is changed, what is left alone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from support.command_line import (
    MONIT,
    command,
    in_terminal,
    keeper_pid,
    listed,
    monit,
    pids,
    printed,
    row,
)
from support.load import Load
from support.ports import free_port
from support.servers import HTTP_SERVER
from support.waiting import wait_until

WAITS = "import os, time\nwhile os.path.exists('gate'):\n    time.sleep(0.01)\n" + HTTP_SERVER
"""A web server that does not listen while there is a file called ``gate``."""

SLEEPS = "import os, time\nprint('level', os.environ.get('LEVEL'), flush=True)\ntime.sleep(1000)\n"


class Shop:
    """A folder with a config file: the app ``web`` with a port, and ``job`` without."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "monit.toml"
        self.port = free_port()
        (folder / "web.py").write_text(WAITS)
        (folder / "job.py").write_text(SLEEPS)
        self.write()

    def write(self, web: str = "", job: str = "", more: str = "", script: str = "web.py") -> None:
        """Write the file, with some keys more for each app."""
        python = json.dumps(sys.executable)
        self.path.write_text(
            f'version = 1\n[defaults]\nmin-uptime = "100ms"\ninterpreter = {python}\n'
            f'[apps.web]\nscript = "{script}"\nport = {self.port}\ninstances = 2\n'
            f'env.TEST_PORT = "{self.port}"\n{web}\n'
            f'[apps.job]\nscript = "job.py"\n{job}\n{more}\n'
        )

    def apply(self, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `monit apply` in the folder."""
        done = command("apply", *words, cwd=self.folder)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    def actions(self, *words: str) -> dict[str, str]:
        """Return what `monit apply --dry-run` would do to each app."""
        return {each["app"]: each["action"] for each in self.plan(*words)}

    def plan(self, *words: str) -> list[dict[str, Any]]:
        """Return the plan of `monit apply --dry-run --json`."""
        return json.loads(monit("apply", str(self.path), "--dry-run", "--json", *words))["apps"]


@pytest.fixture(name="shop")
def _shop(home: Path, tmp_path: Path) -> Shop:
    assert home.exists()
    return Shop(tmp_path)


def all_pids() -> set[int]:
    return {each["pid"] for each in listed()}


def config(app: str) -> dict[str, Any]:
    """Return the settings of an app."""
    return json.loads(monit("describe", app, "--json"))[0]["config"]


def processes(app: str) -> list[psutil.Process]:
    """Return all workers of an app that there are, whether or not they are ready."""
    return [
        each
        for each in psutil.Process(keeper_pid(app)).children()
        if any(word.endswith(".py") and "monit_agent" not in word for word in each.cmdline())
    ]


def test_a_file_is_applied_once(shop: Shop) -> None:
    """Everything starts; a second apply does nothing, and says so; a plan alone does nothing.
    Limits, checks and names need no other worker, and scaling by hand is told and undone."""
    assert shop.actions() == {"web": "start", "job": "start"}
    assert listed() == []
    shop.apply()
    assert {(each["app"], each["status"]) for each in listed()} == {
        ("web", "online"),
        ("job", "online"),
    }
    before = all_pids()
    again = shop.apply()
    assert again.stderr == "nothing to do\n"
    assert again.stdout == "web: nothing to do\njob: nothing to do\n"
    assert all_pids() == before
    assert config("web")["origin_file"] == row("web")["origin_file"] == str(shop.path)
    shop.write(web='kill-timeout = "2s"\nmax-memory = "2G"\nnamespace = "shop"')
    monit("scale", "job", "3")
    done = shop.apply()
    assert "web: change without touching its workers\n  namespace: default → shop" in done.stdout
    assert "  kill-timeout: 10s → 2s\n" in done.stdout
    assert "instances: 3 → 1 (job runs 3, scaled by hand; the file says 1)" in done.stdout
    assert all_pids() == before
    now = config("web")
    assert (now["namespace"], now["policy"]["kill_timeout_s"]) == ("shop", 2.0)
    assert set(shop.actions().values()) == {"nothing"}


def test_a_reload_loses_no_request_and_a_broken_one_changes_nothing(shop: Shop) -> None:
    """A changed variable replaces the workers one by one, and its value is printed nowhere. Where
    the new worker fails, the old one and its settings stay, and the plan stays the same."""
    (shop.folder / "bad.py").write_text("raise SystemExit(3)\n")
    shop.write(web='env.OLD = "hidden-1"')
    shop.apply()
    before, job = pids("web"), pids("job")
    shop.write(web='env.TOKEN = "hidden-2"')
    with Load(shop.port, clients=2) as load:
        load.more(10)
        done = shop.apply()
        load.more(10)
        new = pids("web")
        assert not before & new
        shop.write(script="bad.py", web='env.LEVEL = "new"')
        broken = shop.apply(code=1)
        load.more(10)
    assert load.failures == []
    assert pids("job") == job
    assert "web: rolling reload\n  env: OLD removed, TOKEN added\n" in done.stdout
    assert "hidden" not in done.stdout + done.stderr
    assert "the old workers keep running with the old settings" in broken.stderr
    assert pids("web") == new
    assert shop.actions() == {"web": "reload", "job": "nothing"}
    shop.write(web='env.TOKEN = "hidden-2"')
    assert set(shop.actions().values()) == {"nothing"}


def test_killed_in_the_middle_and_run_again(shop: Shop) -> None:
    """A killed command leaves a reload that goes on; the next one waits for it, and nothing is
    left to do."""
    shop.apply()
    before = pids("web")
    shop.write(web='env.LEVEL = "new"')
    (shop.folder / "gate").touch()
    with subprocess.Popen(
        [*MONIT, "apply"], cwd=shop.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as begun:
        wait_until(lambda: len(processes("web")) > len(before), what="a new worker starts")
        refused = shop.apply(code=1).stderr
        assert f"another monit apply is running (pid {begun.pid})" in refused
        begun.kill()
    (shop.folder / "gate").unlink()
    shop.apply()
    assert not before & pids("web")
    assert set(shop.actions().values()) == {"nothing"}


def test_apps_belong_to_a_file(shop: Shop) -> None:
    """What the file lacks is deleted only on request, only what came from it, and never with
    --only. Another file does not take an app over by itself; one of the command line it does."""
    shop.write(more='[apps.old]\nscript = "job.py"')
    shop.apply()
    monit("start", "job.py", "--name", "typed", cwd=shop.folder)
    shop.write()
    assert "old is not in the file any more; --prune deletes it" in shop.apply().stderr
    shop.apply("--prune", "--only", "web", code=2)
    assert shop.actions("--only", "job") == {"job": "nothing"}
    pruned = shop.apply("--prune")
    assert "old: delete\n" in pruned.stdout
    assert "deleting old" in pruned.stderr
    assert "deleted old; its log files are kept in " in pruned.stderr
    assert "applied" not in pruned.stderr
    assert {each["app"] for each in listed()} == {"web", "job", "typed"}
    other = shop.folder / "other.toml"
    other.write_text(shop.path.read_text() + '[apps.typed]\nscript = "job.py"\n')
    refused = shop.apply("other.toml", code=1).stderr
    assert "web came from" in refused
    assert "--take-over" in refused
    assert set(shop.actions().values()) == {"nothing"}
    taken = shop.apply("other.toml", "--take-over").stdout
    assert "origin: the command line → " in taken
    assert {each["origin_file"] for each in listed()} == {str(other)}


def test_what_was_stopped_and_what_must_stop(shop: Shop) -> None:
    """What was stopped stays stopped, with new settings from its next start; another port needs a
    stop and start; a file with faults touches nothing."""
    shop.apply()
    monit("stop", "job")
    shop.port = free_port()
    shop.write(job='env.LEVEL = "later"')
    done = shop.apply().stdout
    assert "it is stopped and stays stopped (monit start job)" in done
    assert "web: stop and start\n" in done
    assert row("job")["status"] == "stopped"
    with Load(shop.port) as load:
        load.more(2)
    assert load.failures == []
    monit("start", "job")
    printed("job", "level later")
    assert set(shop.actions().values()) == {"nothing"}
    before = all_pids()
    shop.write(web="instanses = 3", job="kill-timeout = 5")
    faults = shop.apply(code=2).stderr
    assert "did you mean 'instances'?" in faults
    assert "kill-timeout: 5 has no unit" in faults
    assert all_pids() == before
    shop.write()
    assert "it has web, job" in shop.apply("--only", "wbe", code=3).stderr


def test_start_and_keep_scale(shop: Shop) -> None:
    """What was stopped starts with the settings of the file; what was scaled stays so, and is
    named."""
    shop.apply()
    monit("stop", "job")
    monit("scale", "web", "3")
    web = pids("web")
    shop.write(job='env.LEVEL = "later"')
    assert shop.actions("--keep-scale") == {"web": "nothing", "job": "live"}
    done = shop.apply("--start", "--keep-scale")
    assert "job: start; it was stopped\n  env: LEVEL added" in done.stdout
    assert "web has 3 instances, scaled by hand; the file says 2" in done.stderr
    printed("job", "level later")
    assert row("job")["status"] == "online"
    assert pids("web") == web
    assert shop.actions() == {"web": "scale", "job": "nothing"}


def test_update_env(shop: Shop) -> None:
    """The workers inherit what the shell of the command has, which a second apply has no need to
    do, and a failed reload takes back."""
    shop.apply()
    env = {"LEVEL": "inherited"}
    assert set(shop.actions().values()) == {"nothing"}
    done = command("apply", "--update-env", cwd=shop.folder, env=env)
    assert "job: rolling reload\n  inherited from the shell: LEVEL changed" in done.stdout
    assert "inherited\n" not in done.stdout.replace("from the shell: ", "")
    printed("job", "level inherited")
    again = command("apply", "--update-env", cwd=shop.folder, env=env)
    assert "job: nothing to do" in again.stdout
    (shop.folder / "job.py").write_text("raise SystemExit(3)\n")
    failed = command(
        "apply", "--update-env", "--only", "job", cwd=shop.folder, env={"LEVEL": "other"}
    )
    assert failed.returncode == 1
    (shop.folder / "job.py").write_text(SLEEPS)
    monit("reload", "job")
    wait_until(lambda: monit("logs", "job", "--no-follow").count("level inherited") > 1)


def test_prune_asks_in_a_terminal(shop: Shop) -> None:
    """The question names the apps; no deletes nothing, yes and --yes do."""
    shop.write(more='[apps.old]\nscript = "job.py"')
    shop.apply()
    shop.write()
    for answer, left in (("n", True), ("y", False)):
        with in_terminal("apply", str(shop.path), "--prune") as terminal:
            terminal.expect_exact("Delete 1 app that the file does not have any more (old)? [y/N]")
            terminal.sendline(answer)
            terminal.expect(pexpect.EOF)
        assert ("old" in {each["app"] for each in listed()}) == left
    shop.write(more='[apps.old]\nscript = "job.py"')
    shop.apply()
    shop.write()
    with in_terminal("apply", str(shop.path), "--prune", "--yes") as terminal:
        terminal.expect(pexpect.EOF)
    assert "old" not in {each["app"] for each in listed()}
