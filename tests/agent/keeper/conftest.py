"""A loop for each test, without traces in the process of the tests."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.keeper.loop import Loop
from support.keeper_loop import close_loop


@pytest.fixture(name="own_signals")
def _own_signals() -> Iterator[None]:
    """Let the test change handlers; restore them afterwards."""
    numbers = (signal.SIGCHLD, signal.SIGTERM)
    handlers = {number: signal.getsignal(number) for number in numbers}
    wakeup = signal.set_wakeup_fd(-1)
    yield
    opened = signal.set_wakeup_fd(wakeup)
    if opened >= 0:
        os.close(opened)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(name="loop")
def _loop(own_signals: None) -> Iterator[Loop]:
    """Return a loop that nothing runs yet; `run_until` does."""
    loop = Loop()
    yield loop
    close_loop(loop)


@pytest.fixture(name="short_folder")
def _short_folder() -> Iterator[Path]:
    """Return an empty folder whose path fits into a socket's; for tests that end what they start
    themselves (the fixture ``home`` searches all processes of the machine for 0.2 s)."""
    folder = tempfile.mkdtemp(prefix="m")
    yield Path(folder)
    shutil.rmtree(folder)
