"""Bytes of a stream without a hole, cut into lines and dated."""

from collections import deque
from collections.abc import Iterator

from monit_agent.client.logrows import LINE_BYTES, RUN_LINES, Run, StreamKey
from monit_agent.client.source import LogChunk


class Piece:
    """Bytes without a hole: finished rows, then perhaps a line that has not ended yet."""

    def __init__(self, key: StreamKey, offset: int) -> None:
        self.key = key
        self.end = offset
        self.runs: deque[Run] = deque()
        self.shown = False
        self.tail: Run | None = None

    @property
    def start(self) -> int:
        """Offset of its first byte."""
        first = self.runs[0] if self.runs else self.tail
        return first.offset if first else self.end

    @property
    def at_ns(self) -> int:
        """Time of its first row."""
        first = self.runs[0] if self.runs else self.tail
        return first.at_ns if first else 0

    @property
    def growing(self) -> bool:
        """Tell whether the last line has not ended and has not been given as a row."""
        return not self.shown and self.tail is not None and bool(self.tail.lines[0])

    def begin_ragged(self, at_ns: int) -> None:
        """Say that the piece may begin in the middle of a line; only a stream's first byte
        cannot."""
        if self.end > 0:
            self.tail = self._unfinished(self.end, at_ns, b"")
            self.tail.ragged = True

    def show_tail(self) -> Run | None:
        """Give the line that has not ended as a row, once."""
        if not self.growing:
            return None
        self.shown = True
        return self.tail

    def extend(self, chunk: LogChunk) -> tuple[list[Run], bool]:
        """Add the chunk that follows; give the new rows, and whether a shown one grew."""
        data = chunk.data
        self.end = chunk.offset + len(data)
        last = data.rfind(b"\n") + 1
        runs: list[Run] = []
        begin, grew = 0, False
        if self.tail is not None:
            grew = self.shown
            newline = data.find(b"\n")
            self.tail.grow(data if newline < 0 else data[:newline])
            if newline < 0:
                return [], grew
            runs += [] if self.shown else [self.tail]
            self._finish_tail()
            begin = newline + 1
        body = self._body(chunk, begin, last)
        runs += body
        self.runs.extend(body)
        if last < len(data):
            at = chunk.offset + last
            self.tail = self._unfinished(at, time_at(chunk.times, at), data[last:])
            self.shown = False
        return runs, grew

    def join(self, right: "Piece") -> None:
        """Add the piece whose first byte follows on this one's last."""
        first = right.runs[0] if right.runs else right.tail
        if self.tail is not None and first is not None:
            self.tail.absorb(first)
            if right.runs:
                right.runs.popleft()
                self._finish_tail()
            else:
                right.tail, right.shown = self.tail, self.shown or right.shown
        elif first is not None and first.ragged:
            first.ragged = False
            first.whole = bool(right.runs)
        self.runs.extend(right.runs)
        self.tail, self.shown, self.end = right.tail, right.shown, right.end

    def _finish_tail(self) -> None:
        if self.tail is not None:
            self.tail.whole = not self.tail.ragged
            self.runs.append(self.tail)
        self.tail, self.shown = None, False

    def _unfinished(self, offset: int, at_ns: int, data: bytes) -> Run:
        run = Run(self.key, offset, at_ns, [b""])
        run.whole = False
        run.grow(data)
        return run

    def _body(self, chunk: LogChunk, begin: int, end: int) -> list[Run]:
        """Make runs of ``data[begin:end]``, which ends behind a newline or is empty."""
        runs: list[Run] = []
        for start, stop, at_ns in _moments(chunk, begin, end):
            lines = chunk.data[start : stop - 1].split(b"\n")
            if stop - start > LINE_BYTES and max(map(len, lines)) > LINE_BYTES:
                runs += self._with_long_lines(lines, chunk.offset + start, at_ns)
            else:
                runs += self._in_grains(lines, chunk.offset + start, at_ns)
        return runs

    def _in_grains(self, lines: list[bytes], offset: int, at_ns: int) -> Iterator[Run]:
        for index in range(0, len(lines), RUN_LINES):
            part = lines[index : index + RUN_LINES]
            yield Run(self.key, offset, at_ns, part)
            offset += sum(map(len, part)) + len(part)

    def _with_long_lines(self, lines: list[bytes], offset: int, at_ns: int) -> Iterator[Run]:
        for line in lines:
            run = self._unfinished(offset, at_ns, line)
            run.whole = True
            yield run
            offset += len(line) + 1


def time_at(times: tuple[tuple[int, int], ...], offset: int) -> int:
    """Give when the byte at ``offset`` was read, by a chunk's pairs; 0 when they do not say."""
    at_ns = 0
    for pair_offset, pair_ns in times:
        if pair_offset > offset:
            break
        at_ns = pair_ns
    return at_ns


def _moments(chunk: LogChunk, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Cut whole lines where another moment began: (start, stop, wall ns) within the data."""
    if begin >= end:
        return
    at_ns = 0
    for pair_offset, pair_ns in chunk.times:
        where = pair_offset - chunk.offset
        if where >= end:
            break
        if where > begin:
            cut = chunk.data.find(b"\n", where - 1, end) + 1
            if cut >= end:
                break
            if pair_ns != at_ns:
                yield begin, cut, at_ns
                begin = cut
        at_ns = pair_ns
    yield begin, end, at_ns


def uncovered(pieces: list[Piece], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give the stretches of ``start`` to ``end`` that no piece has; pieces are in order."""
    for piece in pieces:
        if start < min(piece.start, end):
            yield start, min(piece.start, end)
        start = max(start, piece.end)
    if start < end:
        yield start, end


def stitched(pieces: list[Piece]) -> list[Piece]:
    """Join pieces, in order, that touch; what ends before a hole is shown as it is."""
    whole = pieces[:1]
    for piece in pieces[1:]:
        if whole[-1].end == piece.start:
            whole[-1].join(piece)
        else:
            whole[-1].show_tail()
            whole.append(piece)
    return whole
