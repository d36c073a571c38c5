"""A stream whose lines go to the journal: what is sent, and that nothing is lost in silence."""

import array
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.keeper.logs import journal_output
from monit_agent.keeper.logs.dropped import DroppedBytes
from monit_agent.keeper.logs.journal_output import JournalOutput, journal_fields
from monit_agent.keeper.logs.pipe import LogPipe
from monit_agent.keeper.logs.priority import priority_of
from monit_agent.wire.logfiles import StreamNames


class Journal:
    """A socket that takes messages as journald does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memory_files = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def messages(self) -> list[dict[str, bytes]]:
        """Return the fields of each message that has come, also of those in memory files."""
        found: list[dict[str, bytes]] = []
        while True:
            try:
                data, extra, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return found
            for _, _, raw in extra:
                self.memory_files += 1
                (fd,) = array.array("i", raw)
                with open(fd, "rb") as file:
                    data = os.pread(file.fileno(), 1 << 24, 0)
                    with pytest.raises(PermissionError):
                        os.write(fd, b"sealed")
            lines = (line.partition(b"=") for line in data.removesuffix(b"\n").split(b"\n"))
            found.append({name.decode(): value for name, _, value in lines})

    def close(self) -> None:
        self.socket.close()
        self.path.unlink()


class Stream:
    """A pipe whose lines go to a journal at ``path``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal"
        names = StreamNames(str(folder / "logs/0.err.log"), str(folder / "logs/0.err.idx"))
        self.file = JournalOutput(names, 100, journal_fields("web", 0, "err"), str(self.path))
        self.pipe = LogPipe(str(folder / "fifo"), self.file, DroppedBytes(str(folder), 0, "err"))
        self.pipe.open(0.0)
        self.mono = 0.0

    def print(self, data: bytes) -> None:
        os.write(self.pipe.fd, data)
        self.move()

    def move(self) -> None:
        """Move all that can be moved now."""
        self.mono += 1.0
        while self.pipe.move_some(self.mono, 1):
            pass


@pytest.fixture(name="stream")
def _stream(tmp_path: Path) -> Iterator[Stream]:
    stream = Stream(tmp_path)
    yield stream
    stream.pipe.close()
    stream.pipe.dropped.forget()


@pytest.fixture(name="journal")
def _journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


def test_a_line_is_a_message_with_fields(journal: Journal, stream: Stream) -> None:
    """Whole lines only, with any bytes; the rest of a line waits for its end, or for that of its
    worker."""
    stream.print(b"one\n\xff=\x00\ntwo")
    one, odd = journal.messages()
    assert one == {
        "PRIORITY": b"3", "SYSLOG_IDENTIFIER": b"web", "MONIT_APP": b"web",
        "MONIT_INSTANCE": b"0", "MONIT_STREAM": b"err", "MESSAGE": b"one",
    }  # fmt: skip
    assert odd["MESSAGE"] == b"\xff=\x00"
    assert stream.file.end == 108
    stream.print(b" and a half")
    assert journal.messages() == []
    stream.pipe.finish_line(stream.mono)
    assert [each["MESSAGE"] for each in journal.messages()] == [b"two and a half"]
    assert stream.file.read_last(104, 100) == b"\xff=\x00\ntwo and a half\n"


def test_a_large_line_goes_in_a_memory_file(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sealed; one beyond a mebibyte is divided."""
    monkeypatch.setattr(journal_output, "_SEND_BYTES", 4096)
    stream = Stream(tmp_path)
    parts = [bytes([65 + number]) * 300_000 for number in range(4)]
    for part in parts:
        stream.print(part)
    stream.print(b"\n")
    first, second = journal.messages()
    whole = b"".join(parts)
    assert first["MESSAGE"] == whole[: 1 << 20]
    assert second["MESSAGE"] == whole[1 << 20 :]
    assert journal.memory_files == 2
    assert stream.pipe.problem is None
    stream.pipe.close()


def test_while_the_journal_is_away_lines_wait(tmp_path: Path, stream: Stream) -> None:
    """The reason is shown; everything is sent when it is there, and again after it was gone."""
    stream.print(b"early\n")
    assert stream.pipe.problem == "No such file or directory"
    journal = Journal(tmp_path / "journal")
    stream.move()
    journal.close()
    stream.print(b"late\n")
    assert stream.pipe.problem is not None
    again = Journal(tmp_path / "journal")
    stream.move()
    assert [each["MESSAGE"] for each in again.messages()] == [b"late"]
    assert stream.pipe.problem is None
    assert stream.pipe.dropped.count == 0
    again.close()


def test_what_finds_no_room_is_counted(tmp_path: Path, stream: Stream) -> None:
    """The oldest lines are dropped when the pipe is half full; those that are left arrive."""
    lines = [b"%06d %s\n" % (number, b"x" * 100) for number in range(8000)]
    for line in lines:
        stream.print(line)
    assert stream.pipe.dropped.count > 0
    journal = Journal(tmp_path / "journal")
    found: list[bytes] = []
    for _ in lines:
        stream.move()
        found += [each["MESSAGE"] + b"\n" for each in journal.messages()]
    assert found == lines[-len(found) :]
    assert stream.pipe.dropped.count == sum(map(len, lines)) - sum(map(len, found))
    journal.close()


def test_a_busy_journal_is_waited_for_and_a_stopped_one_is_not(
    journal: Journal, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue is full: no problem for some seconds, in which nothing is dropped."""
    lines = [b"%d\n" % number for number in range(2000)]
    stream.print(b"".join(lines))
    assert stream.file.is_busy
    assert stream.pipe.problem is None
    found: list[bytes] = []
    while len(found) < len(lines):
        found += [each["MESSAGE"] + b"\n" for each in journal.messages()]
        stream.move()
    assert found == lines
    assert not stream.file.is_busy
    monkeypatch.setattr(journal_output, "STALLED_S", 0.0)
    stream.print(b"".join(lines))
    assert stream.pipe.problem == "it accepts nothing"


@pytest.mark.parametrize(
    ("line", "priority"),
    [
        (b"<4>disk is slow", 4),
        (b"plain", 6),
        (b"2026-11-30 12:00:00,1 ERROR app: no", 3),
        (b"[WARN] slow", 4),
        (b'{"time": 1, "level": "warning", "msg": "x"}', 4),
        (b'{"level":50,"msg":"x"}', 3),
        (b"level=debug msg=x", 7),
        (b"0 errors found", 6),
    ],
)
def test_the_priority_is_that_of_the_level(line: bytes, priority: int) -> None:
    """By a prefix, a word in capitals or a field; else by the stream."""
    found, text = priority_of(line, is_err=False)
    assert found == priority
    assert text == (b"disk is slow" if line.startswith(b"<") else line)
    assert priority_of(b"Traceback", is_err=True)[0] == 3
