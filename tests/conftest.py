"""What every test may use: a home of its own that leaves nothing behind."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from waiting import wait_until

# a shell starts what runs in its background with these ignored, programs inherit that,
# and then a test could not press ctrl+c
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.fixture(name="home")
def _home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give an empty MONIT_HOME with a short path; kill all that was started from it."""
    folder = tempfile.mkdtemp(prefix="m")  # pytest's own folders can be too long for a socket
    monkeypatch.setenv("MONIT_HOME", folder)
    yield Path(folder)
    _kill_all_of(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _kill_all_of(folder: str) -> None:
    def left() -> set[psutil.Process]:
        ours = {process for process in psutil.process_iter() if _belongs(process, folder)}
        # a program that writes its own title, as redis does, hides both marks: go by its parents
        return ours.union(*(_below(process) for process in ours))

    def none_left() -> bool:
        alive = left()
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        return not alive

    wait_until(none_left, what=f"everything of {folder} is gone")


def _belongs(process: psutil.Process, folder: str) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        marked = process.environ().get("MONIT_HOME") == folder
        return (marked and process.pid not in _own_family()) or any(
            folder in part for part in process.cmdline()
        )
    except psutil.Error:
        return False


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _own_family() -> set[int]:
    """Give pytest's own processes, which carry the variable while a test runs."""
    me = psutil.Process()
    return {me.pid, *(parent.pid for parent in me.parents())}
