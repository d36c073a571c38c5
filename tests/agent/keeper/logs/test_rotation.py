"""Rotation of one stream: at ends of lines, and killed at each of its steps."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monit_agent.keeper.logs import file as files
from monit_agent.keeper.logs.dropped import DroppedBytes
from monit_agent.keeper.logs.file import LogFile
from monit_agent.keeper.logs.pipe import LogPipe
from monit_agent.wire import timeindex
from monit_agent.wire.logfiles import StreamNames
from support.kept_log import kept_bytes, rotated_paths

STEP_NS = timeindex.GRAIN_NS
KILLED = 99


class Stream:
    """A pipe whose file is rotated at ``limit`` bytes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.names = StreamNames(str(folder / "logs/0.out.log"), str(folder / "logs/0.out.idx"))
        self.file = LogFile(self.names)
        self.file.limit = limit
        self.pipe = LogPipe(str(folder / "fifo"), self.file, DroppedBytes(str(folder), 0, "out"))
        self.pipe.open(0.0)
        self.ns = STEP_NS

    def print(self, data: bytes) -> None:
        os.write(self.pipe.fd, data)
        self.move()

    def move(self) -> None:
        self.ns += STEP_NS
        while self.pipe.move_some(0.0, self.ns):
            pass


@pytest.fixture(name="stream")
def _stream(tmp_path: Path) -> Iterator[Stream]:
    stream = Stream(tmp_path, 100)
    yield stream
    stream.pipe.close()


def test_files_end_with_a_line_and_are_named_by_their_offset(stream: Stream) -> None:
    """Whatever the sizes of lines and writes: no line is divided, and names add up."""
    printed = b"".join(b"%d %s\n" % (n, b"x" * (n * 7 % 60)) for n in range(200))
    for first in range(0, len(printed), 37):
        stream.print(printed[first : first + 37])

    assert kept_bytes(stream.names) == printed
    rotated = rotated_paths(stream.names)
    assert len(rotated) > 20
    at = 0
    for path in rotated:
        assert path.name == f"0.out.{at:016d}.log"
        data = path.read_bytes()
        assert data.endswith(b"\n")
        assert 100 <= len(data) < 170
        at += len(data)
    assert (stream.file.base, stream.file.end) == (at, len(printed))


def test_each_file_has_an_index_of_its_own_bytes(stream: Stream) -> None:
    """From the first byte on, with offsets within the file."""
    for n in range(40):
        stream.print(b"line %04d\n" % n)
    stream.print(b"last\n")

    for path in rotated_paths(stream.names):
        base = int(path.name.split(".")[2])
        raw = Path(stream.names.rotated_index(base)).read_bytes()
        records = timeindex.unpack_records(raw[timeindex.HEADER.size :])
        assert timeindex.unpack_header(raw) == records[0][0] == base
        assert all(base <= offset < base + path.stat().st_size for offset, _ in records)


def test_a_line_without_end_is_divided(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a program that prints no newline cannot fill the disk."""
    monkeypatch.setattr(files, "LINE_BYTES", 1000)
    for _ in range(50):
        stream.print(b"x" * 100)

    assert kept_bytes(stream.names) == b"x" * 5000
    assert [path.stat().st_size for path in rotated_paths(stream.names)] == [1100] * 4


def test_a_disk_without_room_for_a_name_lets_the_file_grow(stream: Stream) -> None:
    """The next file cannot be made: no byte is lost, and it is rotated when it can be."""
    blocked = Path(stream.names.log + ".tmp")
    blocked.mkdir()
    for n in range(40):
        stream.print(b"line %04d\n" % n)

    assert Path(stream.names.log).read_bytes() == b"".join(b"line %04d\n" % n for n in range(40))
    assert stream.file.rotation_problem is not None
    assert stream.pipe.dropped.count == 0
    blocked.rmdir()
    stream.ns += files.ROTATION_RETRY_NS
    stream.print(b"more\n")
    assert stream.file.rotation_problem is None
    assert Path(stream.names.log).read_bytes() == b"more\n"


def test_truncation_by_another_program_is_counted(stream: Stream) -> None:
    """What it left keeps its offsets; what follows has those that it would have had."""
    stream.print(b"one\ntwo\n")
    os.truncate(stream.names.log, 4)
    stream.print(b"three\n")

    assert stream.file.removed_bytes == 4
    assert Path(stream.names.rotated(0)).read_bytes() == b"one\n"
    assert Path(stream.names.log).read_bytes() == b"three\n"
    assert (stream.file.base, stream.file.end) == (8, 14)


def _in_child_killed_at(step: int, action: Callable[[], Any]) -> bool:
    """Run ``action`` in a forked process that exits at its ``step``-th change of the disk, as if
    killed; return whether it came that far."""
    pid = os.fork()
    if pid == 0:
        left = count(step, -1)

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                if next(left) == 0:
                    os._exit(KILLED)
                return call(*args, **kwargs)

            return wrapped

        for name in ("open", "rename", "pwrite", "unlink", "ftruncate", "splice"):
            setattr(os, name, dying(getattr(os, name)))
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED)
    return code == KILLED


def test_a_kill_at_any_step_of_a_rotation_loses_nothing(tmp_path: Path) -> None:
    """The next keeper continues with the same offsets, each line is there once, in order."""
    stream = Stream(tmp_path, 100)
    printed = b""
    for step in count():
        lines = b"".join(b"%04d %d\n" % (step, n) for n in range(30))
        printed += lines
        os.write(stream.pipe.fd, lines)
        killed = _in_child_killed_at(step, stream.move)

        following = Stream(tmp_path, 100)
        stream.pipe.close()
        stream = following
        stream.move()
        assert kept_bytes(stream.names) == printed, f"killed at step {step}"
        assert stream.file.end == len(printed)
        for path in rotated_paths(stream.names):
            base = int(path.name.split(".")[2])
            index = Path(stream.names.rotated_index(base)).read_bytes()
            assert timeindex.unpack_header(index) == base
        if not killed:
            assert step > 20
            break
    stream.pipe.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 40)), max_size=8))
def test_any_bytes_survive_kills_at_any_steps(
    tmp_path_factory: pytest.TempPathFactory, schedule: list[tuple[bytes, int]]
) -> None:
    """Whatever is printed, and wherever the keepers are killed, the files hold it in order."""
    folder = tmp_path_factory.mktemp("stream")
    stream, printed = Stream(folder, 64), b""
    for data, step in schedule:
        printed += data
        os.write(stream.pipe.fd, data)
        _in_child_killed_at(step, stream.move)
        following = Stream(folder, 64)
        stream.pipe.close()
        stream = following
    stream.move()
    assert kept_bytes(stream.names) == printed
    assert stream.file.end == len(printed)
    stream.pipe.close()
