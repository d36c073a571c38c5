"""Searching a stream in pieces finds what a search of all its lines would."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monit_agent.agent.logs import literal_scan, search_blocks
from monit_agent.agent.logs.compress import compress_rotated
from monit_agent.agent.logs.search import PieceSearch, Query, SearchPiece, Stopwatch
from monit_agent.agent.logs.segments import Segments
from monit_agent.logtext.expression import Expression
from monit_agent.wire import timeindex
from monit_agent.wire.logfiles import StreamNames

LINE = st.sampled_from(
    [b"hit", b"a hit here", b"miss", b"", b"x" * 30, b"ERROR gone", b"  at f", b"DEBUG hit"]
)


class Written(NamedTuple):
    """A stream on disk, and its lines with their offsets."""

    names: StreamNames
    lines: list[tuple[int, bytes]]
    end: int


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few lines, so that a short stream has many, and many matches are two."""
    monkeypatch.setattr(search_blocks, "BLOCK_BYTES", 64)
    monkeypatch.setattr(literal_scan, "WINDOW_BYTES", 48)
    monkeypatch.setattr(literal_scan, "_MANY", 2)


def write(folder: Path, lines: list[bytes], files: list[int], compressed: bool) -> Written:
    """Write ``lines`` to as many files as there are numbers of lines in ``files``, and one more."""
    for old in folder.iterdir():
        old.unlink()
    names = StreamNames(str(folder / "0.out.log"), str(folder / "0.out.idx"))
    base = offset = 5
    found: list[tuple[int, bytes]] = []
    held = b""
    ends = {sum(files[: at + 1]) for at in range(len(files))}
    for number, line in enumerate(lines):
        found.append((offset, line))
        held += line + b"\n"
        offset += len(line) + 1
        if number + 1 in ends:
            Path(names.rotated(base)).write_bytes(held)
            index = timeindex.pack_header(base) + timeindex.pack_record(base, base)
            Path(names.rotated_index(base)).write_bytes(index)
            if compressed:
                assert compress_rotated(names, base, 16)
            base, held = offset, b""
    Path(names.log).write_bytes(held)
    index = timeindex.pack_header(base) + timeindex.pack_record(base, base)
    Path(names.index).write_bytes(index)
    return Written(names, found, offset)


def pieces(written: Written, query: Query) -> Iterator[SearchPiece]:
    """Yield all pieces of a search."""
    position = written.end if query.backward else 0
    for _ in range(10_000):
        with Segments(written.names) as stream:
            watch = Stopwatch(60.0)
            piece = PieceSearch(stream, query, stream.begin, stream.end, watch).run(position)
        yield piece
        if piece.done:
            return
        assert piece.position != position, "a piece that does not come forward"
        position = piece.position
    raise AssertionError("the search has no end")


exact = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
CONTENTS = (
    st.lists(LINE, max_size=60),
    st.lists(st.integers(1, 20), max_size=3),
    st.booleans(),
    st.booleans(),
)


@exact
@given(*CONTENTS, st.integers(0, 5), st.integers(0, 2), st.integers(0, 2))
def test_pieces_together_find_every_match_once(  # noqa: PLR0917
    tmp_path: Path,
    lines: list[bytes],
    files: list[int],
    compressed: bool,
    backward: bool,
    limit: int,
    before: int,
    after: int,
) -> None:
    """Over all files and in both directions; with the lines around each match, and an exact
    count."""
    written = write(tmp_path, lines, files, compressed)
    query = Query(Expression("hit$"), None, backward, limit, before, after)
    found = list(pieces(written, query))
    hits = [at for at, line in enumerate(lines) if line.endswith(b"hit")]
    assert sum(piece.matches for piece in found) == len(hits)
    shown = {line.offset: line for piece in found for line in piece.lines}
    near = {at + by for at in hits for by in range(-before, after + 1)} if limit else set[int]()
    expected = {at: line for number, (at, line) in enumerate(written.lines) if number in near}
    assert {at: line.data for at, line in shown.items()} == expected
    offsets = {written.lines[at][0] for at in hits}
    assert all(line.matches == (at in offsets) for at, line in shown.items())
    for piece in found:
        order = [line.offset for line in piece.lines]
        assert order == sorted(set(order))
    firsts = [piece.lines[0].offset for piece in found if piece.lines]
    assert firsts == sorted(firsts, reverse=backward)


@exact
@given(
    st.lists(st.sampled_from([b"hit", b"a HIT hit", b"miss", b"", b"x" * 70, b"h\x1b[31mit\x1b[0m",
                              b"hi", b"t"]), max_size=60),
    st.lists(st.integers(1, 20), max_size=3), st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from(["hit", "h[i]t hit|miss", "hit$", "hit.", "no"]),
)  # fmt: skip
def test_what_is_passed_over_holds_no_match(  # noqa: PLR0917
    tmp_path: Path,
    lines: list[bytes],
    files: list[int],
    compressed: bool,
    backward: bool,
    ignore_case: bool,
    text: str,
) -> None:
    """With a literal, whole parts of a stream are not read line by line: what is found, counted and
    searched is the same, also for a literal with a colour in it."""
    written = write(tmp_path, lines, files, compressed)
    expression = Expression(text, ignore_case=ignore_case)
    expected = [(at, line) for at, line in written.lines if expression.matches(line)]
    for limit in (0, 100):
        found = list(pieces(written, Query(expression, None, backward, limit)))
        assert sum(piece.matches for piece in found) == len(expected)
        assert sum(piece.scanned for piece in found) == written.end - 5
    assert sorted((line.offset, line.data) for piece in found for line in piece.lines) == expected


@exact
@given(*CONTENTS)
def test_a_level_keeps_stacks_whole_over_blocks(
    tmp_path: Path, lines: list[bytes], files: list[int], compressed: bool, backward: bool
) -> None:
    """A line of a stack is found with its head, in whatever block of a file it is."""
    written = write(tmp_path, lines, files[:0], compressed)
    found = list(pieces(written, Query(level="error", backward=backward)))
    shown: dict[int, bytes] = {}
    is_error = False
    for number, (offset, line) in enumerate(written.lines):
        if number == 0 or not line.startswith(b"  at"):
            is_error = line.startswith(b"ERROR")
        if is_error:
            shown[offset] = line
    assert {line.offset: line.data for piece in found for line in piece.lines} == shown


class _Endless(Expression):
    """One that finds no end in a block of several lines."""

    def candidates(self, block: bytes) -> Iterator[tuple[int, int]]:
        """Use the processor until somebody ends it."""
        while True:
            pass


@pytest.mark.parametrize("limit", [0, 100])
def test_a_block_that_takes_too_long_is_searched_line_by_line(tmp_path: Path, limit: int) -> None:
    """Also for a plain text: only lines that hold it are found."""
    written = write(tmp_path, [b"hit", b"\x1b[1mmiss", b"a hit", b"miss"], [], False)
    query = Query(_Endless("hit"), limit=limit)
    with Segments(written.names) as stream, Stopwatch(60.0) as watch:
        piece = PieceSearch(stream, query, stream.begin, stream.end, watch).run(stream.end)
    assert piece.matches == 2
    assert [line.data for line in piece.lines] == ([b"hit", b"a hit"] if limit else [])


def test_a_line_is_slow_by_its_own_time() -> None:
    """On a busy machine, a process that had to wait within a line has not found a slow one."""
    with Stopwatch(60.0) as watch:

        def wait_for_another(raw: bytes) -> bytes:
            subprocess.run(
                ["sh", "-c", "i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done"], check=True
            )
            return raw

        assert watch.run(wait_for_another, b"line") == b"line"


def test_lines_are_dated_by_the_index(tmp_path: Path) -> None:
    """Each line has the time of its bytes."""
    written = write(tmp_path, [b"hit"] * 6, [2, 2], True)
    (piece,) = pieces(written, Query(Expression("hit")))
    assert [line.at_ns for line in piece.lines] == [5, 5, 13, 13, 21, 21]


def test_a_long_line_is_found_and_comes_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is longer than any block is searched too."""
    monkeypatch.setattr(search_blocks, "LINE_BYTES", 256)
    written = write(tmp_path, [b"hit", b"y" * 500 + b"hit", b"hit"], [], False)
    for backward in (True, False):
        found = list(pieces(written, Query(Expression("hit$"), backward=backward)))
        shown = sorted({line.offset: line.data for piece in found for line in piece.lines}.items())
        assert [data[-3:] for _, data in shown] == [b"hit"] * 3
        assert sum(len(data) for _, data in shown) < 520
