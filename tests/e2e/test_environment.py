"""Where the variables of an app come from, and that those that were named stay."""

import json
import os
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.command_line import command, keeper_pid, monit, pids, row, script
from support.processes import is_running, kill
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

SHOWS = """
import os, sys, time
names = ("DB", "LEVEL", "EXTRA", "FROM_SHELL")
values = (str(os.environ.get(name)).replace("\\n", "|") for name in names)
shown = " ".join(f"{name}={value}" for name, value in zip(names, values))
# in one write: what print() is given as several arguments can be seen in part, unbuffered
sys.stdout.write(f"has {shown}\\n")
time.sleep(3600)
"""


SILENT = "import time; time.sleep(3600)"


def _shown() -> str:
    """Return what the newest worker has printed of its environment."""
    lines = [line for line in monit("logs", "app", "--no-follow").splitlines() if "has" in line]
    return lines[-1].partition("has ")[2] if lines else ""


def _wait_shown(*parts: str) -> None:
    wait_until(lambda: all(part in _shown() for part in parts), what=f"it has {parts}")


def _described() -> dict[str, Any]:
    return json.loads(monit("describe", "app", "--json"))[0]


def _events(kind: str) -> list[str]:
    return [each["text"] for each in _described()["history"]["events"] if each["kind"] == kind]


def _start(folder: Path, *options: str, text: str = SHOWS, **env: str) -> Path:
    """Start the app with an env file; return the file."""
    file = folder / "app.env"
    file.write_text("LEVEL=info\nEXTRA=1\nDB=from-file\n")
    path = script(folder, text=text)
    words = ("start", str(path), "--min-uptime", "0.1s", "--env-file", "app.env", *options)
    done = command(*words, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    return file


def test_named_values_stay_when_the_shell_changes(tmp_path: Path) -> None:
    """``--update-env`` renews what was inherited, and nothing that was named."""
    _start(tmp_path, "--env", "DB=named", FROM_SHELL="old")
    _wait_shown("DB=named LEVEL=info EXTRA=1 FROM_SHELL=old")
    for verb in ("restart", "reload"):
        done = command(verb, "app", "--update-env", env={"FROM_SHELL": verb, "DB": "shell"})
        assert done.returncode == 0, done.stderr
        _wait_shown(f"DB=named LEVEL=info EXTRA=1 FROM_SHELL={verb}")


@pytest.mark.parametrize("option", [("--drop-env", "FROM_*"), ("--no-inherit-env",)])
def test_what_is_not_to_be_inherited(option: tuple[str, ...], tmp_path: Path) -> None:
    """The workers do not get it from any shell; what is named arrives all the same."""
    _start(tmp_path, *option, FROM_SHELL="old")
    _wait_shown("LEVEL=info EXTRA=1 FROM_SHELL=None")
    first = pids("app")
    done = command("restart", "app", "--update-env", env={"FROM_SHELL": "new"})
    assert done.returncode == 0, done.stderr
    assert pids("app") != first
    _wait_shown("LEVEL=info EXTRA=1 FROM_SHELL=None")
    assert "FROM_SHELL" not in _described()["config"]["environment"]["inherited"]
    assert "PATH" in _described()["config"]["environment"]["inherited"]
    monit("stop", "app")
    monit("start", "app", "--env", "FROM_SHELL=named")
    _wait_shown("FROM_SHELL=named")


def test_an_env_file_is_read_again_by_every_start(tmp_path: Path) -> None:
    """Restart, reload, scale and a crash take what the file holds now; what left it is gone."""
    file = _start(tmp_path, "--env", "DB=named")
    _wait_shown("LEVEL=info EXTRA=1")
    file.write_text("LEVEL=debug\n")
    monit("restart", "app")
    _wait_shown("DB=named LEVEL=debug EXTRA=None")
    file.write_text("LEVEL=trace\n")
    monit("reload", "app")
    _wait_shown("LEVEL=trace")
    file.write_text("LEVEL=after-crash\n")
    kill(row("app")["pid"])
    _wait_shown("LEVEL=after-crash")
    file.write_text("LEVEL=scaled\n")
    monit("scale", "app", "2")
    _wait_shown("LEVEL=scaled")
    assert _events("env_read")[0] == f"{file} was read again; changed: DB, EXTRA, LEVEL"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda file: file.write_text("LEVEL=half\nOOPS"), "line 2"),
        (lambda file: file.unlink(), "No such file"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "not a regular file"),
        (lambda file: file.write_bytes(b"LEVEL=\0"), "NUL character"),
    ],
    ids=["half-edited", "gone", "fifo", "binary"],
)
def test_a_file_that_cannot_be_read_keeps_its_last_values(
    tmp_path: Path, spoil: Any, why: str
) -> None:
    """The app comes back as it was; the command, the events and describe name the reason."""
    file = _start(tmp_path)
    _wait_shown("LEVEL=info")
    before = row("app")["pid"]
    spoil(file)
    done = command("restart", "app")
    assert done.returncode == 0
    assert why in done.stderr
    assert str(file) in done.stderr
    assert row("app")["pid"] != before
    wait_until(lambda: monit("logs", "app", "--no-follow").count("has") == 2, what="it runs again")
    assert "LEVEL=info EXTRA=1" in _shown()
    (text,) = _events("env_problem")
    assert why in text
    assert why in monit("describe", "app")


def test_describe_names_the_sources_and_no_values(tmp_path: Path) -> None:
    """Which variable came from where is shown; a value is nowhere."""
    file = _start(
        tmp_path, "--env", "DB=hush-1", "--env", "TOKEN=hush-2", text=SILENT, FROM_SHELL="hush-3"
    )
    file.write_text("LEVEL=hush-4\n")
    monit("restart", "app")
    environment = _described()["config"]["environment"]

    assert environment["named"] == ["DB", "TOKEN"]
    assert environment["files"] == [{"path": str(file), "names": ["LEVEL"], "problem": None}]
    assert "FROM_SHELL" in environment["inherited"]
    assert "DB" not in environment["inherited"]
    text = monit("describe", "app")
    for part in ("DB, TOKEN", f"{file}: LEVEL"):
        assert part in text
    assert "hush" not in text + monit("describe", "app", "--json") + monit("list", "--json")


def test_named_values_survive_other_settings(tmp_path: Path) -> None:
    """``start NAME --option`` changes that option, and keeps what was named before."""
    _start(tmp_path, "--env", "DB=named")
    monit("stop", "app")
    monit("start", "app", "--max-memory", "300M")
    _wait_shown("DB=named LEVEL=info EXTRA=1")
    monit("stop", "app")
    monit("start", "app", "--env", "EXTRA=2")
    _wait_shown("DB=named LEVEL=info EXTRA=2")


def test_named_values_survive_keeper_and_workers(tmp_path: Path, home: Path) -> None:
    """When both are killed at once the app comes back with what was named; only its user can read
    where that is kept, and deleting the app removes it."""
    _start(tmp_path, "--env", "DB=named\nwith $signs=")
    _wait_shown("LEVEL=info")
    stored = home / "apps" / "app" / "env"
    assert stored.stat().st_mode & 0o777 == 0o600
    (worker,) = pids("app")
    os.kill(keeper_pid("app"), signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not is_running(worker), what="the worker is gone")
    wait_until(
        lambda: monit("logs", "app", "--no-follow").count("DB=named|with $signs=") == 2,
        what="it came back",
    )
    wait_until(lambda: row("app")["status"] == "online")
    monit("delete", "app")
    assert not stored.exists()


def test_cron_follows_the_clock_of_the_app(tmp_path: Path) -> None:
    """The schedule is met in the zone of TZ; zone and next time are shown."""
    path = script(tmp_path)
    monit("start", str(path), "--env", "TZ=Asia/Kolkata", "--cron", "0 9 * * *")
    described = wait_until(
        lambda: known if (known := _described())["config"]["cron_next_at"] else None,
        what="the next time is known",
    )
    assert described is not None
    at = datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(
        seconds=described["config"]["cron_next_at"]
    )
    assert (at.hour, at.minute) == (3, 30)
    assert described["config"]["cron_zone"] == "Asia/Kolkata"
    text = monit("describe", "app")
    assert "09:00:00 +0530, Asia/Kolkata" in text


def test_cron_in_an_unknown_zone_is_refused(tmp_path: Path) -> None:
    """It would be met at another time than the user means."""
    path = script(tmp_path)
    done = command("start", str(path), "--env", "TZ=Asia/Calcuta", "--cron", "0 9 * * *")
    assert done.returncode == 2
    assert "TZ='Asia/Calcuta' names no time zone" in done.stderr


def test_describe_env_names_sources_and_no_values(home: Path, tmp_path: Path) -> None:
    """Each variable once, with the source that wins."""
    assert home.exists()
    (tmp_path / "app.env").write_text("FROM_FILE=hidden-1\nNAMED=hidden-2\n")
    script(tmp_path)
    monit(
        *("start", "app.py", "--env-file", "app.env", "--env", "NAMED=hidden-3"),
        *("--timezone", "Asia/Kolkata", "--port", "8123", "--mode", "fork", "--no-probe"),
        *("--listen-timeout", "100ms", "--max-restarts", "1"),
        cwd=tmp_path, code=1,
    )  # fmt: skip
    text = monit("describe", "app", "--env")
    assert "hidden" not in text
    found = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert found["FROM_FILE"] == str(tmp_path / "app.env")
    names = ("NAMED", "PATH", "TZ", "PORT", "MONIT_APP")
    assert [found[name] for name in names] == [
        "--env", "inherited from the shell", "timezone", "port", "monit",
    ]  # fmt: skip
    objects = json.loads(monit("describe", "app", "--env", "--json"))
    assert {each["name"]: each["source"] for each in objects} == found
