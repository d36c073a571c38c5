"""What happens to programs that use more memory than ``--max-memory``."""

import json
import shutil
from pathlib import Path

import pytest

from support.command_line import monit, printed, row, script
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

LEAKS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: None)
kept = []
while len(kept) < 400:
    kept.append(b"x" * 2_000_000)
    time.sleep(0.02)
time.sleep(3600)
"""
"""Leaks 100 MB/s, also while it should stop; steady in the end, as a program that has its data."""

NODE_LEAKS = """
process.on("SIGTERM", () => {});
const kept = [];
const leak = setInterval(() => {
  kept.push(Buffer.alloc(8e6, 1));
  if (kept.length === 100) clearInterval(leak);
}, 100);
setInterval(() => {}, 1000);
"""


def _requested(app: str) -> list[str]:
    described = json.loads(monit("describe", app, "--json"))
    return [
        each["text"]
        for each in described[0]["history"]["events"]
        if each["kind"] == "requested" and each["by"] is None
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app.py", LEAKS),
        pytest.param(
            "app.js",
            NODE_LEAKS,
            marks=[
                pytest.mark.full,
                pytest.mark.skipif(not shutil.which("node"), reason="no node"),
            ],
        ),
    ],
    ids=["python", "node"],
)
def test_a_leak_that_ignores_the_stop_signal_is_killed(
    tmp_path: Path, name: str, text: str
) -> None:
    """A worker that leaks on while it should stop does not get the whole kill timeout."""
    script(tmp_path, name, text)
    monit("start", name, "--max-memory", "100M", "--kill-timeout", "10m", cwd=tmp_path)

    wait_until(lambda: len(_requested("app")) >= 2, deadline_s=60, what="it was killed")

    restart, kill, *_ = _requested("app")
    assert restart.startswith("restart 0: memory ")
    assert kill.startswith("signal SIGKILL 0: memory ")
    assert "growing while it should stop" in kill


FORKS = """
import os, time
held = b"x" * 80_000_000
for _ in range(6):
    if not os.fork():
        break
else:
    for number in range(3600):
        print("second", number)
        time.sleep(1)
time.sleep(3600)
"""


@pytest.mark.full
def test_processes_that_share_their_memory_are_not_restarted(tmp_path: Path) -> None:
    """Seven processes over one block of 80 MB, like a preloading master, stay below 300 MB."""
    script(tmp_path, "app.py", FORKS)
    monit("start", "app.py", "--max-memory", "300M", cwd=tmp_path)

    wait_until(lambda: row("app")["children"] == 6, what="six children")
    printed("app", "second 8")  # eight samples or so
    assert _requested("app") == []
    assert 80_000_000 < row("app")["rss_bytes"] < 200_000_000
