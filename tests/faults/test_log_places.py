"""Log files at places that a user chose."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.supervise.spec import LogSettings
from monit_agent.wire.logfiles import StreamNames
from monit_agent.wire.messages import LogPart, LogRange
from support.agent import client_of
from support.keeper import KeptApp, python
from support.kept_log import kept_bytes, rotated_paths
from support.waiting import wait_until

BOTH = "import os,time\nos.write(1, b'out\\n'); os.write(2, b'err\\n')\ntime.sleep(1000)"
MANY = (
    "import os,time\n"
    "for n in range(9000): os.write(1, b'%09d a line\\n' % n)\n"
    "os.write(2, b'done\\n')\ntime.sleep(1000)"
)


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def test_each_stream_of_each_instance_has_a_file_of_its_own(app: KeptApp, tmp_path: Path) -> None:
    """At the place that was named; further instances have their number before the extension."""
    log = LogSettings(out=str(tmp_path / "new" / "web.log"), err=str(tmp_path / "web.err"))
    app.start(*python(BOTH), instances=2, log=log)
    for name, text in (
        ("new/web.log", b"out\n"), ("new/web-1.log", b"out\n"),
        ("web.err", b"err\n"), ("web-1.err", b"err\n"),
    ):  # fmt: skip
        wait_until(lambda name=name, text=text: _content(tmp_path / name) == text, what=name)
    assert app.log() == b""


def test_one_file_for_both_streams(app: KeptApp, tmp_path: Path) -> None:
    """As with 2>&1: what was printed first stands first."""
    path = tmp_path / "all.log"
    app.start(*python(BOTH), log=LogSettings(out=str(path), err=str(path)))
    wait_until(lambda: _content(path) == b"out\nerr\n", what="both lines in order")


def test_a_chosen_file_is_rotated_and_read_by_offset(app: KeptApp, tmp_path: Path) -> None:
    """Beside it, with the rights that it had; another file there is left alone."""
    path, other = tmp_path / "web.log", tmp_path / "web-1.0000000000000000.log"
    other.write_bytes(b"of another app\n")
    path.touch()
    path.chmod(0o640)
    log = LogSettings(max_size_bytes=64 * 1024, max_files=1, out=str(path))
    app.start(*python(MANY), log=log)
    wait_until(lambda: app.log(stream="err"), what="all is printed")
    names = StreamNames(str(path), app.paths.index(0, "out"))
    printed = b"".join(b"%09d a line\n" % n for n in range(9000))
    wait_until(lambda: kept_bytes(names)[-64:] == printed[-64:], what="all is written")

    assert printed.endswith(kept_bytes(names))
    (rotated,) = rotated_paths(names)
    assert rotated.parent == tmp_path
    assert stat.S_IMODE(rotated.stat().st_mode) == stat.S_IMODE(path.stat().st_mode) == 0o640
    assert other.read_bytes() == b"of another app\n"
    with client_of(app.paths) as client:
        wait_until(lambda: client.try_snapshot() is not None, what="an agent")
        base = int(rotated.name.split(".")[1])
        part = client.request(LogRange(instance=0, stream="out", start=0, max_bytes=100))
        assert isinstance(part, LogPart)
        assert (part.offset, part.data) == (base, printed[base : base + 100])


def test_two_apps_do_not_write_to_one_file(app: KeptApp, home: Path, tmp_path: Path) -> None:
    """The second one says so, and what it prints is counted as lost."""
    log = LogSettings(out=str(tmp_path / "web.log"))
    app.start(*python(BOTH), log=log)
    wait_until(lambda: _content(tmp_path / "web.log") == b"out\n", what="the first one prints")
    second = KeptApp(home, "web-1")
    second.start(*python(BOTH), log=log)
    wait_until(
        lambda: any("another app keeps its log" in text for text in second.event_texts("log_lost")),
        what="the second one says why it cannot write",
    )
    assert _content(tmp_path / "web.log") == b"out\n"
    second.close()


def test_what_goes_nowhere_takes_no_room(app: KeptApp) -> None:
    """The worker prints as much as it wants, nothing is kept, and nothing counts as lost."""
    app.start(*python(MANY), log=LogSettings(out="none"))
    wait_until(lambda: app.log(stream="err"), what="all is printed")
    wait_until(lambda: app.snapshot()["logs"][1]["end"] >= 9000 * 17, what="all was read")
    out = next(row for row in app.snapshot()["logs"] if row["stream"] == "out")
    assert (out["begin"], out["lost_bytes"]) == (out["end"], 0)
    assert not [name for name in os.listdir(app.paths.logs) if name.startswith("0.out")]
