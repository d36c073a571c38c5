"""Log files in a hostile world: full disks, truncation, removal, rotation."""

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent.wire import timeindex
from support.keeper import KeptApp, python
from support.waiting import wait_until

ECHO = (
    "import sys\nfor line in open(sys.argv[1]):\n    sys.stdout.write(line); sys.stdout.flush()\n"
)
"""Prints what is written into a named pipe, line by line."""


class Mouth:
    """A worker that prints what the test writes to it."""

    def __init__(self, app: KeptApp) -> None:
        path = app.home / "mouth"
        os.mkfifo(path)
        app.start(*python(ECHO, str(path)))
        self.pipe = path.open("wb", buffering=0)

    def say(self, text: bytes) -> None:
        self.pipe.write(text)


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


@pytest.fixture(name="mouth")
def _mouth(app: KeptApp) -> Iterator[Mouth]:
    mouth = Mouth(app)
    yield mouth
    mouth.pipe.close()


def end_of(app: KeptApp) -> dict[str, Any]:
    return next(row for row in app.snapshot()["logs"] if row["stream"] == "out")


def index_of(app: KeptApp) -> tuple[int, list[tuple[int, int]]]:
    raw = Path(app.paths.index(0, "out")).read_bytes()
    return timeindex.unpack_header(raw), timeindex.unpack_records(raw[timeindex.HEADER.size :])


def test_both_streams_are_kept_byte_for_byte(app: KeptApp) -> None:
    """Also what is no text, and each in its own file."""
    code = (
        "import os,time\n"
        "os.write(1, bytes(range(256))*1000); os.write(2, b'\\xff\\x00no newline')\n"
        "time.sleep(1000)"
    )
    app.start(*python(code))
    wait_until(lambda: len(app.log()) == 256_000 and app.log(stream="err"), what="it is written")
    assert app.log() == bytes(range(256)) * 1000
    assert app.log(stream="err") == b"\xff\x00no newline"


def test_the_index_dates_what_was_printed(app: KeptApp, mouth: Mouth) -> None:
    """Each line can be dated to within the grain, and times never decrease."""
    before = time.time_ns()
    mouth.say(b"first\n")
    wait_until(lambda: app.log() == b"first\n", what="the first line")
    between = time.time_ns() + timeindex.GRAIN_NS
    wait_until(lambda: time.time_ns() > between, what="the grain is over")
    mouth.say(b"second\n")
    wait_until(lambda: app.log() == b"first\nsecond\n", what="the second line")
    wait_until(lambda: len(index_of(app)[1]) == 2, what="both are dated")
    base, ((zero, first), (six, second)) = index_of(app)
    assert (base, zero, six) == (0, 0, 6)
    assert before <= first < between <= second <= time.time_ns()


def test_followers_get_how_far_a_stream_reaches(app: KeptApp, mouth: Mouth) -> None:
    """An event has the new end; the bytes are in the file by then."""
    wait_until(lambda: app.slot()["pid"], what="it runs")
    line = app.connect()
    line.request("hello", role="test", pid=1)
    mouth.say(b"hello\n")
    event = line.update("log_changed")["log"]
    while event["end"] < 6:
        event = line.update("log_changed")["log"]
    line.close()
    assert (event["instance"], event["stream"], event["begin"]) == (0, "out", 0)
    assert app.log() == b"hello\n"


def test_flush_empties_the_file_and_offsets_continue(app: KeptApp, mouth: Mouth) -> None:
    """What comes after has the offset that it would have had."""
    mouth.say(b"one\n")
    wait_until(lambda: app.log() == b"one\n", what="one")
    assert app.request("flush", by="me:1")["instances"] == [0]
    assert app.log() == b""
    mouth.say(b"two\n")
    wait_until(lambda: app.log() == b"two\n", what="two")
    wait_until(lambda: end_of(app)["end"] == 8, what="the new end is announced")
    assert end_of(app)["begin"] == 4
    wait_until(lambda: index_of(app)[1], what="it is dated")
    base, records = index_of(app)
    assert (base, records[0][0]) == (4, 4)


def test_truncation_from_outside_leaves_no_hole(app: KeptApp, mouth: Mouth) -> None:
    """`> file` in a shell: no zeros are written, offsets continue."""
    mouth.say(b"one\n")
    wait_until(lambda: app.log() == b"one\n", what="one")
    os.truncate(app.paths.log(0, "out"), 0)
    mouth.say(b"two\n")
    wait_until(lambda: app.log() == b"two\n", what="two")
    wait_until(
        lambda: (end_of(app)["begin"], end_of(app)["end"]) == (4, 8), what="offsets continue"
    )
    assert index_of(app)[0] == 4


@pytest.mark.parametrize("also", ["the file", "index too", "whole folder"])
def test_removal_from_outside_is_healed(app: KeptApp, mouth: Mouth, also: str) -> None:
    """What is printed next is in a new file at the old place."""
    mouth.say(b"one\n")
    wait_until(lambda: app.log() == b"one\n", what="one")
    Path(app.paths.log(0, "out")).unlink()
    if also != "the file":
        Path(app.paths.index(0, "out")).unlink()
    if also == "whole folder":
        for path in Path(app.paths.logs).iterdir():
            path.unlink()
        Path(app.paths.logs).rmdir()
    mouth.say(b"two\n")
    wait_until(lambda: app.log() == b"two\n", what="two")
    assert index_of(app)[0] == 4


def test_a_rotated_file_is_let_go(app: KeptApp, mouth: Mouth) -> None:
    """After `mv` a new file is begun, within about a second, and no line is in both or none."""
    mouth.say(b"one\n")
    wait_until(lambda: app.log() == b"one\n", what="one")
    log = Path(app.paths.log(0, "out"))
    moved = log.with_suffix(".1")
    log.rename(moved)

    def begun_again() -> bool:
        mouth.say(b"x\n")
        return log.exists() and log.stat().st_size > 0

    wait_until(begun_again, what="a new file is there")
    total = len(b"one\n")
    wait_until(lambda: end_of(app)["end"] == moved.stat().st_size + log.stat().st_size, what="sum")
    assert moved.read_bytes().startswith(b"one\n")
    assert (moved.read_bytes() + log.read_bytes())[total:].replace(b"x\n", b"") == b""


def test_a_full_disk_never_stops_the_worker(app: KeptApp) -> None:
    """What does not fit into the pipe is dropped, whole lines only, counted and recorded; with room
    again all else is written by itself; written and lost add up to what was printed."""
    code = (
        "import os,sys,time\n"
        "for i in range(20000): os.write(1, b'%099d\\n' % i)\n"
        "open(sys.argv[1],'w').close()\n"
        "while not os.path.exists(sys.argv[2]): time.sleep(0.01)\n"
        "while True: os.write(1, b'after\\n'); time.sleep(0.05)"
    )
    done, go = app.home / "done", app.home / "go"
    gate = (
        f"import os,time\nwhile not os.path.exists({str(app.home / 'begin')!r}): time.sleep(0.01)\n"
    )
    app.start(*python(gate + code, str(done), str(go)))
    wait_until(lambda: app.slot()["pid"], what="it runs")
    keeper = app.keeper_pid()
    _, hard = resource.prlimit(keeper, resource.RLIMIT_FSIZE)
    resource.prlimit(keeper, resource.RLIMIT_FSIZE, (100_000, hard))
    (app.home / "begin").touch()
    wait_until(done.exists, what="the worker printed all")
    wait_until(lambda: app.event_texts("log_lost"), what="the loss is recorded")
    assert "out: cannot write" in app.event_texts("log_lost")[0]
    problem = wait_until(lambda: app.snapshot()["app"]["problems"], what="it is shown")
    assert "its lines are dropped" in problem[0]
    resource.prlimit(keeper, resource.RLIMIT_FSIZE, (hard, hard))
    go.touch()
    wait_until(lambda: app.event_texts("log_resumed"), what="it recovered")
    wait_until(lambda: app.log().endswith(b"after\n"), what="new lines are written")
    kept = [line for line in app.log().split(b"\n")[:-1] if line != b"after"]
    numbers = [int(line) for line in kept]
    assert {len(line) for line in kept} == {99}
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 19_999
    assert 100 * len(numbers) + end_of(app)["lost_bytes"] == 2_000_000
    assert end_of(app)["lost_bytes"] > 0
    assert app.slot()["restarts"] == 0


def test_one_flooding_instance_starves_no_other(home: Path) -> None:
    """While one prints without end, another one's lines and the keeper's answers come."""
    app = KeptApp(home)
    code = (
        "import os,time\n"
        "if os.environ['MONIT_INSTANCE']=='0':\n"
        "    while True: os.write(1, b'flood '*1000)\n"
        "while True: os.write(1, b'calm\\n'); time.sleep(0.05)"
    )
    app.start(*python(code), instances=2)
    wait_until(lambda: len(app.log(1)) >= 50, what="the lines of the calm one are in its log")
    app.request("stop", instances=[0])
    app.wait_for("stopped", 0)
    app.request("flush")
    app.close()
