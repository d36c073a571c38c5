"""Reading streams back: byte exact against a naive reference."""

import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monit_agent.agent.logs import reader
from monit_agent.agent.logs.compress import compress_rotated
from monit_agent.agent.logs.reader import StreamReader
from monit_agent.wire import timeindex
from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.logfiles import StreamNames

TEXT = st.lists(st.sampled_from([b"\n", b"a", b"bc\n", b"d" * 50, b"\xff\x00"])).map(b"".join)


FRAME_BYTES = 16
"""Small members, so that short streams have several."""

Record = tuple[int, int]


class Contents(NamedTuple):
    """A stream: ``rotated`` has the offsets at which a further file begins, and whether the one
    before it is compressed."""

    base: int
    data: bytes
    records: list[Record]
    rotated: list[tuple[int, bool]]


class Stream(NamedTuple):
    """A stream on disk and what a reference needs to know of it."""

    file: StreamReader
    base: int
    data: bytes
    records: list[Record]

    @property
    def end(self) -> int:
        return self.base + len(self.data)


def _write(
    folder: Path,
    base: int,
    data: bytes,
    records: list[Record],
    rotated: Sequence[tuple[int, bool]] = (),
) -> Stream:
    for old in folder.iterdir():
        old.unlink()
    names = StreamNames(str(folder / "0.out.log"), str(folder / "0.out.idx"))
    first = base
    for following, compressed in rotated:
        Path(names.rotated(first)).write_bytes(data[first - base : following - base])
        _write_index(names.rotated_index(first), first, following, records)
        if compressed:
            assert compress_rotated(names, first, FRAME_BYTES)
        first = following
    Path(names.log).write_bytes(data[first - base :])
    _write_index(names.index, first, base + len(data) + 1, records)
    return Stream(StreamReader(names), base, data, records)


def _write_index(path: str, first: int, following: int, records: list[Record]) -> None:
    own = [timeindex.pack_record(*record) for record in records if first <= record[0] < following]
    Path(path).write_bytes(timeindex.pack_header(first) + b"".join(own))


@st.composite
def _contents(draw: st.DrawFn) -> Contents:
    base, data = draw(st.integers(0, 1000)), draw(TEXT)
    places = st.integers(1, max(1, len(data) - 1))
    splits = draw(st.sets(places, max_size=3)) if len(data) > 1 else set[int]()
    cuts = splits | (draw(st.sets(places, max_size=3)) if data else set[int]())
    offsets = [base, *sorted(base + cut for cut in cuts if cut < len(data))] if data else []
    times = sorted(draw(st.lists(st.integers(0, 50), min_size=7, max_size=7)))
    rotated = [(base + cut, draw(st.booleans())) for cut in sorted(splits)]
    return Contents(base, data, list(zip(offsets, times, strict=False)), rotated)


exact = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@exact
@given(_contents(), st.integers(-5, 1200), st.integers(-5, 300))
def test_a_range_is_exactly_the_bytes_requested(
    tmp_path: Path, contents: Contents, start: int, most: int
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
    contents: Contents,
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
    tmp_path: Path, contents: Contents, at: int
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
    contents: Contents,
    start: int,
    length: int,
) -> None:
    """The records given are those that date the bytes, the first at or before their start."""
    stream = _write(tmp_path, *contents)
    start = max(start, stream.base)

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
    """However much is requested, at most `LOG_RANGE_BYTES` come, cut at a line's beginning."""
    data = b"x" * 99 + b"\n"
    stream = _write(tmp_path, 0, data * 20_000, [(0, 1)])

    part = stream.file.tail(20_000, None)

    assert LOG_RANGE_BYTES - 100 < len(part.data) <= LOG_RANGE_BYTES
    assert part.data[:100] == data
    assert part.offset % 100 == 0


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    """A line longer than one answer gives its last `LOG_RANGE_BYTES`."""
    stream = _write(tmp_path, 0, b"x" * (LOG_RANGE_BYTES + reader.BLOCK), [(0, 1)])

    part = stream.file.tail(1, None)

    assert part.offset == reader.BLOCK
    assert len(part.data) == LOG_RANGE_BYTES


def test_no_files_read_as_an_empty_stream(tmp_path: Path) -> None:
    """Before a worker has printed anything there is nothing, and that is no error."""
    file = StreamReader(StreamNames(f"{tmp_path}/none", f"{tmp_path}/none.idx"))

    assert file.range(5, 10) == (0, b"", 0, 0)
    assert file.tail(5, None) == (0, b"", 0, 0)
    assert file.since(0) == (0, b"", 0, 0)
    assert file.times(0, 10) == ()


def test_a_foreign_index_does_not_hide_the_log(tmp_path: Path) -> None:
    """With an index that cannot be read the bytes are still there, from offset 0."""
    (tmp_path / "log").write_bytes(b"hello\n")
    (tmp_path / "idx").write_bytes(b"something else altogether")

    file = StreamReader(StreamNames(f"{tmp_path}/log", f"{tmp_path}/idx"))

    assert file.range(0, 100).data == b"hello\n"


def test_what_was_removed_from_the_middle_is_a_gap(tmp_path: Path) -> None:
    """What is before and behind it keeps its offsets; a range moves on, a tail stops there."""
    data = b"".join(b"%03d\n" % number for number in range(40))
    stream = _write(tmp_path, 100, data, [(100, 1)], [(140, False), (180, True), (220, False)])
    next(tmp_path.glob("0.out.*140.log.gz")).unlink()

    assert stream.file.range(120, 1000) == (120, data[20:40], 100, 260)
    assert stream.file.range(140, 1000) == (180, data[80:], 100, 260)
    assert stream.file.tail(1000, None) == (180, data[80:], 100, 260)
    assert stream.file.tail(2, 180) == (132, data[32:40], 100, 260)


def test_in_the_middle_of_a_rotation_the_stream_ends_where_it_did(tmp_path: Path) -> None:
    """There is no file that grows for a moment: nothing is missing, and nothing begins at 0."""
    stream = _write(tmp_path, 7, b"one\ntwo\n", [(7, 1), (11, 2)], [(11, False)])
    (tmp_path / "0.out.log").rename(tmp_path / "0.out.0000000000000011.log")

    assert stream.file.range(0, 100) == (7, b"one\ntwo\n", 7, 15)
    (tmp_path / "0.out.idx").rename(tmp_path / "0.out.0000000000000011.idx")
    assert stream.file.tail(1, None) == (11, b"two\n", 7, 15)


def test_a_damaged_member_hides_no_other_file(tmp_path: Path) -> None:
    """The disk changed a byte of a compressed file: what follows that file is still read."""
    stream = _write(tmp_path, 0, b"one\ntwo\n", [(0, 1)], [(4, True)])
    packed = next(tmp_path.glob("*.gz"))
    raw = bytearray(packed.read_bytes())
    raw[12] ^= 0xFF
    packed.write_bytes(raw)

    assert stream.file.range(0, 100) == (4, b"two\n", 0, 8)
