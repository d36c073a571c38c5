"""Seconds on disk: whatever is cut off or damaged, what came before is read."""

import errno
import math
import os
import resource
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.history import segments
from monit_agent.agent.history.second import Name, Second
from monit_agent.agent.history.segments import (
    SegmentReader,
    SegmentWriter,
    find_segments,
    remove_old_segments,
)

CPU, RSS = Name("cpu_percent"), Name("rss_bytes")
SALES = Name("sales", own=True, kind="counter", unit="loaves")


def _read(folder: Path, instance: int = 0) -> list[tuple[float, dict[str, float]]]:
    """Return time and known values of each second in all segments."""
    found: list[tuple[float, dict[str, float]]] = []
    for segment in find_segments(str(folder)):
        for rows in SegmentReader(segment.path).rows(instance, 0.0, 1e12):
            for place, at in enumerate(rows.at):
                values = {name.name: column[place] for name, column in rows.columns.items()}
                known = {name: value for name, value in values.items() if not math.isnan(value)}
                found.append((at, known))
    return found


def _write(writer: SegmentWriter, at: float, **values: float) -> None:
    names = {"cpu": CPU, "rss": RSS, "sales": SALES}
    second = Second(tuple(names[each] for each in values), tuple(values.values()))
    writer.append(at, {0: second})


SECONDS = st.lists(
    st.dictionaries(
        st.integers(0, 3),
        st.dictionaries(
            st.sampled_from([CPU, RSS, SALES, *(Name(f"own{n}", own=True) for n in range(9))]),
            st.integers(0, 2**20).map(float),
            min_size=1,
        ),
    ),
    max_size=30,
)


@given(SECONDS)
def test_what_was_written_comes_back(tmp_path_factory: pytest.TempPathFactory, seconds) -> None:
    """Every known value of every instance is read again, and nothing else."""
    folder = tmp_path_factory.mktemp("history")
    writer = SegmentWriter(str(folder))
    for at, by_instance in enumerate(seconds):
        rows = {
            instance: Second(tuple(values), tuple(values.values()))
            for instance, values in by_instance.items()
        }
        writer.append(float(at), rows)
    writer.close()

    for instance in range(4):
        expected = [
            (float(at), {name.name: value for name, value in by_instance[instance].items()})
            for at, by_instance in enumerate(seconds)
            if instance in by_instance
        ]
        assert _read(folder, instance) == expected


def test_a_torn_end_costs_its_own_second_only(tmp_path: Path) -> None:
    """A segment that was cut at any byte gives each second that was written whole."""
    writer = SegmentWriter(str(tmp_path))
    ends = []
    for at in range(4):
        _write(writer, float(at), cpu=float(at))
        (segment,) = find_segments(str(tmp_path))
        ends.append(os.path.getsize(segment.path))
    raw = Path(segment.path).read_bytes()

    for size in range(len(raw) + 1):
        Path(segment.path).write_bytes(raw[:size])
        whole = sum(end <= size for end in ends)
        assert _read(tmp_path) == [(float(at), {"cpu_percent": float(at)}) for at in range(whole)]


def test_a_damaged_record_ends_the_segment(tmp_path: Path) -> None:
    """What was changed on disk is not taken for a number."""
    writer = SegmentWriter(str(tmp_path))
    for at in range(3):
        _write(writer, float(at), cpu=1.0)
    (segment,) = find_segments(str(tmp_path))
    raw = bytearray(Path(segment.path).read_bytes())
    raw[-1] ^= 1
    Path(segment.path).write_bytes(raw)

    assert [at for at, _ in _read(tmp_path)] == [0.0, 1.0]


def test_a_record_of_an_unknown_kind_is_skipped(tmp_path: Path) -> None:
    """A newer monit may write more: what this one knows is read all the same."""
    writer = SegmentWriter(str(tmp_path))
    _write(writer, 0.0, cpu=1.0)
    (segment,) = find_segments(str(tmp_path))
    body = b"\xff of a newer version"
    with open(segment.path, "ab") as file:
        file.write(len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body)
    writer.close()
    raw = Path(segment.path).read_bytes()
    _write(writer, 1.0, cpu=2.0)
    Path(segment.path).write_bytes(
        raw + Path(find_segments(str(tmp_path))[-1].path).read_bytes()[len(segments.MAGIC) :]
    )
    os.unlink(find_segments(str(tmp_path))[-1].path)

    assert [values for _, values in _read(tmp_path)] == [{"cpu_percent": 1.0}, {"cpu_percent": 2.0}]


def test_a_full_disk_leaves_no_part_of_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that found no room is cut off, and the next one is written when there is room."""
    writer = SegmentWriter(str(tmp_path))
    _write(writer, 0.0, cpu=1.0)
    (segment,) = find_segments(str(tmp_path))
    full = os.path.getsize(segment.path) + 10
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # SIGXFSZ is ignored by Python: the write ends in the middle, and the next one fails
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            _write(writer, 1.0, cpu=2.0, rss=3.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.path.getsize(segment.path) == full - 10

    _write(writer, 2.0, cpu=4.0, rss=5.0)
    assert _read(tmp_path) == [
        (0.0, {"cpu_percent": 1.0}),
        (2.0, {"cpu_percent": 4.0, "rss_bytes": 5.0}),
    ]


def test_a_removed_folder_is_made_again_but_not_the_apps(tmp_path: Path) -> None:
    """The history of an app that was deleted does not bring its folder back."""
    folder = tmp_path / "app" / "history"
    folder.parent.mkdir()
    writer = SegmentWriter(str(folder))
    _write(writer, 0.0, cpu=1.0)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    _write(writer, 1.0, cpu=2.0)
    assert [at for at, _ in _read(folder)] == [1.0]

    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.parent.rmdir()
    with pytest.raises(FileNotFoundError):
        _write(writer, 2.0, cpu=3.0)
    assert not folder.parent.exists()


def test_a_metric_that_comes_and_goes_needs_no_new_layout_each_time(tmp_path: Path) -> None:
    """The names of a row are written again only when there is a new one."""
    writer = SegmentWriter(str(tmp_path))
    _write(writer, 0.0, cpu=1.0, rss=1.0, sales=1.0)
    _write(writer, 1.0, cpu=1.0, rss=1.0)
    before = os.path.getsize(find_segments(str(tmp_path))[0].path)
    _write(writer, 2.0, rss=1.0, sales=1.0)
    first = os.path.getsize(find_segments(str(tmp_path))[0].path) - before
    _write(writer, 3.0, cpu=1.0, rss=1.0)
    second = os.path.getsize(find_segments(str(tmp_path))[0].path) - before - first

    assert first == second
    assert len(_read(tmp_path)) == 4


def test_old_segments_are_removed_by_their_own_times(tmp_path: Path) -> None:
    """What ended long ago goes, whatever the clock of the file system says; the newest stay."""
    writer = SegmentWriter(str(tmp_path))
    times = [number * 700.0 for number in range(segments.FILES_MIN + 3)]
    for at in times:
        _write(writer, at, cpu=at)
    remove_old_segments(str(tmp_path), times[2] + segments.KEEP_S + 1.0)
    assert [at for at, _ in _read(tmp_path)] == times[2:]
    remove_old_segments(str(tmp_path), 1e9)
    assert [at for at, _ in _read(tmp_path)] == times[3:]


def test_each_writer_begins_a_segment(tmp_path: Path) -> None:
    """Nothing is appended to what a killed agent may have left torn."""
    for at in (0.0, 1.0):
        _write(SegmentWriter(str(tmp_path)), at, cpu=at)
    assert len(find_segments(str(tmp_path))) == 2
    assert [at for at, _ in _read(tmp_path)] == [0.0, 1.0]
