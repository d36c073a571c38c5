"""Which log files are removed, and which never."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monit_agent.keeper.logs.disk_floor import missing_bytes
from monit_agent.keeper.logs.retention import Retention, size_limit
from monit_agent.keeper.logs.rotated_files import remove_stray_parts
from monit_agent.supervise.spec import LogSettings
from monit_agent.wire import timeindex
from monit_agent.wire.logfiles import pack_frames, stream_names
from monit_agent.wire.paths import AppPaths, app_paths
from support.counting import calls_made
from support.small_disk import small_disk

DAY_S = 86400.0
FREE = LogSettings(max_files=0, max_age_s=0, max_total_bytes=0)
"""No limit at all."""

OUT = (0, "out")


class App:
    """An app with rotated log files and no keeper but this test."""

    def __init__(self, home: Path, name: str) -> None:
        self.paths: AppPaths = app_paths(str(home), name)
        os.makedirs(self.paths.logs)
        Path(self.paths.state).touch()
        self.events: list[tuple[str, int | None, str]] = []
        self.retention = Retention(
            self.paths, lambda *event: self.events.append(event), lambda _key: ""
        )

    def rotated(
        self,
        base: int,
        *,
        age_s: float = 0.0,
        size: int = 100,
        instance: int = 0,
        stream: str = "out",
        compressed: bool = False,
    ) -> Path:
        """Make a rotated file with its index, last written so long ago."""
        names = stream_names(self.paths, instance, stream)
        path = Path(names.compressed(base) if compressed else names.rotated(base))
        path.write_bytes(b"x" * size)
        if compressed:
            Path(names.frames(base)).write_bytes(
                pack_frames(base, [(base, 0, 0), (base + 1000, size, 0)])
            )
        Path(names.rotated_index(base)).write_bytes(timeindex.pack_header(base))
        at = time.time() - age_s
        for part in names.all_of(base):
            if os.path.exists(part):
                os.utime(part, (at, at))
        return path

    def look(
        self, settings: LogSettings, running: dict[tuple[int, str], int] | None = None
    ) -> None:
        self.retention.look(settings, running or {OUT: 0})

    def listed(self) -> list[str]:
        return sorted(os.listdir(self.paths.logs))


@pytest.fixture(name="make_app")
def _make_app(tmp_path: Path) -> Callable[[str], App]:
    return lambda name: App(tmp_path, name)


def test_each_limit_removes_the_oldest(make_app: Callable[[str], App]) -> None:
    """By number for each stream, by age, and by size for the app; indexes go with their logs."""
    app = make_app("web")
    files = [app.rotated(base, age_s=DAY_S * (5 - base)) for base in range(5)]
    other = app.rotated(0, stream="err", age_s=DAY_S * 9)
    app.look(FREE)
    assert all(file.exists() for file in [*files, other])

    app.look(FREE._replace(max_files=4))
    assert [file.exists() for file in files] == [False, True, True, True, True]
    assert other.exists()
    app.look(FREE._replace(max_age_s=3.5 * DAY_S))
    assert [file.exists() for file in files] == [False, False, True, True, True]
    assert not other.exists()
    app.look(FREE._replace(max_total_bytes=350), {OUT: 100})
    assert [file.exists() for file in files] == [False, False, False, True, True]
    assert len(app.listed()) == 4
    assert app.events == []


def test_a_look_at_many_streams_costs_no_more_for_each(make_app: Callable[[str], App]) -> None:
    """No file is compared with every stream: a keeper of 100 instances looks after each rotation
    when the logs have reached their limit."""
    calls: list[int] = []
    for streams in (30, 60):
        app = make_app(f"web{streams}")
        for instance in range(streams):
            for base in (0, 100):
                app.rotated(base, instance=instance)
        app.retention.look(FREE, {})
        calls.append(calls_made(lambda app=app: app.retention.look(FREE, {})))
    few, many = calls
    assert few < many < 3 * few


def test_only_files_of_the_app_itself_are_touched(make_app: Callable[[str], App]) -> None:
    """Not those of apps with similar names, and no others in its own folder."""
    app, *others = (make_app(name) for name in ("web", "web__x", "web-1", "we"))
    kept = [other.rotated(7, age_s=99 * DAY_S) for other in others]
    for name in ("notes.txt", "0.out.log.1", "0.out.backup.log", "0.out.0000000000000007.log.old",
                 "0.out.00000007.log", "x.out.0000000000000007.log"):  # fmt: skip
        kept.append(Path(app.paths.logs, name))
        kept[-1].write_bytes(b"mine")
        os.utime(kept[-1], (0, 0))
    gone = app.rotated(7, age_s=99 * DAY_S)

    app.look(LogSettings())
    app.retention.look_after_rest()

    assert not gone.exists()
    assert all(path.exists() for path in kept)


def test_what_others_remove_is_counted_once(make_app: Callable[[str], App]) -> None:
    """By the bytes of the log, also of a compressed file; what is flushed was not removed."""
    app = make_app("web")
    plain, packed = app.rotated(0), app.rotated(100, compressed=True)
    app.rotated(1100)
    app.look(FREE)
    plain.unlink()
    packed.unlink()
    app.look(FREE)
    app.look(FREE)

    assert app.retention.dropped_bytes == {OUT: 1100}
    assert [(kind, instance) for kind, instance, _ in app.events] == [("log_dropped", 0)]
    assert "1100 bytes" in app.events[0][2]
    app.retention.remove_all(OUT, [OUT])
    app.look(FREE)
    assert app.retention.dropped_bytes == {OUT: 1100}


def test_what_is_being_compressed_was_not_removed(make_app: Callable[[str], App]) -> None:
    """A file that is plain now and compressed later is the same file, only smaller."""
    app = make_app("web")
    plain = app.rotated(0, size=1000)
    app.look(FREE)
    plain.unlink()
    app.rotated(0, size=300, compressed=True)
    app.look(FREE)

    (file,) = app.retention.files_of(OUT)
    assert file.compressed
    assert file.length == 1000
    assert file.size < 500
    assert app.events == []


def test_an_instance_that_was_scaled_away_keeps_its_place(make_app: Callable[[str], App]) -> None:
    """Its last file goes when it is too old, and its index stays: no offset is used twice."""
    app = make_app("web")
    names = stream_names(app.paths, 3, "out")
    Path(names.log).write_bytes(b"bye\n")
    Path(names.index).write_bytes(timeindex.pack_header(50) + timeindex.pack_record(50, 1))
    os.utime(names.log, (0, 0))

    app.look(LogSettings(), {(3, "out"): 4})
    assert os.path.exists(names.log), "the instance runs"
    app.look(LogSettings())
    assert not os.path.exists(names.log)
    assert timeindex.unpack_header(Path(names.index).read_bytes()) == 54


def test_flushing_one_stream_leaves_what_grows(make_app: Callable[[str], App]) -> None:
    """The files of the streams that are being written to are no old ones, also without a rotated
    file, and also when their instance had been scaled away."""
    app = make_app("web")
    names = stream_names(app.paths, 1, "err")
    Path(names.log).write_bytes(b"growing\n")
    Path(names.index).write_bytes(timeindex.pack_header(0))
    gone = app.rotated(7)
    app.look(FREE)
    assert len(app.retention.files_of((1, "err"))) == 1

    app.retention.stream_runs((1, "err"))
    app.retention.remove_all(OUT, [OUT, (1, "err")])

    assert not gone.exists()
    assert app.retention.files_of((1, "err")) == []


def test_a_nearly_full_disk_takes_the_oldest_of_all_apps(tmp_path: Path) -> None:
    """Until there is room, not one more; what happened is counted and named, in both apps."""
    home = tmp_path / "disk"
    home.mkdir()
    with small_disk(home):
        web, api = App(home, "web"), App(home, "api")
        files = [
            (web if n % 2 else api).rotated(n * 500_000, age_s=DAY_S * (9 - n), size=500_000)
            for n in range(7)
        ]
        web.look(FREE)
        api.look(FREE)
        assert web.retention.floor.problem is None
        filler = home / "other"
        filler.write_bytes(b"x" * (os.statvfs(home).f_bavail * os.statvfs(home).f_frsize - 8192))
        assert missing_bytes(str(home)) > 0

        web.look(FREE)

        assert missing_bytes(str(home)) <= 0
        assert [file.exists() for file in files] == [False] + [True] * 6
        assert "nearly full" in (web.retention.floor.problem or "")
        assert "api" in web.events[0][2]
        api.look(FREE)
        assert api.retention.dropped_bytes == {OUT: 500_000}
        web.look(FREE)
        assert web.retention.floor.problem is None


def test_logs_of_deleted_apps_go_when_they_are_old(make_app: Callable[[str], App]) -> None:
    """Nobody else looks after them; those of apps that exist are left to their keepers."""
    app, deleted, stopped = (make_app(name) for name in ("web", "gone", "stopped"))
    os.unlink(deleted.paths.state)
    old, new = deleted.rotated(0, age_s=31 * DAY_S), deleted.rotated(100, age_s=DAY_S)
    theirs = stopped.rotated(0, age_s=31 * DAY_S)

    app.retention.look_after_rest()

    assert (old.exists(), new.exists(), theirs.exists()) == (False, True, True)


def test_parts_without_a_log_are_removed(make_app: Callable[[str], App]) -> None:
    """A keeper was killed while it removed a file; indexes of the files that grow stay."""
    app = make_app("web")
    app.rotated(0).unlink()
    app.rotated(200)
    Path(app.paths.index(0, "out")).write_bytes(timeindex.pack_header(300))

    remove_stray_parts(app.paths, lambda _key: "")

    assert app.listed() == [
        "0.out.0000000000000200.idx", "0.out.0000000000000200.log", "0.out.idx",
    ]  # fmt: skip


@pytest.mark.parametrize(("streams", "limit"), [(2, 20 << 20), (20, 5 << 20), (2000, 64 << 10)])
def test_many_files_that_grow_share_what_the_app_may_take(streams: int, limit: int) -> None:
    """Together half of it, so that something rotated can be kept."""
    assert size_limit(LogSettings(), streams) == limit
    assert size_limit(LogSettings(max_size_bytes=0), streams) == 0
