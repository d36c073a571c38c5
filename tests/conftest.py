"""What every test may use: a home of its own that leaves nothing behind."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from monit_agent.keeper.logs.dropped import forget_dropped
from monit_agent.system.claim import memory_name
from monit_agent.system.memory.memory_folder import memory_folders, remove_memory_file
from monit_agent.system.users import remove_shared_folder, shared_folder
from support.processes import end_processes_of

# a shell starts what runs in its background with these ignored, programs inherit that,
# and then a test could not press ctrl+c
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# hypothesis fails an example that takes longer than 200 ms: on a busy machine that says nothing
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(name="home")
def _home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty MONIT_HOME with a short path; end all that was started from it."""
    folder = tempfile.mkdtemp(prefix="m")  # pytest's own folders can be too long for a socket
    monkeypatch.setenv("MONIT_HOME", folder)
    try:
        yield Path(folder)
    finally:
        end_processes_of(folder)
        for app in Path(folder).glob("apps/*"):
            remove_memory_file(memory_name(str(app), "state"))
            forget_dropped(str(app))
            if os.geteuid() == 0:
                remove_shared_folder(shared_folder(str(app)))
        shutil.rmtree(folder, ignore_errors=True)
        _remove_memory_files(folder)


def _remove_memory_files(home: str) -> None:
    """Remove what the keepers of a home kept in memory and had no time to remove."""
    for folder in memory_folders():
        for file in Path(folder).glob("*.env*"):
            with contextlib.suppress(OSError):  # a keeper of another test removed it
                if file.read_bytes().startswith(b"folder " + home.encode() + b"/"):
                    file.unlink()
