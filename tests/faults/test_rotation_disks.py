"""Rotation where files cannot be written, or are removed: every byte is kept or counted."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent.supervise.spec import LogSettings
from support.keeper import KeptApp, python
from support.kept_log import kept_log
from support.matrix import matrix
from support.small_disk import SmallDisk, small_disk
from support.waiting import wait_until

PRINTER = """
import os, sys, time
number = 0
while not os.path.exists(sys.argv[1]):
    os.write(1, b"".join(b"%09d a line of many\\n" % n for n in range(number, number + 50)))
    number += 50
    time.sleep(0.005)
os.write(2, b"%d\\n" % number)
time.sleep(1000)
"""

SIZE = 64 * 1024
KEEP_ALL = LogSettings(max_size_bytes=SIZE, max_files=0, max_age_s=0, max_total_bytes=0)

Change = Callable[[SmallDisk, KeptApp], None]


def _remove_logs(_disk: SmallDisk, app: KeptApp) -> None:
    shutil.rmtree(app.paths.logs, ignore_errors=True)


FAULTS: dict[str, tuple[Change, Change]] = {
    "full": (lambda disk, _: disk.fill(), lambda disk, _: disk.free()),
    "no files": (lambda disk, _: disk.use_up_files(), lambda disk, _: disk.free()),
    "read-only": (lambda disk, _: disk.make_read_only(), lambda disk, _: disk.make_writable()),
    "removed": (_remove_logs, lambda _disk, _app: None),
}


@pytest.fixture(name="disk")
def _disk(home: Path) -> Iterator[SmallDisk]:
    with small_disk(home) as disk:
        yield disk


@pytest.fixture(name="app")
def _app(home: Path, disk: SmallDisk) -> Iterator[KeptApp]:
    assert os.path.ismount(disk.folder)
    app = KeptApp(home)
    yield app
    app.close()


def _stream(app: KeptApp) -> dict[str, Any]:
    return next(row for row in app.snapshot()["logs"] if row["stream"] == "out")


def _has_moved(app: KeptApp, least: int) -> None:
    """Wait until so many more bytes were taken from the worker, kept or not."""

    def taken() -> int:
        row = _stream(app)
        return row["end"] + row["lost_bytes"]

    goal = taken() + least
    wait_until(lambda: taken() >= goal, what="the worker prints on", deadline_s=60)


@pytest.mark.parametrize("how", matrix(FAULTS, ["full", "removed"]))
def test_what_is_not_kept_is_counted(
    app: KeptApp, disk: SmallDisk, tmp_path: Path, how: str
) -> None:
    """The worker prints on and is not restarted; what is in the files, what could not be written
    and what was removed add up to all that it printed, and what is kept is in order."""
    spoil, mend = FAULTS[how]
    stop = tmp_path / "stop"
    app.start(*python(PRINTER, str(stop)), log=KEEP_ALL)
    wait_until(app.log, what="it prints")
    worker = app.slot()["pid"]
    _has_moved(app, 3 * SIZE)
    spoil(disk, app)
    _has_moved(app, 4 * SIZE)
    mend(disk, app)
    end = _stream(app)["end"]
    wait_until(lambda: _stream(app)["end"] >= end + 2 * SIZE, what="it is kept", deadline_s=60)
    stop.touch()
    count = int(wait_until(lambda: app.log(stream="err"), what="its end", deadline_s=30) or 0)
    printed = len(b"%09d a line of many\n" % 0) * count

    def sum_of_all() -> int:
        row = _stream(app)
        return len(kept_log(app.paths)) + row["lost_bytes"] + row["dropped_bytes"]

    app.request("reopen_logs")
    wait_until(lambda: sum_of_all() == printed, what="all bytes are accounted for", deadline_s=90)
    numbers = [line[:9] for line in kept_log(app.paths).split(b"\n") if len(line) == 24]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == b"%09d" % (count - 1)
    assert (app.slot()["pid"], app.slot()["restarts"]) == (worker, 0)
    if how in ("read-only", "no files"):
        assert _stream(app)["lost_bytes"] == 0
