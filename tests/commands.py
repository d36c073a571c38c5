"""Running the real command line: what it printed, what it said, how it ended."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pexpect

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


def command(
    *words: str,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> "subprocess.CompletedProcess[str]":
    """Run ``monit`` with its output in pipes and wait for its end."""
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


def ok(*words: str, cwd: str | Path | None = None) -> str:
    """Run a command that must succeed and give what it printed."""
    done = command(*words, cwd=cwd)
    assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def listed(*targets: str) -> list[dict[str, Any]]:
    """Give the objects of ``monit list --json``."""
    return json.loads(ok("list", "--json", *targets))


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
    """Write a script and give its path."""
    path = folder / name
    path.write_text(text)
    return path
