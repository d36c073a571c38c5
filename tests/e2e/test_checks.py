"""Readiness and health checks, and workers that live but do nothing: real apps, real agents."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.command_line import monit, row, rows
from support.matrix import matrix
from support.ports import free_port
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

SERVER = """
import http.server, os, sys, time
port, mode = int(sys.argv[1]), sys.argv[2]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 200
        if mode == "warming":
            status = 200 if time.time() > started + 2.5 else 503
        if mode == "hangs" and os.path.exists("hang"):
            time.sleep(3600)
        self.send_response(status)
        self.end_headers()
    def log_message(self, *_): pass
started = time.time()
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def events(app: str) -> list[dict[str, Any]]:
    """Return what has happened to an app, oldest first."""
    recorded = json.loads(monit("describe", app, "--json"))
    return recorded[0]["history"]["events"]


def recorded(app: str, kind: str) -> list[str]:
    """Return the texts of the events of one kind."""
    return [each["text"] for each in events(app) if each["kind"] == kind]


def agent_pid(app: str) -> int:
    """Return the pid of the app's agent."""
    known = json.loads(monit("describe", app, "--json"))
    return int(known[0]["agent_pid"])


def serve(folder: Path, mode: str, *options: str, code: int = 0) -> int:
    """Start the server in ``folder``; return its port."""
    (folder / "app.py").write_text(SERVER)
    port = free_port()
    words = [word.replace("PORT", str(port)) for word in options]
    monit("start", "app.py", *words, "--", str(port), mode, cwd=folder, code=code)
    return port


def test_ready_is_when_the_url_answers(tmp_path: Path) -> None:
    """A worker that runs and answers 503 is starting; `start` returns when it answers 200."""
    before = time.time()
    serve(tmp_path, "warming", "--ready-url", "http://127.0.0.1:PORT/")
    assert time.time() - before > 2.4
    assert row("app")["status"] == "online"


def test_ready_by_a_command(tmp_path: Path) -> None:
    """The command runs until it exits with 0, and gets the worker that it checks."""
    (tmp_path / "app.py").write_text(
        "import os, time\nopen(f'up-{os.getpid()}', 'w').close()\ntime.sleep(3600)\n"
    )
    check = 'sh -c "test -e up-$MONIT_PID"'
    monit("start", "app.py", "--ready-command", check, cwd=tmp_path)
    assert row("app")["ready"]


def test_never_ready_says_why(tmp_path: Path) -> None:
    """What the check met stands in the reason, and `start` ends with 1."""
    (tmp_path / "app.py").write_text("import time\ntime.sleep(3600)\n")
    url = f"http://127.0.0.1:{free_port()}/"
    monit("start", "app.py", "--ready-url", url, "--listen-timeout", "1s", cwd=tmp_path, code=1)
    reasons = recorded("app", "unready")
    assert any(url in reason and "refused" in reason for reason in reasons), reasons


def test_a_killed_agent_does_not_end_the_waiting(tmp_path: Path) -> None:
    """The next agent continues the check: the worker becomes online all the same."""
    (tmp_path / "app.py").write_text("import time\ntime.sleep(3600)\n")
    (tmp_path / "ready").write_text("no")
    start = subprocess.Popen(
        [sys.executable, "-P", "-m", "monit_agent", "start", "app.py",
         "--ready-command", "grep -q yes ready", "--listen-timeout", "1h"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: [each["status"] for each in rows("app")] == ["starting"], what="it starts")
    os.kill(agent_pid("app"), signal.SIGKILL)
    (tmp_path / "ready").write_text("yes")
    wait_until(lambda: row("app")["status"] == "online", what="it is online")
    assert start.wait(30) == 0


@pytest.mark.parametrize("halted", matrix([False, True], [False]), ids=["hanging", "halted"])
def test_a_worker_that_answers_no_more_is_replaced(tmp_path: Path, halted: bool) -> None:
    """After so many failures in a row the worker is replaced, and the reason is recorded."""
    options = ("--health-url", "http://127.0.0.1:PORT/", "--health-interval", "0.5s",
               "--health-timeout", "300ms", "--health-failures", "2",
               "--kill-timeout", "1s")  # fmt: skip
    serve(tmp_path, "hangs", *options)
    first = row("app")["pid"]
    wait_until(lambda: (row("app")["health"] or {}).get("ok"), what="it is healthy")
    if halted:
        os.kill(first, signal.SIGSTOP)
    else:
        (tmp_path / "hang").touch()
    wait_until(lambda: row("app")["pid"] not in (None, first), what="another worker")
    (tmp_path / "hang").unlink(missing_ok=True)
    assert any("health: " in each for each in recorded("app", "requested"))
    wait_until(lambda: (row("app")["health"] or {}).get("ok"), what="it is healthy again")


def test_an_agent_that_was_stopped_replaces_no_worker(tmp_path: Path) -> None:
    """The agent is halted for longer than the checks may take: nothing is restarted."""
    options = ("--health-url", "http://127.0.0.1:PORT/", "--health-interval", "0.5s",
               "--health-timeout", "200ms", "--health-failures", "1")  # fmt: skip
    serve(tmp_path, "well", *options)
    worker, agent = row("app")["pid"], agent_pid("app")
    wait_until(lambda: (row("app")["health"] or {}).get("ok"), what="it is healthy")
    seen = row("app")["health"]["at"]
    os.kill(agent, signal.SIGSTOP)
    slept = time.monotonic()
    wait_until(lambda: time.monotonic() > slept + 2, what="the checks' time is over")
    os.kill(agent, signal.SIGCONT)
    wait_until(lambda: (row("app")["health"] or {}).get("at", 0) > seen + 2, what="new checks")
    assert row("app")["pid"] == worker
    assert row("app")["restarts"] == 0


STUCK = """
import asyncio, time
async def main():
    await asyncio.sleep(1.5)
    hold_up()
def hold_up():
    time.sleep(3600)
asyncio.run(main())
"""
STUCK_NODE = """
setTimeout(() => { for (;;) ; }, 2500);
setInterval(() => {}, 1000);
"""


@pytest.mark.parametrize("kind", ["py", "js"])
def test_a_stuck_event_loop_is_shown(tmp_path: Path, kind: str) -> None:
    """A worker whose loop is blocked is online, and shown as stuck, and since when."""
    if kind == "js" and shutil.which("node") is None:
        pytest.skip("node is not installed here")
    (tmp_path / f"app.{kind}").write_text(STUCK if kind == "py" else STUCK_NODE)
    monit("start", f"app.{kind}", cwd=tmp_path)
    wait_until(lambda: (row("app")["stuck_s"] or 0) > 5, deadline_s=30, what="it is stuck")
    assert row("app")["status"] == "online"
    happened = wait_until(lambda: recorded("app", "stuck"), what="it is recorded")
    assert "blocked" in happened[0]
    if kind == "py":
        assert "hold_up" in happened[0]
    assert "stuck" in monit("describe", "app")


def test_a_stuck_worker_is_replaced_where_that_is_set(tmp_path: Path) -> None:
    """`--restart-stuck` has a worker replaced whose loop is blocked for so long."""
    (tmp_path / "app.py").write_text(STUCK)
    monit("start", "app.py", "--restart-stuck", "3s", "--kill-timeout", "1s", cwd=tmp_path)
    first = row("app")["pid"]
    wait_until(lambda: row("app")["pid"] not in (None, first), deadline_s=30, what="another worker")
    assert any("stuck: event loop blocked" in each for each in recorded("app", "requested"))


@pytest.mark.parametrize(
    "words",
    [
        ("--ready-url", "ftp://localhost/"),
        ("--ready-url", "http://"),
        ("--health-command", ""),
        ("--health-url", "http://localhost/", "--health-interval", "0s"),
        ("--health-failures", "0"),
        ("--restart-stuck", "-1s"),
    ],
)
def test_what_cannot_be_a_check_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A wrong value ends with 2 before anything is started."""
    (tmp_path / "app.py").write_text("import time\ntime.sleep(3600)\n")
    monit("start", "app.py", *words, cwd=tmp_path, code=2)
    assert rows() == []
