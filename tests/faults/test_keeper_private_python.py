"""A Python whose private functions are other ones than those that the keeper knows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.keeper import KeptApp, python
from support.programs import PROGRAMS
from support.waiting import wait_until

ORPHAN = """
import os, time
ready, go = os.pipe()
child = os.fork()
if not child:
    if os.fork():
        os._exit(0)
    os.read(ready, 1)
    print("parent of the orphan:", os.getppid(), flush=True)
    time.sleep(1000)
os.waitpid(child, 0)
os.write(go, b"x")
time.sleep(1000)
"""


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


@pytest.mark.parametrize("private", ["_json", "_socket", "_ctypes"])
def test_a_keeper_does_its_work_by_the_public_functions(app: KeptApp, private: str) -> None:
    """It starts a worker, adopts its orphan, answers on its socket and stops the worker."""
    executable, *flags, main, folder = app.command
    without = str(PROGRAMS / "python_without.py")
    app.command = [executable, *flags, without, private, main, folder]
    assert app.start(*python(ORPHAN))["ok"]
    app.wait_for("online")
    expected = b"parent of the orphan: %d\n" % app.keeper_pid()
    wait_until(lambda: app.log() == expected, what="the orphan has the keeper as its parent")
    assert app.request("stop", instances=[0])["ok"]
    app.wait_for("stopped")
