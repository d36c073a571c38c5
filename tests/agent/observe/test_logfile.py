"""Reading streams back: byte exact against a naive reference."""

import bisect
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monit_agent.observe import logfile
from monit_agent.observe.logfile import StreamFile
from monit_agent.wire import timeindex
from monit_agent.wire.limits import LOG_RANGE_BYTES

TEXT = st.lists(st.sampled_from([b"\n", b"a", b"bc\n", b"d" * 50, b"\xff\x00"])).map(b"".join)


class Stream(NamedTuple):
    """A stream on disk and what a reference needs to know of it."""

    file: StreamFile
    base: int
    data: bytes
    records: list[tuple[int, int]]

    @property
    def end(self) -> int:
        return self.base + len(self.data)


def _write(folder: Path, base: int, data: bytes, records: list[tuple[int, int]]) -> Stream:
    (folder / "log").write_bytes(data)
    packed = b"".join(timeindex.pack_record(*record) for record in records)
    (folder / "idx").write_bytes(timeindex.pack_header(base) + packed)
    return Stream(StreamFile(f"{folder}/log", f"{folder}/idx"), base, data, records)


@st.composite
def _contents(draw: st.DrawFn) -> tuple[int, bytes, list[tuple[int, int]]]:
    base, data = draw(st.integers(0, 1000)), draw(TEXT)
    cuts = draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=6)) if data else set()
    offsets = [base, *sorted(base + cut for cut in cuts if cut < len(data))] if data else []
    times = sorted(draw(st.lists(st.integers(0, 50), min_size=7, max_size=7)))
    return base, data, list(zip(offsets, times, strict=False))


exact = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@exact
@given(_contents(), st.integers(-5, 1200), st.integers(-5, 300))
def test_a_range_is_exactly_the_bytes_asked_for(
    tmp_path: Path, contents: tuple[int, bytes, list[tuple[int, int]]], start: int, most: int
) -> None:
    """A range gives the bytes from its start on, moved to what the file still holds."""
    stream = _write(tmp_path, *contents)

    part = stream.file.range(start, most)

    offset = min(max(start, stream.base), stream.end)
    expected = stream.data[offset - stream.base :][: max(0, most)]
    assert part == (offset, expected, stream.base, stream.end)


def _naive_tail(data: bytes, lines: int) -> bytes:
    pieces = data.split(b"\n")
    ended = [piece + b"\n" for piece in pieces[:-1]]
    unfinished = [pieces[-1]] if pieces[-1] else []
    return b"".join((ended + unfinished)[-lines:]) if lines > 0 else b""


@exact
@given(_contents(), st.integers(-1, 30), st.none() | st.integers(0, 1200))
def test_a_tail_is_the_last_lines_as_tail_gives_them(
    tmp_path: Path,
    contents: tuple[int, bytes, list[tuple[int, int]]],
    lines: int,
    before: int | None,
) -> None:
    """The last lines before an offset, an unfinished one counting as one."""
    stream = _write(tmp_path, *contents)

    part = stream.file.tail(lines, before)

    stop = stream.end if before is None else min(max(before, stream.base), stream.end)
    expected = _naive_tail(stream.data[: stop - stream.base], lines)
    assert part == (stop - len(expected), expected, stream.base, stream.end)


@exact
@given(_contents(), st.integers(-1, 60))
def test_since_is_where_the_first_line_of_that_time_begins(
    tmp_path: Path, contents: tuple[int, bytes, list[tuple[int, int]]], at: int
) -> None:
    """The first line that begins in bytes of that time or later; the end if there is none."""
    stream = _write(tmp_path, *contents)

    part = stream.file.since(at)

    begins = [0, *(i + 1 for i, byte in enumerate(stream.data) if byte == 10)]
    offsets = [record[0] for record in stream.records]

    def time_of(position: int) -> int:
        return stream.records[bisect.bisect_right(offsets, stream.base + position) - 1][1]

    late = [p for p in begins if p < len(stream.data) and time_of(p) >= at]
    assert part.offset == stream.base + min(late, default=len(stream.data))
    assert part.data == b""


@exact
@given(_contents(), st.integers(0, 1200), st.integers(0, 300))
def test_times_date_every_byte_of_a_part(
    tmp_path: Path,
    contents: tuple[int, bytes, list[tuple[int, int]]],
    start: int,
    length: int,
) -> None:
    """The records given are those that date the bytes, the first at or before their start."""
    stream = _write(tmp_path, *contents)

    times = stream.file.times(start, start + length)

    before = [record for record in stream.records if record[0] <= start][-1:]
    within = [record for record in stream.records if start < record[0] < start + length]
    assert times == (tuple(before + within) if length else ())


def test_a_tail_of_many_blocks_is_found(tmp_path: Path) -> None:
    """Lines that lie many blocks back are found as well as the last ones."""
    data = b"".join(b"line %06d\n" % number for number in range(30_000))
    stream = _write(tmp_path, 7, data, [(7, 1)])

    part = stream.file.tail(20_000, None)

    assert part.data == data[-20_000 * 12 :]
    assert part.offset + len(part.data) == stream.end


def test_a_tail_is_bounded_and_begins_with_a_line(tmp_path: Path) -> None:
    """However much is asked for, at most `LOG_RANGE_BYTES` come, cut at a line's beginning."""
    data = b"x" * 99 + b"\n"
    stream = _write(tmp_path, 0, data * 20_000, [(0, 1)])

    part = stream.file.tail(20_000, None)

    assert LOG_RANGE_BYTES - 100 < len(part.data) <= LOG_RANGE_BYTES
    assert part.data[:100] == data
    assert part.offset % 100 == 0


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    """A line longer than one answer gives its last `LOG_RANGE_BYTES`."""
    stream = _write(tmp_path, 0, b"x" * (LOG_RANGE_BYTES + logfile.BLOCK), [(0, 1)])

    part = stream.file.tail(1, None)

    assert part.offset == logfile.BLOCK
    assert len(part.data) == LOG_RANGE_BYTES


def test_no_files_read_as_an_empty_stream(tmp_path: Path) -> None:
    """Before a worker has printed anything there is nothing, and that is no error."""
    file = StreamFile(f"{tmp_path}/none", f"{tmp_path}/none.idx")

    assert file.range(5, 10) == (0, b"", 0, 0)
    assert file.tail(5, None) == (0, b"", 0, 0)
    assert file.since(0) == (0, b"", 0, 0)
    assert file.times(0, 10) == ()


def test_a_foreign_index_does_not_hide_the_log(tmp_path: Path) -> None:
    """With an index that cannot be read the bytes are still there, from offset 0."""
    (tmp_path / "log").write_bytes(b"hello\n")
    (tmp_path / "idx").write_bytes(b"something else altogether")

    file = StreamFile(f"{tmp_path}/log", f"{tmp_path}/idx")

    assert file.range(0, 100).data == b"hello\n"
