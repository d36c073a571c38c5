"""A regular expression that is searched for in blocks of log lines.

Most expressions hold a literal: only lines that hold it are given to the expression, because
`bytes.find` is 10 to 20 times faster (1.4 GB/s against 100 MB/s with Python 3.11). An alternation
has a literal for each of its sides. The search sees a line as a person does: without its colours.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

SGR = re.compile(rb"\x1b\[[0-9;:]*m")

MOST_LITERALS = 8
"""Of an alternation; with more, each line is given to the expression."""

_LEAST = 2
"""Characters of a literal that is worth looking for."""

Span = tuple[int, int]
"""Begin and end of a line within its block, without the newline."""


class Expression:
    """The expression ``text`` of Python's syntax; raise `ValueError` if it is not one."""

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "possible nested set": it may be meant
                self.pattern = re.compile(text, re.IGNORECASE if ignore_case else re.NOFLAG)
                literals, self.is_literal, by_block = _analysed(text, self.pattern.flags)
        except re.error as error:
            raise ValueError(f"{text!r} is not a regular expression: {error}") from error
        except (RecursionError, OverflowError) as error:
            raise ValueError(f"{text[:100]!r}… is too large an expression") from error
        self.ignores_case = bool(self.pattern.flags & re.IGNORECASE)
        self.literals = tuple(_encoded(each, self.ignores_case) for each in literals)
        """Every line that matches holds one of these; () when none is known. In lower case if case
        does not matter."""
        self._block_pattern: re.Pattern[bytes] | None = None
        if by_block and text.isascii():
            flags = self.pattern.flags & ~re.UNICODE | re.MULTILINE
            self._block_pattern = re.compile(text.encode(), flags)

    def matches(self, raw: bytes) -> bool:
        """Return whether a line (without its newline) matches."""
        if b"\x1b" in raw:
            raw = SGR.sub(b"", raw)
        if self.literals:
            hay = raw.lower() if self.ignores_case else raw
            if not any(each in hay for each in self.literals):
                return False
            if self.is_literal:
                return True
        text = raw.removesuffix(b"\r").decode("utf-8", "backslashreplace")
        return self.pattern.search(text) is not None

    def candidates(self, block: bytes) -> Iterable[Span]:
        """Return the lines of ``block`` that may match, in order."""
        if not self.literals:
            plain = block.isascii() and b"\x1b" not in block and b"\r" not in block
            if self._block_pattern is None or not plain:
                return line_spans(block)
            return _lines_matching(block, self._block_pattern)
        hay = block.lower() if self.ignores_case else block
        if b"\x1b" in hay:
            # a colour may stand inside the literal
            bare = SGR.sub(b"", hay)
            found = any(each in bare for each in self.literals)
            return line_spans(block) if found else ()
        return lines_with(hay, self.literals)


def line_spans(block: bytes) -> Iterator[Span]:
    """Yield each line of a block."""
    start, size = 0, len(block)
    while start < size:
        stop = block.find(b"\n", start)
        stop = size if stop < 0 else stop
        yield start, stop
        start = stop + 1


def _lines_matching(block: bytes, pattern: re.Pattern[bytes]) -> list[Span]:
    """Return the lines of a block in which there is a match that ends in the same line."""
    spans: list[Span] = []
    size = len(block)
    found = pattern.search(block)
    while found is not None and found.start() < size:
        at = found.start()
        stop = block.find(b"\n", at)
        stop = size if stop < 0 else stop
        spans.append((block.rfind(b"\n", 0, at) + 1, stop))
        found = pattern.search(block, stop + 1)
    return spans


def lines_with(block: bytes, literals: Iterable[bytes]) -> list[Span]:
    """Return the lines of a block that hold one of the literals, in order."""
    found: set[Span] = set()
    size = len(block)
    for literal in literals:
        at = block.find(literal)
        while at >= 0:
            stop = block.find(b"\n", at)
            stop = size if stop < 0 else stop
            found.add((block.rfind(b"\n", 0, at) + 1, stop))
            at = block.find(literal, stop)
    return sorted(found)


def _encoded(literal: str, ignores_case: bool) -> bytes:
    return (literal.lower() if ignores_case else literal).encode("utf-8", "surrogatepass")


def _analysed(text: str, flags: int) -> tuple[tuple[str, ...], bool, bool]:
    """Return the literals of an expression, whether it is nothing but one of them, and whether it
    may be searched for in many lines at once."""
    parser: Any = getattr(re, "_parser", None)
    if parser is None:  # private to Python: without it the search is only slower
        return (), False, False
    parsed = parser.parse(text, flags & ~re.UNICODE)
    found = _Literals(parser, ignores_case=bool(flags & re.IGNORECASE))
    best = found.of(parsed)
    only = all(op is found.codes.LITERAL for op, _ in parsed)
    is_literal = only and len(best) == 1 and len(best[0]) == len(parsed)
    return best, is_literal, not flags & (re.DOTALL | re.LOCALE) and found.stay_in_line(parsed)


class _Literals:
    """Takes required literals out of what Python's parser returns; ``codes`` has its names."""

    def __init__(self, codes: Any, *, ignores_case: bool) -> None:
        self.codes = codes
        self._ignores_case = ignores_case

    def of(self, parsed: Any) -> tuple[str, ...]:
        """Return the literals of which every match holds one; ()."""
        found: list[tuple[str, ...]] = []
        run = ""
        for op, value in parsed:
            if op is self.codes.LITERAL and self._is_usable(chr(value)):
                run += chr(value)
            elif op is not self.codes.AT:  # a boundary has no width
                found.append((run,))
                found.append(self._inside(op, value))
                run = ""
        found.append((run,))
        usable = [each for each in found if each and min(map(len, each)) >= _LEAST]
        return max(usable, key=lambda each: (min(map(len, each)), -len(each)), default=())

    def stay_in_line(self, parsed: Any) -> bool:
        """Return whether no part can match a newline or looks beyond the line."""
        return all(self._stays_in_line(op, value) for op, value in parsed)

    def _stays_in_line(self, op: Any, value: Any) -> bool:  # noqa: PLR0911 (a table of forms)
        codes = self.codes
        if op is codes.LITERAL:
            return value != ord("\n")
        if op is codes.ANY:
            return True
        if op is codes.AT:
            return value in (codes.AT_BEGINNING, codes.AT_END, codes.AT_BOUNDARY)
        if op is codes.IN:
            return all(self._excludes_newline(*each) for each in value)
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self.stay_in_line(value[2])
        if op is codes.SUBPATTERN:
            return not value[1] and self.stay_in_line(value[3])
        if op is codes.BRANCH:
            return all(self.stay_in_line(each) for each in value[1])
        return False

    def _excludes_newline(self, op: Any, value: Any) -> bool:
        codes = self.codes
        if op is codes.RANGE:
            return not value[0] <= ord("\n") <= value[1]
        if op is codes.CATEGORY:
            return value in (codes.CATEGORY_DIGIT, codes.CATEGORY_WORD)
        return op is codes.LITERAL and value != ord("\n")

    def _is_usable(self, character: str) -> bool:
        """Return whether a character stands for its own bytes: lines are made lower case as ASCII,
        and a newline is in none of them."""
        return character != "\n" and (character.isascii() or not self._ignores_case)

    def _inside(self, op: Any, value: Any) -> tuple[str, ...]:
        codes = self.codes
        if op is codes.SUBPATTERN:
            _, added, removed, inner = value
            return () if added or removed else self.of(inner)
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            least, _, inner = value
            return self.of(inner) if least else ()
        if op is codes.ATOMIC_GROUP:
            return self.of(value)
        if op is codes.BRANCH:
            sides = [self.of(each) for each in value[1]]
            union = tuple(each for side in sides for each in side)
            return union if all(sides) and len(union) <= MOST_LITERALS else ()
        return ()
