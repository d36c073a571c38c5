"""Rows folded as they arrive are those of `fold_lines` over all of them."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.logs.folded import NEAR_ROWS, FoldedRows
from monit_agent.client.logs.logbook import Logbook
from monit_agent.client.logs.rows import LogLine
from monit_agent.client.source import LogChunk
from monit_agent.logtext.folding import fold_lines
from monit_agent.wire.ids import local_instance
from monit_agent.wire.messages import Stream

WEB = local_instance("web", 0)
LINES = st.lists(
    st.sampled_from(
        [
            b"12:00:01 waiting", b"12:00:02 waiting", b"plain",
            b"Traceback (most recent call last):", b'  File "a.py", line 1, in f', b"    f()",
            b"ValueError: bad",
            b"TypeError: x", b"panic: no", b"\\tmain.go:7",
        ]
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


@given(LINES, st.lists(st.integers(1, 7), min_size=1, max_size=40))
def test_pieces_fold_as_the_whole(lines: list[bytes], sizes: list[int]) -> None:
    """However the lines arrive, the same rows are shown, with the same counts, and every line is
    in exactly one of them."""
    book = Logbook()
    book.select([WEB])
    shown = FoldedRows(book.merged, folds=True)
    offset, rest = 0, lines
    while rest:
        size = sizes[offset % len(sizes)]
        data = b"".join(line + b"\n" for line in rest[:size])
        book.add_chunk(LogChunk(WEB, "out", offset, data, ((0, 1),)), 0.0)
        book.flush(0.0)
        shown.update()
        offset, rest = offset + len(data), rest[size:]
    expected = [(part.start, part.stop, part.times, part.size) for part in fold_lines(lines)]
    found: list[tuple[int, int, int, int]] = []
    every: list[int] = []
    for index in range(len(shown)):
        seq = shown.seq(index)
        fold = shown.fold_at(seq)
        numbers = list(shown.lines_of(seq))
        every += numbers
        times, size = (fold.times, fold.size) if fold else (1, 1)
        found.append((numbers[0], numbers[-1] + 1, times, size))
        assert all(shown.index(number) == index for number in numbers)
    assert sorted(found) == expected
    assert sorted(every) == list(range(len(lines)))
    assert all(isinstance(book.merged.row(seq), LogLine) for seq in every)


def test_what_is_printed_again_later_is_seen_at_its_time() -> None:
    """Equal stacks with lines of another stream between them are not one: the newest would stand
    where the first was printed."""
    book = Logbook()
    book.select([WEB])
    shown = FoldedRows(book.merged, folds=True)
    stack = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: 1\n'
    ends = {"out": 0, "err": 0}

    def add(stream: Stream, data: bytes, second: int) -> None:
        chunk = LogChunk(WEB, stream, ends[stream], data, ((ends[stream], second * 10**9),))
        ends[stream] += len(data)
        book.add_chunk(chunk, 0.0)
        book.flush(0.0)
        shown.update()

    add("err", stack, 1)
    add("err", stack, 2)
    add("out", b"served\n", 3)
    add("err", stack, 4)
    add("err", stack, 5)
    lines = [book.merged.row(shown.seq(index)) for index in range(len(shown))]
    texts = [row.raw for row in lines if isinstance(row, LogLine)]
    assert texts == [b"KeyError: 1", b"served", b"KeyError: 1"]
    folds = [shown.fold_at(shown.seq(index)) for index in range(len(shown))]
    assert [fold and fold.times for fold in folds] == [2, None, 2]


def test_many_rows_are_folded_where_somebody_reads() -> None:
    """When all rows of a long log are read again, those near the end are folded, and those that the
    reader comes to; each row stays in the view, and keeps its number."""
    pair = b"12:00:01 waiting\n12:00:02 waiting\n"
    pairs = 5 * NEAR_ROWS
    book = Logbook(lines_per_instance=4 * pairs)
    book.select([WEB])
    book.add_chunk(LogChunk(WEB, "out", 0, (pair + b"done\n") * pairs, ((0, 1),)), 0.0)
    book.flush(0.0)
    shown = FoldedRows(book.merged, folds=True)

    def is_folded(place: int) -> bool:
        """Return whether the pair of lines that begins at row ``place`` is one row."""
        return shown.index(place) == shown.index(place + 1)

    last, middle = 3 * (pairs - 1), 3 * (pairs // 2)
    assert is_folded(last)
    assert not is_folded(middle)
    assert shown.fold_near(middle)
    assert is_folded(middle)
    assert not is_folded(last)
    assert not shown.fold_near(middle + 3)
    assert shown.fold_near(None)
    assert is_folded(last)
    every = [seq for index in range(len(shown)) for seq in shown.lines_of(shown.seq(index))]
    assert sorted(every) == list(range(3 * pairs))
