"""Whatever pieces a log comes in, the lines are those that were printed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.logs.assembler import LineAssembler
from monit_agent.client.logs.rows import LINE_BYTES, LogGap, LogLine, Row, StreamKey
from monit_agent.client.source import LogChunk
from monit_agent.wire.ids import local_instance

KEY = StreamKey(local_instance("web", 0), "out")
TEXT = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\n\n", b"\r", b"\xff"]), max_size=40).map(
    b"".join
)


def chunk(offset: int, data: bytes, *times: tuple[int, int]) -> LogChunk:
    return LogChunk(local_instance("web", 0), "out", offset, data, times or ((offset, 1),))


def rows(assembler: LineAssembler) -> list[Row]:
    assembler.show_tail()
    return [row for run in assembler.runs() for row in run]


def expected(text: bytes, base: int = 0) -> list[tuple[int, bytes, bool]]:
    """What a plain split says: (offset, line, whole)."""
    out: list[tuple[int, bytes, bool]] = []
    for line in text.splitlines(keepends=True) if b"\r" not in text else _split(text):
        out.append((base, line.removesuffix(b"\n"), line.endswith(b"\n")))
        base += len(line)
    return out


def _split(text: bytes) -> list[bytes]:
    parts = [part + b"\n" for part in text.split(b"\n")]
    parts[-1] = parts[-1][:-1]
    return [part for part in parts if part]


def seen(found: list[Row]) -> list[tuple[int, bytes, bool]]:
    assert all(isinstance(row, LogLine) for row in found), found
    return [(row.offset, row.raw, row.whole) for row in found if isinstance(row, LogLine)]


@given(TEXT, st.lists(st.integers(0, 60), max_size=10))
def test_any_cutting_gives_the_lines(text: bytes, cuts: list[int]) -> None:
    """However a stream is cut into chunks, its lines and their offsets are the same."""
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    assembler = LineAssembler(KEY)
    given_rows: list[Row] = []
    for start, end in pairwise(edges):
        fed = assembler.feed(chunk(start, text[start:end]))
        assert not fed.reshaped
        given_rows += [row for run in fed.runs for row in run]
    assert seen(rows(assembler)) == expected(text)
    assert seen(given_rows) == [line for line in expected(text) if line[2]]
    assert len(assembler) == len(expected(text))


@given(TEXT.filter(bool), st.randoms(use_true_random=False), st.data())
def test_any_order_and_overlap_gives_the_lines(text: bytes, random, data: st.DataObject) -> None:
    """Chunks that overlap and come in any order never duplicate or lose a byte, and once
    all is there no gap is left."""
    span = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    pieces = [(min(pair), max(pair)) for pair in data.draw(st.lists(span, max_size=8))]
    assembler = LineAssembler(KEY)
    known: set[int] = set()
    for start, end in pieces:
        at_line_start = start == 0 or text[start - 1 : start] == b"\n"
        assembler.feed(chunk(start, text[start:end]), at_line_start=at_line_start)
        known.update(range(start, end))
        assembler.show_tail()
        _check_against(text, known, assembler)
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=4))})
    last = list(pairwise(cuts))
    random.shuffle(last)
    for start, end in last:
        assembler.feed(chunk(start, text[start:end]))
    assert seen(rows(assembler)) == expected(text)
    assert len(assembler) == len(expected(text))


def _check_against(text: bytes, known: set[int], assembler: LineAssembler) -> None:
    found = [row for run in assembler.runs() for row in run]
    assert len(found) == len(assembler)
    covered: set[int] = set()
    for row in found:
        if isinstance(row, LogGap):
            assert not known & set(range(row.start, row.end))
            continue
        assert text[row.offset : row.offset + len(row.raw)] == row.raw
        end = row.offset + len(row.raw)
        assert row.whole == (text[end : end + 1] == b"\n" and end in known and not row.ragged)
        span = set(range(row.offset, end + (1 if end in known else 0)))
        assert not covered & span
        covered |= span
    assert covered <= known
    assert all(text[at : at + 1] == b"\n" for at in known - covered)


def test_a_hole_is_a_gap_until_it_is_filled() -> None:
    """Bytes that were skipped show as a gap; when they come the lines around it are whole."""
    assembler = LineAssembler(KEY)
    assembler.feed(chunk(0, b"one\ntw"))
    fed = assembler.feed(chunk(20, b"ree\nfour\n"))
    shown = [row for run in fed.runs for row in run]
    assert [type(row) for row in shown] == [LogLine, LogGap, LogLine, LogLine]
    (gap,) = assembler.gaps()
    assert (gap.start, gap.end, gap.gone) == (6, 20, False)
    ragged = shown[2]
    assert isinstance(ragged, LogLine)
    assert ragged.ragged
    assert not ragged.whole
    fed = assembler.feed(chunk(6, b"o\nxxxxxxxxx\nth"))
    assert fed.reshaped
    assert [line[1:] for line in seen(rows(assembler))] == [
        (b"one", True), (b"two", True), (b"xxxxxxxxx", True), (b"three", True), (b"four", True),
    ]  # fmt: skip


def test_half_of_a_gap_can_be_filled() -> None:
    """What a range request brings shrinks the gap; the rest stays a gap."""
    assembler = LineAssembler(KEY)
    assembler.feed(chunk(0, b"a\n"))
    assembler.feed(chunk(100, b"z\n"))
    assembler.feed(chunk(2, b"b\nc"))
    (gap,) = assembler.gaps()
    assert (gap.start, gap.end) == (5, 100)


def test_what_left_the_file_is_gone() -> None:
    """A gap below the file's begin can never be fetched, and says so."""
    assembler = LineAssembler(KEY)
    assembler.feed(chunk(0, b"a\n"))
    assembler.feed(chunk(100, b"z\n"))
    assembler.set_begin(50)
    gaps = [row for row in rows(assembler) if isinstance(row, LogGap)]
    assert [(gap.start, gap.end, gap.gone) for gap in gaps] == [(2, 50, True), (50, 100, False)]


def test_earlier_bytes_are_a_gap_too() -> None:
    """When the file begins before what is known, the first row says how much is missing."""
    assembler = LineAssembler(KEY)
    assembler.set_begin(10)
    fed = assembler.feed(chunk(30, b"z\n"), at_line_start=True)
    assert fed.reshaped
    first = rows(assembler)[0]
    assert isinstance(first, LogGap)
    assert (first.start, first.end) == (10, 30)


def test_an_unfinished_line_keeps_its_identity() -> None:
    """A prompt without newline shows once, grows in place and ends as the same row."""
    assembler = LineAssembler(KEY)
    assembler.feed(chunk(0, b"pass"))
    run = assembler.show_tail()
    assert run is not None
    assert run.row(0) == LogLine(KEY, 0, 1, b"pass", whole=False)
    assert assembler.show_tail() is None
    assert assembler.feed(chunk(4, b"word: ")).grew
    fed = assembler.feed(chunk(10, b"***\nok\n"))
    assert fed.grew
    assert [row.offset for run in fed.runs for row in run] == [14]
    assert run.row(0) == LogLine(KEY, 0, 1, b"password: ***")


def test_a_huge_line_is_cut_and_counted() -> None:
    """Of 3 MB without a newline 64 KiB are kept, and the rest is counted to the byte."""
    assembler = LineAssembler(KEY)
    step, total = 64 * 1024, 3_000_000
    for at in range(0, total, step):
        assembler.feed(chunk(at, b"x" * min(step, total - at)))
    assembler.feed(chunk(total, b"\nnext\n"))
    first, second = rows(assembler)
    assert isinstance(first, LogLine)
    assert len(first.raw) == LINE_BYTES
    assert first.cut == total - LINE_BYTES
    assert first.whole
    assert second.offset == total + 1


def test_a_huge_line_inside_a_part_is_cut_too() -> None:
    """One answer of a megabyte may hold a long line between short ones."""
    assembler = LineAssembler(KEY)
    assembler.feed(chunk(0, b"a\n" + b"x" * 200_000 + b"\nb\n"))
    found = [row for row in rows(assembler) if isinstance(row, LogLine)]
    assert [(row.offset, len(row.raw), row.cut) for row in found] == [
        (0, 1, 0), (2, LINE_BYTES, 200_000 - LINE_BYTES), (200_003, 1, 0),
    ]  # fmt: skip


@given(TEXT, st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=5))
def test_lines_are_dated_by_the_byte_they_begin_with(text: bytes, pairs) -> None:
    """A line's time is that of the last pair at or before its first byte."""
    times = ((0, 100), *((at, 100 + step) for at, step in sorted(pairs)))
    assembler = LineAssembler(KEY)
    assembler.feed(chunk(0, text, *times))
    for row in rows(assembler):
        assert row.at_ns == [ns for at, ns in times if at <= row.offset][-1]


@given(st.integers(1, 50), st.integers(0, 60))
def test_the_oldest_are_dropped_first(lines: int, drops: int) -> None:
    """Dropping takes whole runs from the front and says how many rows went."""
    assembler = LineAssembler(KEY)
    for index in range(lines):
        assembler.feed(chunk(index * 4, b"%03d\n" % index))
    dropped = sum(assembler.drop_oldest() for _ in range(drops))
    assert dropped == min(lines, drops)
    left = rows(assembler)
    assert len(left) == len(assembler) == lines - dropped
    assert [row.offset for row in left] == [4 * index for index in range(dropped, lines)]


def test_forgotten_lines_can_be_fetched_again() -> None:
    """After `forget` new lines follow on without a gap, and the old ones are a gap before."""
    assembler = LineAssembler(KEY)
    assembler.set_begin(0)
    assembler.feed(chunk(0, b"old\nolder\n"))
    assembler.clear_rows()
    assert not [row for row in rows(assembler) if isinstance(row, LogLine)]
    assembler.feed(chunk(10, b"new\n"))
    gap, line = rows(assembler)
    assert isinstance(gap, LogGap)
    assert (gap.start, gap.end) == (0, 10)
    assert (line.offset, line.raw if isinstance(line, LogLine) else None) == (10, b"new")
    assembler.feed(chunk(0, b"old\nolder\n"))
    assert [line[1] for line in seen(rows(assembler))] == [b"old", b"older", b"new"]


@pytest.mark.parametrize("times", [(), ((50, 7),)])
def test_undated_bytes_are_lines_all_the_same(times: tuple[tuple[int, int], ...]) -> None:
    """A chunk without times, or whose first pair comes too late, loses nothing."""
    assembler = LineAssembler(KEY)
    assembler.feed(LogChunk(local_instance("web", 0), "out", 0, b"a\nb\n", times))
    assert [line[1] for line in seen(rows(assembler))] == [b"a", b"b"]
