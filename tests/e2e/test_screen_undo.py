"""Undo in the real screen: of a stop whose grace still runs."""

import contextlib
from pathlib import Path

import pexpect
import pytest

from support.command_line import in_terminal, monit, row, script
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

HELD = """\
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: None)
print("up", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
"""
"""A worker that exits only when a file exists."""


def _undone(screen: "pexpect.spawn[str]") -> bool:
    """Press u, which does nothing before the screen knows of the stop, and nothing twice."""
    screen.send("u")
    with contextlib.suppress(pexpect.TIMEOUT):
        screen.read_nonblocking(65536, timeout=0.2)
    return row("held")["wanted"] == "running"


def test_a_stop_is_undone_while_the_worker_still_stops(tmp_path: Path) -> None:
    """U after x: the worker that has the stop signal exits, and is started again by itself."""
    gate = tmp_path / "gate"
    path = script(tmp_path, text=HELD)
    monit("start", str(path), "--name", "held", "--kill-timeout", "10m", "--", str(gate))
    before = row("held")["pid"]
    screen = in_terminal("held")
    try:
        screen.expect("online")
        screen.expect("Metadata")
        screen.send("x")
        screen.expect("Cancel")
        screen.send("y")
        wait_until(lambda: row("held")["status"] == "stopping", what="it is stopping")
        assert row("held")["wanted"] == "stopped"
        wait_until(lambda: _undone(screen), what="the stop is undone")
        assert (row("held")["status"], row("held")["wanted"]) == ("stopping", "running")
        assert row("held")["pid"] == before
        gate.touch()
        wait_until(lambda: row("held")["pid"] not in {None, before}, what="it is started again")
        gate.unlink()
        wait_until(lambda: row("held")["status"] == "online", what="it is online again")
        screen.send("q")
        screen.expect(pexpect.EOF)
    finally:
        screen.close(force=True)
