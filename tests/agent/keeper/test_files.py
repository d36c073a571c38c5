"""What the keeper reads and writes: state, index, ids, /proc."""

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.keeper.logs.dropped import DroppedBytes, forget_dropped
from monit_agent.keeper.logs.file import LogFile
from monit_agent.keeper.logs.pipe import LogPipe
from monit_agent.keeper.state import ids, statefile
from monit_agent.supervise.appstate import App, Rollout
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import (
    AfterStop,
    DesiredState,
    Exit,
    Now,
    Replacement,
    Role,
    Slot,
    Status,
    Worker,
)
from monit_agent.system import procfs
from monit_agent.wire import timeindex
from monit_agent.wire.logfiles import StreamNames

SPEC = AppSpec("web", "w.py", ("python", "w.py"), "/", "me")
SLOT = Slot(
    3,
    17,
    status=Status.STOPPING,
    desired=DesiredState.RUNNING,
    worker=Worker(4, 5, Now(1.5, 2.5), adopted=True),
    after_stop=AfterStop.START_AGAIN,
    deadline=3.5,
    restarts=7,
    failed_start_times=(1.0, 2.0),
    restart_times=(9.0,),
    exits=(Exit(None, 9, 8.0, 0.5, requested=False),),
    reason="why",
)


def test_the_state_comes_back_whole(tmp_path: Path) -> None:
    """Every field of a slot, the reload, the spec."""
    broken = ((0, "exit code 1"),)
    rollout = Rollout((4,), (3, 5), (1,), "no", 2, broken, True, (3,))
    app = App(slots=(SLOT, Slot(4, 18)), rollout=rollout)
    saved = statefile.Saved(SPEC, app, "boot", left=False)
    path = str(tmp_path / "state.json")
    statefile.write(path, saved)
    assert statefile.load(path) == saved
    assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.parametrize(("old", "current"), [(3, (3,)), (None, ())])
def test_a_reload_of_an_older_version_is_understood(
    tmp_path: Path, old: int | None, current: tuple[int, ...]
) -> None:
    """There it had one instance at a time, or none, and fewer fields."""
    path = tmp_path / "state.json"
    statefile.write(str(path), statefile.Saved(SPEC, App(slots=(SLOT,)), "boot", left=False))
    plain = json.loads(path.read_text())
    plain["rollout"] = {"waiting": [4], "current": old, "done": [1], "failed": None}
    path.write_text(json.dumps(plain))
    assert statefile.load(str(path)).app.rollout == Rollout((4,), current, (1,))


def test_a_worker_that_was_being_forked_counts_as_one_that_failed(tmp_path: Path) -> None:
    """Its keeper was killed then: the reload must not take the old worker for the new one."""
    slot = SLOT._replace(status=Status.ONLINE, replacement=Replacement(None, Role.INCOMING))
    path = str(tmp_path / "state.json")
    statefile.write(path, statefile.Saved(SPEC, App(slots=(slot,)), "boot", left=False))
    (read,) = statefile.load(path).app.slots
    assert read.replacement is None
    assert "keeper was killed" in (read.replace_failure or "")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "slots": [3]}']
)
def test_a_broken_state_is_an_error(tmp_path: Path, text: str) -> None:
    """Never taken for an empty one."""
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(statefile.BadStateError):
        statefile.load(str(path))


def test_a_write_that_fails_leaves_the_old_state(tmp_path: Path) -> None:
    """Whatever happens there is a whole file."""
    path = tmp_path / "state.json"
    statefile.write(str(path), statefile.Saved(SPEC, App(), "boot", left=False))
    before = path.read_bytes()
    (tmp_path / "state.json.tmp").mkdir()
    with pytest.raises(OSError, match="directory"):
        statefile.write(str(path), statefile.Saved(SPEC, App(), "other", left=True))
    assert path.read_bytes() == before


def test_ids_are_unique_also_when_many_ask_at_once(tmp_path: Path) -> None:
    """Keepers of different apps share one file."""
    path = str(tmp_path / "next_id")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from monit_agent.keeper.state import ids\n"
        "for _ in range(50): print(*ids.allocate(sys.argv[2], 2))"
    )
    command = [sys.executable, "-c", code, str(Path(ids.__file__).parents[3]), path]
    askers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = [int(number) for asker in askers for number in asker.communicate()[0].split()]
    assert sorted(taken) == list(range(300))
    assert ids.allocate(path, 0) == ()


def test_a_name_with_parentheses_does_not_confuse_proc(tmp_path: Path) -> None:
    """The kernel writes any name into `stat` as it is."""
    name = tmp_path / "a) R 1 (b"
    name.symlink_to("/bin/sleep")
    pid = os.posix_spawn(name, [str(name), "1000"], {})
    try:
        known = procfs.process_stat(pid)
        assert known is not None
        assert known.parent == os.getpid()
        assert known.session == os.getsid(0)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert procfs.process_stat(pid) is None


class Stream:
    """A pipe, its file and its index."""

    def __init__(self, folder: Path) -> None:
        self.log, self.index = folder / "logs" / "0.out.log", folder / "logs" / "0.out.idx"
        self.names = StreamNames(str(self.log), str(self.index))
        self.file = LogFile(self.names)
        self.pipe = LogPipe(str(folder / "fifo"), self.file, DroppedBytes(str(folder), 0, "out"))
        self.pipe.open(0.0)
        self.ns = 1_000_000_000

    def print(self, data: bytes) -> None:
        os.write(self.pipe.fd, data)
        self.ns += timeindex.GRAIN_NS
        self.pipe.move_some(0.0, self.ns)

    def records(self) -> list[tuple[int, int]]:
        return timeindex.unpack_records(self.index.read_bytes()[timeindex.HEADER.size :])


def test_the_next_keeper_continues_where_the_file_ends(tmp_path: Path) -> None:
    """Position, base and dates; a torn record of a sudden death is cut off."""
    first = Stream(tmp_path)
    first.print(b"one\n")
    first.file.flush()
    first.print(b"two\n")
    first.pipe.close()
    with first.index.open("ab") as file:
        file.write(b"torn")
    second = Stream(tmp_path)
    assert (second.file.base, second.file.end) == (4, 8)
    second.ns = first.ns
    second.print(b"three\n")
    second.pipe.close()
    assert second.log.read_bytes() == b"two\nthree\n"
    assert [offset for offset, _ in second.records()] == [4, 8]


def test_dates_of_bytes_that_never_reached_the_disk_are_dropped(tmp_path: Path) -> None:
    """After a power cut the file may be shorter than its index believes."""
    first = Stream(tmp_path)
    for _ in range(3):
        first.print(b"line\n")
    first.pipe.close()
    os.truncate(first.log, 6)
    second = Stream(tmp_path)
    assert second.file.end == 6
    assert [offset for offset, _ in second.records()] == [0, 5]
    second.pipe.close()


def test_a_clock_that_goes_back_does_not_make_dates_decrease(tmp_path: Path) -> None:
    """A search by time would be lost in them."""
    stream = Stream(tmp_path)
    stream.print(b"one\n")
    stream.ns -= 3_600_000_000_000
    stream.print(b"two\n")
    stream.ns += 7_200_000_000_000
    stream.print(b"three\n")
    times = [at for _, at in stream.records()]
    assert times == sorted(times)
    stream.pipe.close()


def test_a_file_without_an_index_gets_one(tmp_path: Path) -> None:
    """Somebody removed it while no keeper ran: the bytes are kept."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "0.out.log").write_bytes(b"old\n")
    stream = Stream(tmp_path)
    stream.print(b"new\n")
    stream.pipe.close()
    assert stream.log.read_bytes() == b"old\nnew\n"
    assert timeindex.unpack_header(stream.index.read_bytes()) == 0


def test_where_splice_does_not_work_bytes_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on other systems than Linux; all arrive, in order."""
    monkeypatch.delattr(os, "splice")
    stream = Stream(tmp_path)
    for n in range(100):
        stream.print(b"%05d " % n * 1000)
    while stream.pipe.move_some(0.0, stream.ns):
        pass
    stream.pipe.close()
    assert stream.log.read_bytes() == b"".join(b"%05d " % n * 1000 for n in range(100))


def test_what_is_not_a_pipe_is_replaced_by_one(tmp_path: Path) -> None:
    """A file in the place of the named pipe does not keep a worker from printing."""
    (tmp_path / "fifo").write_text("in the way")
    stream = Stream(tmp_path)
    stream.print(b"hello\n")
    stream.pipe.close()
    assert stream.log.read_bytes() == b"hello\n"


LINE = b"line %06d of a flood\n"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    forget_dropped(str(tmp_path))


@contextlib.contextmanager
def _files_end_at(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def _flood(stream: Stream, first: int, count: int) -> int:
    """Print numbered lines, and move what can be moved; return the number of the next line."""
    os.write(stream.pipe.fd, b"".join(LINE % n for n in range(first, first + count)))
    while stream.pipe.move_some(0.0, stream.ns):
        pass
    return first + count


def test_what_cannot_be_written_waits_in_the_pipe(folder: Path) -> None:
    """Nothing is lost while a log cannot be written and the pipe has room."""
    stream = Stream(folder)
    with _files_end_at(1000):
        printed = _flood(stream, 0, 1000)
    assert stream.pipe.problem is not None
    while stream.pipe.move_some(stream.pipe.retry_at, stream.ns):
        pass
    assert stream.pipe.problem is None
    assert stream.log.read_bytes() == b"".join(LINE % n for n in range(printed))
    assert stream.pipe.dropped.count == 0
    stream.pipe.close()


def test_a_line_that_a_full_disk_cut_is_completed_although_its_worker_exited(folder: Path) -> None:
    """What the next worker prints is separated from the last line, whose rest is in the pipe."""
    stream = Stream(folder)
    with _files_end_at(1000):
        printed = _flood(stream, 0, 100)
        stream.pipe.finish_line(0.0)  # the next worker starts
    printed = _flood(stream, printed, 10)
    while stream.pipe.move_some(stream.pipe.retry_at, stream.ns):
        pass
    assert stream.log.read_bytes() == b"".join(LINE % n for n in range(printed))
    stream.pipe.close()


@pytest.mark.parametrize("keeper", ["the same keeper", "the next keeper"])
def test_whole_lines_are_dropped_and_counted(folder: Path, keeper: str) -> None:
    """When the pipe is half full, the oldest lines go; the line in whose middle the file ended is
    completed, no two lines become one, and written and dropped add up to what was printed."""
    first = stream = Stream(folder)
    with _files_end_at(1000):
        printed = 0
        while not stream.pipe.drops:
            printed = _flood(stream, printed, 1000)
        printed = _flood(stream, printed, 10)
    if keeper == "the next keeper":
        stream = Stream(folder)  # the first one was killed: it closes nothing
    printed = _flood(stream, printed, 10)
    while stream.pipe.move_some(stream.pipe.retry_at, stream.ns):
        pass
    numbers = [int(line.split()[1]) for line in stream.log.read_bytes().splitlines()]
    lines = b"".join(LINE % n for n in numbers)
    assert stream.log.read_bytes() == lines
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == printed - 1
    assert len(lines) + stream.pipe.dropped.count == printed * len(LINE % 0)
    assert stream.pipe.dropped.count > 0
    stream.pipe.close()
    if stream is not first:
        os.close(first.pipe.fd)


def test_a_line_that_never_ends_is_not_dropped_for_ever(folder: Path) -> None:
    """After the rest of a dropped line was awaited for long enough, what follows is written."""
    stream = Stream(folder)
    with _files_end_at(0):
        while not stream.pipe.drops:
            os.write(stream.pipe.fd, b"." * 65536)
            stream.pipe.move_some(0.0, stream.ns)
    for _ in range(4):
        os.write(stream.pipe.fd, b"+" * 65536)
        while stream.pipe.move_some(stream.pipe.retry_at, stream.ns):
            pass
    assert stream.log.read_bytes().endswith(b"+" * 65536)
    stream.pipe.close()


def test_the_records_of_state_are_json(tmp_path: Path) -> None:
    """Readable by a person and by any tool."""
    path = tmp_path / "state.json"
    statefile.write(str(path), statefile.Saved(SPEC, App(slots=(SLOT,)), "boot", left=False))
    assert json.loads(path.read_text())["slots"][0]["status"] == "stopping"


def test_what_another_version_saved_comes_back_as_it_was(tmp_path: Path) -> None:
    """Unknown keys at every level, and longer records, are kept and written back."""
    path = tmp_path / "state.json"
    statefile.write(str(path), statefile.Saved(SPEC, App(slots=(SLOT,)), "boot", left=False))
    plain = json.loads(path.read_text())
    plain["new"] = {"deep": [1]}
    plain["spec"]["new"] = [1, {"two": None}]
    plain["spec"]["policy"]["new"] = "policy"
    plain["spec"]["checks"]["new"] = True
    plain["slots"][0]["new"] = 5
    plain["slots"][0]["worker"].append("more")
    path.write_text(json.dumps(plain))
    statefile.write(str(path), statefile.load(str(path)))
    plain["slots"][0]["worker"].pop()
    assert json.loads(path.read_text()) == plain


def test_the_state_of_a_newer_schema_is_named_with_its_version(tmp_path: Path) -> None:
    """Who reads it knows what to install."""
    path = tmp_path / "state.json"
    path.write_text('{"schema": 99, "written_by": "12.3.4"}')
    with pytest.raises(statefile.NewerStateError, match=r"schema 99.*monit 12\.3\.4"):
        statefile.load(str(path))
