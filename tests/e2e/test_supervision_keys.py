"""Keys that people know from pm2, supervisor and systemd, with real apps."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.command_line import command, monit, pids, printed, row, script
from support.waiting import wait_until
from support.watching import watches_files

pytestmark = pytest.mark.usefixtures("home")

SHOWS = """\
import os, time
print(*(f"{name}={os.environ.get(name)}" for name in ("SLOT", "TZ", "EXTRA")), flush=True)
while True:
    if os.path.exists("code"):
        raise SystemExit(int(open("code").read()))
    time.sleep(0.02)
"""
"""Prints some variables, and exits with the number that is in the file ``code``."""


def write(folder: Path, settings: str, app: str = "app.py") -> None:
    script(folder, app, SHOWS)
    (folder / "monit.toml").write_text(
        f'[apps.web]\nscript = "{app}"\nmin-uptime = "100ms"\n{settings}\n'
    )


def described() -> dict[str, Any]:
    return json.loads(monit("describe", "web", "--json"))[0]


def events(kind: str) -> list[str]:
    return [each["text"] for each in described()["history"]["events"] if each["kind"] == kind]


def causes() -> list[str]:
    """Return why the app was restarted by itself."""
    return [text.partition(": ")[2] for text in events("requested") if ": " in text]


def test_on_failure(tmp_path: Path) -> None:
    """A failure restarts the app, after its delay; exit code 0 is the end of its work."""
    write(tmp_path, 'restart = "on-failure"\nrestart-delay = "200ms"')
    monit("apply", cwd=tmp_path)
    (before,) = pids("web")
    (tmp_path / "code").write_text("3")
    wait_until(lambda: events("backoff"), what="it waits")
    assert events("backoff")[0].endswith("(restart delay)")
    (tmp_path / "code").unlink()
    wait_until(lambda: row("web")["status"] == "online", what="it is restarted")
    assert pids("web") != {before}
    (tmp_path / "code").write_text("0")
    wait_until(lambda: row("web")["status"] == "stopped", what="it is done")
    assert row("web")["done"] is True
    policy = described()["config"]["policy"]
    assert (policy["restart"], policy["autorestart"]) == ("on-failure", True)


def test_variables_of_a_worker(tmp_path: Path) -> None:
    """The number of the instance under a name of its own, a time zone that the schedule follows,
    and an env file that may be missing; a reload reads it when it is there."""
    write(
        tmp_path,
        'instances = 2\ninstance-var = "SLOT"\ntimezone = "Asia/Kolkata"\n'
        'env-file = ["?extra.env"]\ncron = "0 4 * * *"',
    )
    monit("apply", cwd=tmp_path)
    for number in range(2):
        printed("web", f"SLOT={number} TZ=Asia/Kolkata EXTRA=None")
    assert wait_until(lambda: described()["config"]["cron_zone"]) == "Asia/Kolkata"
    assert "web: nothing to do" in monit("apply", cwd=tmp_path)
    (tmp_path / "extra.env").write_text("EXTRA=there\n")
    assert "EXTRA changed" in monit("apply", cwd=tmp_path)
    printed("web", "SLOT=1 TZ=Asia/Kolkata EXTRA=there")


def test_a_zone_is_named_once(tmp_path: Path) -> None:
    """A zone that there is not, and one beside another TZ, are faults with their lines."""
    write(tmp_path, 'timezone = "Asia/Kolkatta"')
    assert "4: timezone: 'Asia/Kolkatta' is not a time zone" in faults(tmp_path)
    write(tmp_path, 'timezone = "Asia/Kolkata"\nenv.TZ = "UTC"')
    assert "use either timezone or env TZ" in faults(tmp_path)
    write(tmp_path, 'instance-vars = "X"')
    assert "did you mean 'instance-var'?" in faults(tmp_path)


def faults(folder: Path) -> str:
    done = command("config", "check", cwd=folder)
    assert done.returncode == 2
    return done.stdout + done.stderr


def test_only_the_named_paths_are_watched(tmp_path: Path) -> None:
    """A file by its name, whatever it is called, and a folder; what is beside them does not
    count."""
    (tmp_path / "src").mkdir()
    write(tmp_path, 'watch = ["src", ".settings"]\nwatch-delay = "100ms"')
    monit("apply", cwd=tmp_path)
    agent = described()["agent_pid"]
    wait_until(lambda: watches_files(agent), what="the agent watches")
    (tmp_path / "other.py").write_text("other")
    (tmp_path / ".settings").write_text("new")
    (cause,) = wait_until(causes, what="the file restarts it")
    assert cause == "files changed: .settings"
    (tmp_path / "src" / "util.py").write_text("new")
    found = wait_until(lambda: causes()[1:], what="the folder restarts it")
    assert found == ["files changed: src/util.py"]
