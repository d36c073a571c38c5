"""What the keeper reads and writes: state, index, ids, /proc."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monit_agent.keep import ids, procfs, statefile
from monit_agent.keep.logfile import LogFile
from monit_agent.keep.logpipe import LogPipe
from monit_agent.supervise.appstate import App, Rolling
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import (
    After,
    Beside,
    Exit,
    Now,
    Role,
    Slot,
    Status,
    Wanted,
    Worker,
)
from monit_agent.wire import timeindex

SPEC = AppSpec("web", "w.py", ("python", "w.py"), "/", "me")
SLOT = Slot(
    3,
    17,
    status=Status.STOPPING,
    wanted=Wanted.RUNNING,
    worker=Worker(4, 5, Now(1.5, 2.5), adopted=True),
    after=After.AGAIN,
    wake_at=3.5,
    restarts=7,
    unstable_at=(1.0, 2.0),
    restart_times=(9.0,),
    exits=(Exit(None, 9, 8.0, 0.5, asked=False),),
    reason="why",
)


def test_the_state_comes_back_whole(tmp_path: Path) -> None:
    """Every field of a slot, the reload, the spec."""
    broken = ((0, "exit code 1"),)
    roll = Rolling((4,), (3, 5), (1,), "no", 2, broken, cancelled=True)
    app = App(slots=(SLOT, Slot(4, 18)), roll=roll)
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
    plain["roll"] = {"waiting": [4], "current": old, "done": [1], "failed": None}
    path.write_text(json.dumps(plain))
    assert statefile.load(str(path)).app.roll == Rolling((4,), current, (1,))


def test_a_worker_that_was_being_forked_counts_as_one_that_failed(tmp_path: Path) -> None:
    """Its keeper died at that moment: the reload must not take the old worker for the new one."""
    slot = SLOT._replace(status=Status.ONLINE, beside=Beside(None, Role.HEIR))
    path = str(tmp_path / "state.json")
    statefile.write(path, statefile.Saved(SPEC, App(slots=(slot,)), "boot", left=False))
    (read,) = statefile.load(path).app.slots
    assert read.beside is None
    assert "keeper died" in (read.kept or "")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "slots": [3]}']
)
def test_a_broken_state_is_told(tmp_path: Path, text: str) -> None:
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
        "from monit_agent.keep import ids\n"
        "for _ in range(50): print(*ids.take(sys.argv[2], 2))"
    )
    command = [sys.executable, "-c", code, str(Path(ids.__file__).parents[2]), path]
    askers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = [int(number) for asker in askers for number in asker.communicate()[0].split()]
    assert sorted(taken) == list(range(300))
    assert ids.take(path, 0) == ()


def test_a_name_with_parentheses_does_not_confuse_proc(tmp_path: Path) -> None:
    """The kernel writes any name into `stat` as it is."""
    name = tmp_path / "a) R 1 (b"
    name.symlink_to("/bin/sleep")
    pid = os.posix_spawn(name, [str(name), "1000"], {})
    try:
        known = procfs.stat(pid)
        assert known is not None
        assert known.parent == os.getpid()
        assert known.session == os.getsid(0)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert procfs.stat(pid) is None


class Stream:
    """A pipe, its file and its index."""

    def __init__(self, folder: Path) -> None:
        self.log, self.index = folder / "logs" / "0.out.log", folder / "logs" / "0.out.idx"
        self.file = LogFile(str(self.log), str(self.index))
        self.pipe = LogPipe(str(folder / "fifo"), self.file)
        self.pipe.open(0.0)
        self.ns = 1_000_000_000

    def print(self, data: bytes) -> None:
        os.write(self.pipe.fd, data)
        self.ns += timeindex.GRAIN_NS
        self.pipe.pump(0.0, self.ns)

    def records(self) -> list[tuple[int, int]]:
        return timeindex.unpack_records(self.index.read_bytes()[timeindex.HEADER.size :])


def test_the_next_keeper_goes_on_where_the_file_ends(tmp_path: Path) -> None:
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
    while stream.pipe.pump(0.0, stream.ns):
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


def test_a_full_log_counts_and_recovers_by_itself(tmp_path: Path) -> None:
    """What is read while it cannot be written is lost and counted; the next try works."""
    stream = Stream(tmp_path)
    stream.print(b"one\n")
    stream.log.unlink()
    stream.log.mkdir()
    stream.print(b"two\n")
    assert stream.pipe.trouble is not None
    assert stream.pipe.lost_bytes == 4
    stream.log.rmdir()
    os.write(stream.pipe.fd, b"three\n")
    stream.pipe.pump(stream.pipe.retry_at, stream.ns)
    assert stream.pipe.trouble is None
    assert stream.log.read_bytes() == b"three\n"
    assert (stream.file.base, stream.file.end) == (4, 10)
    stream.pipe.close()


def test_the_records_of_state_are_json(tmp_path: Path) -> None:
    """Readable by a person and by any tool."""
    path = tmp_path / "state.json"
    statefile.write(str(path), statefile.Saved(SPEC, App(slots=(SLOT,)), "boot", left=False))
    assert json.loads(path.read_text())["slots"][0]["status"] == "stopping"
