"""The real `monit`, in the home that the test was given: run it, and read what it printed."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pexpect

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.main import monit as verbs
from monit_agent.wire.paths import app_paths
from support.waiting import wait_until

MONIT = [sys.executable, "-P", "-m", "monit_agent"]

_OF_TERMINAL = {"COLUMNS", "LINES", "NO_COLOR", "LC_ALL", "LC_CTYPE", "SSH_CONNECTION"}

TICKER = """\
import sys, time
print("up", *sys.argv[1:], flush=True)
n = 0
while True:
    n += 1
    print("tick", n, flush=True)
    time.sleep(0.1)
"""
"""A script that prints its arguments and then a line ten times a second."""

NUMBERED = 20_000

NUMBERS = f"""\
import sys, time
for n in range({NUMBERED}):
    print("line", n, "x" * 50)
    if n % 500 == 0:
        sys.stdout.flush()
        time.sleep(0.01)
sys.stdout.flush()
"""
"""A script that prints so many numbered lines, in bursts."""


def command(
    *words: str,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 90,
) -> "subprocess.CompletedProcess[str]":
    """Run ``monit`` with its output in pipes until it exits."""
    return subprocess.run(
        [*MONIT, *words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
    )


def monit(*words: str, cwd: str | Path | None = None, code: int = 0) -> str:
    """Run a command, check its exit code, return what it printed on standard output.

    What only reads runs in this process, through the same code: tests look again and again, and
    an interpreter for each look takes 50 times as much CPU (0.35 s against 7 ms).
    """
    reads = words[0] in ("list", "describe", "metrics") or words[:2] == ("alerts", "--json")
    reads = reads or {"--no-follow", "--dry-run"} & {*words}
    if reads and cwd is None:
        returncode, stdout = _read_here(words, code)
        assert returncode == code, (words, returncode, stdout)
        return stdout
    done = command(*words, cwd=cwd)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def _read_here(words: tuple[str, ...], expected: int) -> tuple[int, str]:
    """Run what only reads, again while an agent does not answer: on a machine that is busy with
    other tests one may need longer than a person is made to wait."""
    end = time.monotonic() + 60
    while True:
        returncode, stdout = _run_here(words)
        unanswered = returncode == ExitCode.NO_ANSWER != expected
        if not unanswered or time.monotonic() > end:
            return returncode, stdout


def _run_here(words: tuple[str, ...]) -> tuple[int, str]:
    printed = io.BytesIO()
    stdout = io.TextIOWrapper(printed, encoding="utf-8")
    with contextlib.redirect_stdout(stdout):
        try:
            result = verbs.main(list(words), prog_name="monit", standalone_mode=False)
        except CommandError as error:
            return int(error.code), str(error)
        stdout.flush()
    return int(result or 0), printed.getvalue().decode(errors="replace")


def monit_error(*words: str, code: int = 1) -> str:
    """Run a command that must fail; return what it printed on standard error."""
    done = command(*words)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stderr


def imported_by(*words: str) -> set[str]:
    """Return the modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *MONIT[1:], *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def in_terminal(
    *words: str, columns: int = 100, rows: int = 30, **env: str
) -> "pexpect.spawn[str]":
    """Run ``monit`` in a pseudo-terminal of its own, whatever the tests themselves run in."""
    inherited = {key: value for key, value in os.environ.items() if key not in _OF_TERMINAL}
    return pexpect.spawn(
        MONIT[0],
        [*MONIT[1:], *words],
        dimensions=(rows, columns),
        env={**inherited, "TERM": "xterm-256color", "LANG": "C.UTF-8", **env},
        encoding="utf-8",
        timeout=30,
    )


def script(folder: Path, name: str = "app.py", text: str = TICKER) -> Path:
    """Write a script and return its path."""
    path = folder / name
    path.write_text(text)
    return path


def listed(*targets: str) -> list[dict[str, Any]]:
    """Return the objects of ``monit list --json``."""
    return json.loads(monit("list", "--json", *targets))


def rows(app: str | None = None) -> list[dict[str, Any]]:
    """Return the objects of ``monit list --json`` for an app, none if there is no such app."""
    return [each for each in listed() if app in (None, each["app"])]


def row(app: str, instance: int = 0) -> dict[str, Any]:
    """Return the object of ``monit list --json`` for one instance."""
    (found,) = (each for each in rows(app) if each["instance"] == instance)
    return found


def pids(app: str) -> set[int]:
    """Return the pids of an app's workers from ``monit list --json``."""
    return {each["pid"] for each in rows(app)}


def keeper_pid(app: str) -> int:
    """Return the pid that an app's keeper has written into its lock."""
    return int(Path(app_paths(os.environ["MONIT_HOME"], app).lock).read_text())


def logs(app: str) -> str:
    """Return what ``monit logs`` prints of an app."""
    return monit("logs", app, "--no-follow", "-n", "200")


def measured(app: str) -> dict[str, Any]:
    """Wait until the app is online and its CPU and memory are known; return its row."""

    def with_numbers() -> dict[str, Any] | None:
        now = row(app)
        has_numbers = now["cpu_percent"] is not None and now["rss_bytes"]
        return now if now["status"] == "online" and has_numbers else None

    found = wait_until(with_numbers, what=f"{app} is online with CPU and memory")
    assert found is not None
    return found


def printed(app: str, text: str) -> str:
    """Wait until ``text`` stands in the app's log; return the log."""
    return wait_until(
        lambda: log if text in (log := logs(app)) else "", what=f"{text!r} in the log of {app}"
    )
