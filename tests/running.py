"""Helpers for tests that type commands: the real `monit`, in the home that the test was given."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from monit_agent.wire.places import app_places
from waiting import wait_until


def monit(*words: str, cwd: Path | None = None, code: int = 0) -> str:
    """Run a command, check its exit code, give what it printed on standard output."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "monit_agent", *words],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = f"monit {' '.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == code, said
    return done.stdout


def monit_error(*words: str, code: int = 1) -> str:
    """Run a command that must fail; give what it said on standard error."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "monit_agent", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == code, done
    return done.stderr


def rows(app: str | None = None) -> list[dict[str, Any]]:
    """Give what `monit list --json` says of an app, or of all."""
    listed = json.loads(monit("list", "--json"))
    return [row for row in listed if app in (None, row["app"])]


def row(app: str, instance: int = 0) -> dict[str, Any]:
    """Give what `monit list --json` says of one instance."""
    (found,) = (each for each in rows(app) if each["instance"] == instance)
    return found


def pids(app: str) -> set[int]:
    """Give the pids of the workers that `monit list --json` has of an app."""
    return {each["pid"] for each in rows(app)}


def keeper_pid(app: str) -> int:
    """Give the pid that an app's keeper has written into its lock."""
    return int(Path(app_places(os.environ["MONIT_HOME"], app).lock).read_text())


def logs(app: str) -> str:
    """Give what `monit logs` has of an app."""
    return monit("logs", app, "--no-follow", "-n", "200")


def measured(app: str) -> dict[str, Any]:
    """Wait until the app is online and its CPU and memory are known; give its row."""

    def known() -> dict[str, Any] | None:
        now = row(app)
        has_numbers = now["cpu_percent"] is not None and now["rss_bytes"]
        return now if now["status"] == "online" and has_numbers else None

    found = wait_until(known, what=f"{app} is online with CPU and memory")
    assert found is not None
    return found


def printed(app: str, text: str) -> str:
    """Wait until ``text`` stands in the app's log; give the log."""
    return wait_until(
        lambda: said if text in (said := logs(app)) else "", what=f"{text!r} in the log of {app}"
    )


def is_listening(port: int) -> bool:
    """Whether somebody on this machine accepts connections at ``port``."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port(in_a_row: int = 1) -> int:
    """Give a port that nobody uses now, the first of so many.

    None that the kernel gives to clients by itself (from 32768 on): one of those may be taken
    before the test gets round to using it. Each process goes through a stretch of its own.
    """
    while True:
        stretch = [next(_ports) for _ in range(in_a_row)]
        if stretch[-1] - stretch[0] == in_a_row - 1 and all(map(_is_free, stretch)):
            return stretch[0]


_FIRST = 10_000 + os.getpid() * 101 % 20_000
_ports = itertools.cycle(range(_FIRST, _FIRST + 2_000))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def processes_of(home: str | os.PathLike[str]) -> list[psutil.Process]:
    """Give the living processes that were started for a MONIT_HOME, the test's own left out."""
    me = psutil.Process()
    family = {me.pid, *(parent.pid for parent in me.parents())}
    return [each for each in psutil.process_iter() if each.pid not in family and _of(each, home)]


def _of(process: psutil.Process, home: str | os.PathLike[str]) -> bool:
    folder = os.fspath(home)
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        in_command = any(folder in word for word in process.cmdline())
        return in_command or process.environ().get("MONIT_HOME") == folder
    except psutil.Error:
        return False
