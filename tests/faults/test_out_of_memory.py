"""The kernel kills a worker for want of memory."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import monit, row
from support.processes import end_processes_of, is_running
from support.waiting import wait_until

GROUPS = Path("/sys/fs/cgroup")
LIMIT = 96 * 1024 * 1024

HOG = """\
import sys, time
from pathlib import Path
gate = Path(sys.argv[1])
while not gate.exists():
    time.sleep(0.01)
gate.unlink()
held = [bytearray(b"x" * (1 << 20)) for _ in range(1 << 20)]
"""
"""Uses up all memory once for each time that the file is made."""


@pytest.fixture(name="group")
def _group(home: Path) -> Iterator[Path]:
    """Return a control group with little memory."""
    first = (GROUPS / "memory").exists()
    group = (GROUPS / "memory" if first else GROUPS) / f"monit-test-{os.getpid()}"
    try:
        group.mkdir()
        names = ["memory.limit_in_bytes"] if first else ["memory.max", "memory.swap.max"]
        for name in names:
            (group / name).write_text("0" if "swap" in name else str(LIMIT))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip("no control group for memory can be made here")
    yield group
    end_processes_of(home)

    def is_removed() -> bool:
        with contextlib.suppress(OSError):
            group.rmdir()
        return not group.exists()

    wait_until(is_removed, what="the group is empty")


def test_a_worker_that_the_kernel_kills_for_memory_is_replaced(
    home: Path, tmp_path: Path, group: Path
) -> None:
    """Its keeper, which is in the same group, lives; the exit and the report say what happened."""
    script, gate = tmp_path / "hog.py", tmp_path / "gate"
    script.write_text(HOG)
    monit("start", str(script), "--name", "hog", "--", str(gate))
    monit("start", "--name", "calm", "--", "sleep", "1000")
    first, keeper = row("hog")["pid"], row("hog")["ppid"]
    for pid in (keeper, first):
        (group / "cgroup.procs").write_text(str(pid))

    gate.touch()

    wait_until(lambda: row("hog")["pid"] not in (first, None), what="another worker runs")
    wait_until(lambda: row("hog")["status"] == "online", what="it is online")
    assert (is_running(keeper), row("hog")["ppid"]) == (True, keeper)
    assert (row("hog")["last_exit"]["signal"], row("hog")["restarts"]) == (9, 1)
    assert row("calm")["restarts"] == 0
    wait_until(lambda: "out of memory" in monit("events", "hog").lower(), what="it says why")
    for app in ("hog", "calm"):
        monit("delete", app)
