"""Which changed files are a reason to restart, and when it is told."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.observe.loop import Loop
from monit_agent.observe.watch import FileWatch


class Watched:
    """A folder being watched by a loop that the test turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "app"
        self.home = self.folder / "state"
        self.home.mkdir(parents=True)
        self.loop = Loop()
        self.told: list[str] = []
        self.watch = FileWatch(self.loop, str(self.folder), str(self.home), self._changed)

    def _changed(self, names: str) -> None:
        self.told.append(names)
        self.loop.stop()

    def wait_told(self, deadline_s: float = 20.0) -> list[str]:
        """Run until something is told; what it was."""
        timer = self.loop.after(deadline_s, self.loop.stop)
        self.loop.run()
        timer.cancel()
        told, self.told = self.told, []
        return told

    def write(self, *names: str) -> None:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(time.monotonic_ns()))


@pytest.fixture(name="watched")
def _watched(tmp_path: Path) -> Iterator[Watched]:
    """The watcher's thread may take a while to begin: touch a file until it is told."""
    watched = Watched(tmp_path)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        watched.write("first.py", "lib/util.py")
        if watched.wait_told(deadline_s=1.5):
            break
    else:
        pytest.fail("the watcher told nothing")
    yield watched
    watched.watch.close()


def test_a_changed_file_is_named_once(watched: Watched) -> None:
    """Several writes within half a second are one reason, which names the files."""
    watched.write("app.py", "lib/util.py", "app.py")

    assert watched.wait_told() == ["app.py, lib/util.py"]


def test_many_changes_are_summed_up(watched: Watched) -> None:
    """A checkout names a few files and counts the rest."""
    watched.write(*(f"m{number}.py" for number in range(10)))

    assert watched.wait_told() == ["m0.py, m1.py, m2.py and 7 more"]


def test_what_programs_write_by_themselves_is_no_reason(watched: Watched) -> None:
    """Logs, caches, version control, dependencies and monit's own home restart nothing."""
    watched.write(
        "app.log", "x.pyc", "__pycache__/y.py", ".git/HEAD", ".env", "node_modules/z/index.js",
        "state/apps/web/state.json", "notes.py~",
    )  # fmt: skip
    watched.write("last.py")

    assert watched.wait_told() == ["last.py"]


def test_a_closed_watch_tells_nothing(watched: Watched) -> None:
    """After `close` changes are no longer told and no descriptor is left behind."""
    descriptors = len(os.listdir("/proc/self/fd"))
    other = FileWatch(watched.loop, str(watched.folder), "/nowhere", watched.told.append)
    other.close()
    watched.write("app.py")

    assert watched.wait_told() == ["app.py"]
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1
