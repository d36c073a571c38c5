"""``monit run`` as the first process of a container, and below an init of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from support import namespaces
from support.command_line import MONIT, script
from support.foreground import Foreground
from support.ports import free_port
from support.processes import is_running
from support.waiting import wait_until

EXAMPLE = Path(__file__).parents[2] / "examples" / "docker"

APP = """\
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("ended", flush=True)))
print("up", flush=True)
while True:
    signal.pause()
"""

ORPHANS = """\
import os, sys
for _ in range(1000):
    if os.fork() == 0:
        if os.fork():
            os._exit(0)          # the parent of an orphan
        while os.getppid() not in (1, int(sys.argv[2])):
            pass
        fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, b"%d\\n" % os.getppid())
        os._exit(0)
    os.wait()
"""
"""Makes a thousand orphans; each writes who its parent has become."""


def test_a_thousand_orphans_are_reaped(home: Path, tmp_path: Path) -> None:
    """Whatever a second shell of the container leaves behind, no zombie stays."""
    namespaces.require(namespaces.FIRST)
    app = str(script(tmp_path, "web.py", APP))
    with Foreground(app, below=namespaces.FIRST) as run:
        run.read_until("up")
        first = namespaces.first_process(run.process)
        code = str(script(tmp_path, "orphans.py", ORPHANS))
        orphans = tmp_path / "orphans"
        subprocess.run(
            namespaces.inside(first, sys.executable, code, str(orphans), "1"), check=True
        )
        wait_until(lambda: orphans.read_text().count("\n") == 1000, what="all orphans have run")
        assert set(orphans.read_text().split()) == {"1"}
        wait_until(lambda: _zombies(first) == 0, what="all are reaped")
        os.kill(first, signal.SIGTERM)
        assert run.exit_code() == 0
    assert run.lines() == ["up", "ended"]


def _zombies(pid: int) -> int:
    return sum(each.status() == psutil.STATUS_ZOMBIE for each in psutil.Process(pid).children())


def test_a_read_only_container_can_be_looked_into(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing but /dev/shm to write into, it runs, and `monit list` of a second shell works
    without a setting."""
    namespaces.require(namespaces.READ_ONLY)
    monkeypatch.delenv("MONIT_HOME")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    with Foreground("--name", "web", "--", sys.executable, "-c", APP, cwd="/",
                    below=namespaces.READ_ONLY) as run:  # fmt: skip
        run.read_until("up")
        first = namespaces.first_process(run.process)

        def listed() -> str:
            done = subprocess.run(
                namespaces.inside(first, *MONIT, "list", "--json"),
                capture_output=True, text=True, cwd="/",
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)[0]["status"]

        wait_until(lambda: listed() == "online", what="the second shell sees it online")
        os.kill(first, signal.SIGTERM)
        assert run.exit_code() == 0
    assert run.lines() == ["up", "ended"]


def test_the_example_runs(home: Path, tmp_path: Path) -> None:
    """The Dockerfile's entry point starts its apps, its health check succeeds, a second shell sees
    them, and a stop of the container is a success."""
    namespaces.require(namespaces.FIRST)
    assert home.exists()
    text = (EXAMPLE / "Dockerfile").read_text().replace("\\\n", " ")
    check, entry = map(json.loads, re.findall(r"(?m)(?:CMD|ENTRYPOINT) +(\[.*\])$", text))
    (files,) = re.findall(r"(?m)^COPY (.*) \./$", text)
    web, health = str(free_port()), str(free_port())
    for name in files.split():
        content = (EXAMPLE / name).read_text()
        (tmp_path / name).write_text(content.replace("8000", web))
    assert entry[:2] == ["monit", "run"]
    words = [each.replace("9000", health) for each in entry[2:]]
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    with Foreground(*words, cwd=tmp_path, below=namespaces.FIRST, env={"PATH": path}) as run:
        run.read_until("clock/0 | ")
        first = namespaces.first_process(run.process)

        def is_healthy() -> bool:
            asks = [sys.executable, *(each.replace("9000", health) for each in check[1:])]
            return subprocess.run(asks, capture_output=True).returncode == 0

        wait_until(is_healthy, what="the health check succeeds")
        done = subprocess.run(
            namespaces.inside(first, *MONIT, "list", "--json"), capture_output=True, text=True
        )
        rows = [(row["app"], row["instance"], row["status"]) for row in json.loads(done.stdout)]
        assert rows == [("clock", 0, "online"), ("web", 0, "online"), ("web", 1, "online")]
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/") as answer:
            assert answer.read().startswith(b"hello from process ")
        os.kill(first, signal.SIGTERM)
        assert run.exit_code() == 0


def test_a_stop_while_it_starts_is_not_lost(home: Path) -> None:
    """The kernel gives the first process no signal that it does not handle yet."""
    namespaces.require(namespaces.FIRST)
    with Foreground("--name", "web", "--", "sleep", "600", below=namespaces.FIRST) as run:
        first = namespaces.first_process(run.process)
        command = Path(f"/proc/{first}/cmdline")
        python = MONIT[0].encode()  # before that, unshare blocks the signal for a moment
        wait_until(lambda: command.read_bytes().startswith(python), what="Python starts")
        wait_until(lambda: _blocks(first, signal.SIGTERM), what="monit begins to start")
        os.kill(first, signal.SIGTERM)
        assert run.exit_code() == 0


def _blocks(pid: int, number: int) -> bool:
    """Return whether a process blocks a signal, or handles it already."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
    return any(int(masks[key], 16) >> (number - 1) & 1 for key in ("SigBlk", "SigCgt"))


@pytest.mark.full
def test_below_tini_it_is_the_same(home: Path, tmp_path: Path) -> None:
    """An init of the container passes TERM on; the app ends, and the code is 0."""
    namespaces.require(namespaces.FIRST)
    if shutil.which("tini") is None:
        pytest.skip("no tini here")
    app = str(script(tmp_path, "web.py", APP))
    with Foreground(app, below=(*namespaces.FIRST, "tini", "--")) as run:
        run.read_until("up")
        os.kill(namespaces.first_process(run.process), signal.SIGTERM)
        assert run.exit_code() == 0
    assert run.lines() == ["up", "ended"]


@pytest.mark.full
def test_a_killed_app_as_the_only_one(home: Path) -> None:
    """The container exits with 137, as if the app itself were its first process."""
    namespaces.require(namespaces.FIRST)
    with Foreground(
        "--no-autorestart", "--", "sh", "-c", "kill -9 $$", below=namespaces.FIRST
    ) as run:
        assert run.exit_code() == 137


@pytest.mark.full
def test_a_stubborn_app_is_gone_within_8_s(home: Path) -> None:
    """Docker kills everything after 10 s; the last word must be ours."""
    namespaces.require(namespaces.FIRST)
    code = (
        "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    )
    with Foreground("--kill-timeout", "1h", "--", sys.executable, "-c", code,
                    below=namespaces.FIRST) as run:  # fmt: skip
        run.read_until("up")
        first, begun = namespaces.first_process(run.process), time.monotonic()
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: not is_running(first), what="it has exited", deadline_s=30)
        assert time.monotonic() - begun < 9.5  # of its 8 s, on a busy machine
        assert run.exit_code() == 0
