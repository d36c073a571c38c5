"""Crash reports on disk: whole or not there, and never too many."""

import os
from pathlib import Path

import pytest

from monit_agent.agent.crashes.store import CrashStore, encode_report
from monit_agent.wire.limits import CRASH_BYTES, CRASHES, CRASHES_APP
from monit_agent.wire.messages import CrashLine, CrashReport, Exit


def report(instance: int, at: float, **fields: object) -> CrashReport:
    return CrashReport(instance=instance, exit=Exit(code=1, at=at, ran_s=2.0), **fields)  # type: ignore[arg-type]


def test_what_is_kept_is_bounded_and_the_newest(tmp_path: Path) -> None:
    """Of each instance the newest stay, and of the whole app a limited number."""
    store = CrashStore(str(tmp_path / "crashes"))
    for at in range(CRASHES + 5):
        store.add(report(0, 1000.5 + at))
    assert [each.exit.at for each in store.read(0, 99)] == [
        1000.5 + at for at in reversed(range(5, CRASHES + 5))
    ]
    for instance in range(1, CRASHES_APP + 20):
        store.add(report(instance, 5000.0 + instance))
    assert len(os.listdir(tmp_path / "crashes")) == CRASHES_APP
    assert store.read(None, 1)[0].instance == CRASHES_APP + 19
    assert store.newest()[CRASHES_APP + 19] == (5000 + CRASHES_APP + 19) * 1000


def test_a_report_is_cut_to_its_size() -> None:
    """Long lines do not make a report grow: the oldest are left out."""
    lines = tuple(CrashLine("err", at, 1, "x" * 9000) for at in range(50))
    raw = encode_report(report(0, 1.0, lines=lines, reason="why"))
    assert len(raw) <= CRASH_BYTES
    assert b'"why"' in raw
    assert b'["err",49,' in raw
    figures = {str(at): (0.123456789,) * 60 for at in range(500)}
    assert len(encode_report(report(0, 1.0, figures=figures))) <= CRASH_BYTES


def test_what_cannot_be_written_is_kept_and_written_later(tmp_path: Path) -> None:
    """While there is no room, reports are in memory; then they are on disk."""
    folder = tmp_path / "crashes"
    folder.write_text("in the way")
    store = CrashStore(str(folder))
    for at in range(20):
        store.add(report(0, 100.0 + at))
    assert [each.exit.at for each in store.read(0, 3)] == [119.0, 118.0, 117.0]
    folder.unlink()
    store.write_waiting()
    assert len(CrashStore(str(folder)).read(0, 99)) == 10


@pytest.mark.parametrize("content", [b"", b"{", b'{"instance":0}', b"\xff", b"[]"])
def test_a_file_that_is_no_report_is_left_out(tmp_path: Path, content: bytes) -> None:
    """Whatever is in the folder, the other reports are read."""
    store = CrashStore(str(tmp_path))
    store.add(report(0, 10.0))
    (tmp_path / "0.000000000020000.json").write_bytes(content)
    (tmp_path / "notes.json").write_bytes(content)
    (tmp_path / "0.000000000030000.json.tmp").write_bytes(content)
    assert [each.exit.at for each in store.read(None, 9)] == [10.0]
