"""Which changed files are reported, and that the watch follows the path."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monit_agent.agent.event_loop import make_event_loop
from monit_agent.agent.restarts.file_watch import FileWatch, WatchReports
from monit_agent.agent.restarts.watch_filter import WatchFilter
from monit_agent.agent.restarts.watch_restarts import summary_of


class Watched:
    """A folder being watched by a loop that the test turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "app"
        self.home = self.folder / "state"
        self.home.mkdir(parents=True)
        self.write("lib/util.py")
        self.loop = make_event_loop()
        self.changed: set[str] = set()
        self.problems: list[str | None] = []
        rules = WatchFilter(str(self.folder), str(self.home))
        reports = WatchReports(self._changed, self._failed, self._works)
        self.watch = FileWatch(self.loop, str(self.folder), rules.matters, reports)

    def _changed(self, paths: set[str]) -> None:
        self.changed |= paths
        self.loop.stop()

    def _failed(self, why: str) -> None:
        self.problems.append(why)
        self.loop.stop()

    def _works(self) -> None:
        self.problems.append(None)
        self.loop.stop()

    def wait_for(self, done: Callable[[], bool], deadline_s: float = 20.0) -> bool:
        """Run the loop until ``done``; return False when it is not within the time."""
        end = time.monotonic() + deadline_s
        while not done() and time.monotonic() < end:
            timer = self.loop.call_later(min(0.1, deadline_s), self.loop.stop)
            self.loop.run_forever()
            timer.cancel()
        return done()

    def wait_named(self, name: str) -> str:
        """Wait until a file is reported; return the summary of all that was, and forget it."""
        path = os.path.normpath(self.folder / name)
        assert self.wait_for(lambda: path in self.changed), (path, self.changed)
        text = summary_of(self.changed, str(self.folder))
        self.changed.clear()
        return text

    def write(self, *names: str) -> None:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(time.monotonic_ns()))


@pytest.fixture(name="watched")
def _watched(tmp_path: Path) -> Iterator[Watched]:
    """A folder with a library, which is being watched."""
    watched = Watched(tmp_path)
    assert watched.wait_for(lambda: watched.problems == [None])
    watched.write("first.py")
    watched.wait_named("first.py")
    yield watched
    watched.watch.close(wait_s=20)
    watched.loop.close()


def test_changed_files_are_named(watched: Watched) -> None:
    """Each file that was written is reported."""
    watched.write("app.py", "lib/util.py", "app.py")
    watched.wait_for(lambda: len(watched.changed) == 2)

    assert watched.wait_named("app.py") == "app.py, lib/util.py"


def test_many_changes_are_summed_up() -> None:
    """A checkout names a few files and counts the rest."""
    paths = {f"/srv/app/m{number}.py" for number in range(10)}

    assert summary_of(paths, "/srv/app") == "m0.py, m1.py, m2.py and 7 more"


def test_what_programs_write_by_themselves_is_no_reason(watched: Watched) -> None:
    """Logs, caches, version control, dependencies and monit's own home restart nothing."""
    watched.write(
        "app.log", "x.pyc", "__pycache__/y.py", ".git/HEAD", ".env", "node_modules/z/index.js",
        "state/apps/web/state.json", "model/processes/notes.py~",
    )  # fmt: skip
    watched.write("last.py")

    assert watched.wait_named("last.py") == "last.py"


def test_a_folder_counts_by_the_files_in_it(watched: Watched, tmp_path: Path) -> None:
    """An empty one and one with ignored files are no reason; one that was moved here as a whole is
    named itself, since nobody saw its files come."""
    (watched.folder / "empty").mkdir()
    watched.write("model/processes/notes.py~", "model/deep/.cache/x")
    moved = tmp_path / "package"
    (moved / "deep").mkdir(parents=True)
    (moved / "deep" / "new.py").write_text("1")
    moved.rename(watched.folder / "package")

    assert watched.wait_named("package") == "package"


def test_a_closed_watch_reports_nothing(watched: Watched) -> None:
    """After `close` changes are no longer reported and no descriptor is left behind."""
    descriptors = len(os.listdir("/proc/self/fd"))
    late: list[set[str]] = []
    reports = WatchReports(late.append, lambda _: None, lambda: None)
    other = FileWatch(watched.loop, str(watched.folder), lambda _: True, reports)
    other.close(wait_s=20)
    watched.write("app.py")

    assert watched.wait_named("app.py") == "app.py"
    assert late == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_folder_that_takes_the_place_is_watched(watched: Watched, tmp_path: Path) -> None:
    """A release that is moved to the path is a change, and its files are watched from then on."""
    new = tmp_path / "new"
    new.mkdir()
    (new / "app.py").write_text("1")
    watched.folder.rename(tmp_path / "old")
    new.rename(watched.folder)

    assert watched.wait_named(".") == "the folder itself"
    assert watched.wait_for(lambda: watched.problems[-1] is None and len(watched.problems) > 1)
    watched.write("app.py")
    assert watched.wait_named("app.py") == "app.py"


def test_a_missing_folder_is_reported_until_it_is_back(watched: Watched, tmp_path: Path) -> None:
    """Nothing can be noticed while the path leads nowhere; what then stands there is watched."""
    watched.folder.rename(tmp_path / "old")
    assert watched.wait_for(lambda: watched.problems[-1] is not None)
    assert watched.problems[-1] == f"{watched.folder} does not exist"
    watched.folder.mkdir()

    assert watched.wait_named(".") == "the folder itself"
    assert watched.wait_for(lambda: watched.problems[-1] is None)


def test_a_link_inside_the_folder_is_followed(watched: Watched, tmp_path: Path) -> None:
    """When a symbolic link to a folder leads elsewhere, the files there are watched."""
    for name in ("r1", "r2"):
        (tmp_path / name).mkdir()
    for name in ("r1", "r2"):
        watched.problems.clear()
        (watched.folder / "next").symlink_to(tmp_path / name)
        (watched.folder / "next").rename(watched.folder / "code")
        watched.wait_named("code")
        assert watched.wait_for(lambda: watched.problems[-1:] == [None])
    (tmp_path / "r2" / "app.py").write_text("1")

    assert watched.wait_named("code/app.py") == "code/app.py"
