"""``monit list`` takes the short way where it can, and shows what the long way shows."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from monit_agent.cli.exit_codes import ExitCode
from support.command_line import MONIT, TICKER, command, imported_by, monit

DEAR = {"click", "zmq", "msgspec", "typing", "json", "monit_agent.cli.main"}


def start_app(home: Path, name: str) -> None:
    script = home / "app.py"
    script.write_text(TICKER)
    monit("start", str(script), "--name", name)


def steady(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows without what changes by itself from one moment to the next."""
    measured = ("age_s", "uptime_s", "cpu_percent", "rss_bytes", "metrics", "processes")
    figures = ("heap_", "gc_", "loop_", "sched_", "http_")
    return [
        {name: value for name, value in row.items()
         if name not in measured and not name.startswith(figures)}
        for row in rows
    ]  # fmt: skip


def test_the_short_way_imports_nothing_dear_and_shows_the_same(home: Path) -> None:
    """`monit list` of running apps needs neither click nor ZeroMQ nor msgspec; `monit list all`
    does, and has the same rows."""
    start_app(home, "one")
    start_app(home, "two")

    assert not DEAR & imported_by("list")
    assert imported_by("list", "all") >= {"click", "zmq", "msgspec"}
    short, long = (json.loads(command("list", "--json", *more).stdout) for more in ((), ("all",)))
    assert [row["app"] for row in short] == ["one", "two"]
    assert [row.keys() for row in short] == [row.keys() for row in long]
    assert steady(short) == steady(long)
    assert command("ls").stdout.splitlines()[0] == command("ls", "all").stdout.splitlines()[0]


def test_an_agent_that_does_not_answer_is_reported(home: Path) -> None:
    """The long way follows, with its words and the rows of all apps."""
    start_app(home, "one")
    agent = json.loads(command("describe", "one", "--json").stdout)[0]["agent_pid"]
    os.kill(agent, signal.SIGSTOP)
    try:
        done = command("list")
    finally:
        os.kill(agent, signal.SIGCONT)

    assert "its agent did not answer within" in done.stderr
    assert "one" in done.stdout


def test_a_reader_that_leaves_is_no_error(home: Path) -> None:
    """`monit list` into a pipe that nobody reads ends as SIGPIPE would end it."""
    start_app(home, "one")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:
        done = subprocess.run([*MONIT, "list"], stdout=pipe, stderr=subprocess.PIPE)

    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, b"")
