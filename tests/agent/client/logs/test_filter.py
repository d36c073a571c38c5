"""Which rows are shown, kept up to date while lines come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.logs.filter import (
    EVERYTHING,
    FilteredRows,
    LogFilter,
    Matcher,
    parse_filter,
)
from monit_agent.client.logs.logbook import Logbook
from monit_agent.client.logs.rows import LogLine
from monit_agent.client.source import LogChunk
from monit_agent.wire.ids import local_instance

WHO = [local_instance("web", 0), local_instance("web", 1)]


def filled(batches: list[list[int]], shown_of: LogFilter) -> tuple[Logbook, FilteredRows]:
    """A book fed batch by batch, with its `FilteredRows`: odd numbers are of web/1."""
    book = Logbook(500)
    book.select(WHO)
    shown = FilteredRows(book.merged, shown_of)
    ends = [0, 0]
    for at, batch in enumerate(batches):
        for number in batch:
            data = b"line %d\n" % number
            chunk = LogChunk(local_instance("web", number % 2), "out", ends[number % 2], data, ())
            ends[number % 2] += len(data)
            book.add_chunk(chunk, float(at))
        book.flush(float(at))
        shown.update()
    return book, shown


def texts(book: Logbook, shown: FilteredRows) -> list[bytes]:
    rows = [book.merged.row(shown.seq(index)) for index in range(len(shown))]
    return [row.raw for row in rows if isinstance(row, LogLine)]


FILTERS = st.builds(
    LogFilter,
    matcher=st.sampled_from([None, Matcher("1"), Matcher("7$")]),
    without=st.booleans(),
    context=st.integers(0, 3),
    muted=st.sampled_from([frozenset(), frozenset([WHO[1]])]),
)


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=12), FILTERS)
def test_keeping_up_is_the_same_as_choosing_again(
    batches: list[list[int]], log_filter: LogFilter
) -> None:
    """Following the log line by line shows exactly what a fresh choice shows, and what grep
    would."""
    book, shown = filled(batches, log_filter)
    fresh = FilteredRows(book.merged, log_filter)
    assert texts(book, shown) == texts(book, fresh)
    seqs = [shown.seq(index) for index in range(len(shown))]
    assert seqs == sorted(set(seqs))
    assert [shown.index(seq) for seq in seqs] == list(range(len(seqs)))
    rows = [book.merged.row(seq) for seq in range(book.merged.first, book.merged.end)]
    seen = [row for row in rows if isinstance(row, LogLine) and log_filter.shows_stream(row.key)]
    hits = [log_filter.matches_line(row.raw) for row in seen]
    near = [
        any(hits[max(0, at - log_filter.context) : at + log_filter.context + 1])
        for at in range(len(seen))
    ]
    assert texts(book, shown) == [row.raw for row, keep in zip(seen, near, strict=True) if keep]


def test_shown_rows_go_with_the_ring() -> None:
    """Rows that the ring dropped are no longer shown, and the rest keep their order."""
    batches = [[number * 2 for number in range(at * 50, at * 50 + 50)] for at in range(60)]
    book, shown = filled(batches, LogFilter(matcher=Matcher("0$")))
    assert texts(book, shown) == texts(book, FilteredRows(book.merged, shown.filter))
    assert 0 < len(shown) < 600


@pytest.mark.parametrize(
    ("text", "raw", "found"),
    [
        ("get", b"GET /", True),
        ("GET", b"get /", False),
        ("a.c", b"abc", True),
        ("a(b", b"x a(b y", True),
        ("red flag", b"\x1b[31mred\x1b[0m flag", True),
        ("31", b"\x1b[31mred", False),
        ("é", "Café".encode(), True),
        ("É", "café".encode(), False),
        ("^start", b"start", True),
        ("\\d{3}", b"404", True),
    ],
)
def test_a_search_finds_what_the_eye_finds(text: str, raw: bytes, found: bool) -> None:
    """Regular expressions or plain text, smart about case, blind to colours."""
    assert Matcher(text).matches(raw) == found


def test_what_a_reader_types_is_understood() -> None:
    """Options in any order, then the text; muted instances stay muted."""
    muted = LogFilter(muted=frozenset([WHO[0]]))
    chosen = parse_filter("-C 3 :err :warn !health", muted)
    assert (chosen.context, chosen.stream, chosen.level, chosen.without) == (3, "err", "warn", True)
    assert chosen.muted == muted.muted
    assert chosen.matcher is not None
    assert chosen.matcher.text == "health"
    assert parse_filter("", EVERYTHING) == EVERYTHING
    assert parse_filter("!").matcher is not None
    plain = parse_filter("a -C 3")
    assert plain.matcher is not None
    assert plain.matcher.text == "a -C 3"


RAWS = st.sampled_from(
    [
        b"GET /tea 200", b"get /Tea", b"", b"tea", b"TEA\r", b"\x1b[31mte\x1b[0ma", b"a.b", b"axb",
        "tëa tea".encode(), b"x" * 300 + b"tea", b"+", b"tea\x00tea",
    ]
)  # fmt: skip


@given(
    st.lists(RAWS, max_size=30),
    st.sampled_from(
        ["tea", "TEA", "a.b", "a\\.b", "^tea$", "", "+", "t+ea", "ë", "[^x]$", "200|b"]
    ),
)
def test_many_lines_are_searched_as_one_by_one(lines: list[bytes], text: str) -> None:
    """What is found in many lines at once is what is found in each, whatever is searched for."""
    matcher = Matcher(text)
    expected = [place for place, raw in enumerate(lines) if matcher.matches(raw)]
    assert matcher.matching(lines) == expected
    without = LogFilter(matcher=matcher, without=True)
    assert without.matching(lines) == sorted(set(range(len(lines))) - set(expected))
