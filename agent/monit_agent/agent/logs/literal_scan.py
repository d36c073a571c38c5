"""Passes over the parts of a stream in which no line can match, without making lines of them.

Most expressions hold a literal, and most of a log does not. Such parts are read into one buffer.
Where a byte of the literal is missing in it, nothing else is looked at: 15 GB/s. Else `memmem` of
the C library searches: 4 to 10 GB/s, two to three times as fast as `bytes.find`.
"""

import re
from collections.abc import Callable
from functools import cache

from monit_agent.agent.logs.segments import Segments
from monit_agent.logtext.expression import Expression

WINDOW_BYTES = 256 * 1024
"""Read at once; it stays in a processor's cache."""

_MANY = 150
"""After so many matches in a window, one regular expression counts the others: it takes 70 ns for a
match, but half a nanosecond for a byte. In a window behind one with so many it counts them all."""

Find = Callable[[bytearray, bytes, int], int]
"""Returns where a buffer holds a literal from an offset on; -1 when it does not."""


class LiteralScan:
    """Goes through ``stream`` between the offsets ``low`` and ``high``, both at the beginning of a
    line, for an expression with literals. ``is_over`` returns whether it must end. With ``counts``,
    for an expression that is nothing but a literal, lines that match are counted and passed over
    too."""

    def __init__(
        self,
        stream: Segments,
        expression: Expression,
        low: int,
        high: int,
        is_over: Callable[[], bool],
        *,
        counts: bool,
    ) -> None:
        self.matches = 0
        """Lines that match among those that were passed over."""
        self._stream = stream
        self._ignores_case = expression.ignores_case
        self._literals = [
            _Literal(each, ignores_case=self._ignores_case) for each in expression.literals
        ]
        self._low = low
        self._high = high
        self._is_over = is_over
        self._counts = counts
        self._is_dense = False
        """Whether the last window that held the literal had `_MANY` matches."""
        self._buffer = bytearray(WINDOW_BYTES)
        self._view = memoryview(self._buffer)
        self._find = _finder()

    def before(self, high: int) -> int:
        """Return up to where the lines before ``high`` must be searched."""
        while high > self._low and not self._is_over():
            size = self._stream.read_into_before(high, self._view[: high - self._low])
            is_first = high - size == self._low
            start = 0 if is_first else self._buffer.find(b"\n", 0, max(0, size - 1)) + 1
            if not size or not (is_first or start):  # nothing, or a line that is longer
                break
            if not self._passes(start, size):
                break
            high -= size - start
        return high

    def after(self, low: int) -> int:
        """Return from where on the lines behind ``low`` must be searched."""
        while low < self._high and not self._is_over():
            size = self._stream.read_into(low, self._view[: self._high - low])
            is_last = low + size == self._high
            stop = size if is_last else self._buffer.rfind(b"\n", 0, size) + 1
            if not stop or not self._passes(0, stop):
                break
            low += stop
        return low

    def _passes(self, start: int, stop: int) -> bool:
        """Return whether no line between ``start`` and ``stop`` of the buffer needs a further
        look."""
        hay = self._buffer if stop == len(self._buffer) else self._buffer[:stop]
        if b"\x1b" in hay:
            return False  # a colour may stand inside the literal
        literals = [each for each in self._literals if each.has_bytes_in(hay)]
        if not literals:
            return True
        hay = hay.lower() if self._ignores_case else hay
        if not any(self._find(hay, each.text, 0) >= 0 for each in literals):
            return True
        if not self._counts:
            return False
        found = self._count(hay, start, literals[0])
        self._is_dense = found >= _MANY
        self.matches += found
        return True

    def _count(self, hay: bytearray, start: int, literal: "_Literal") -> int:
        """Return how many lines from ``start`` on hold the literal."""
        if self._is_dense:
            return len(literal.and_rest.findall(hay, start))
        count = 0
        at = self._find(hay, literal.text, start)
        while at >= 0:
            count += 1
            end = hay.find(b"\n", at)
            if end < 0:
                break
            if count == _MANY:
                return count + len(literal.and_rest.findall(hay, end))
            at = self._find(hay, literal.text, end)
        return count


class _Literal:
    """A literal, and its bytes: where one of them is missing, there is no need to look further."""

    def __init__(self, text: bytes, *, ignores_case: bool) -> None:
        self.text = text
        self.and_rest = re.compile(re.escape(text) + rb".*()")
        """The literal with what follows it in its line, of which `findall` copies nothing."""
        self._bytes = [
            {byte, *chr(byte).upper().encode()} if ignores_case and byte < 128 else {byte}
            for byte in dict.fromkeys(text)
        ]
        """Each byte, as upper and lower case letter where both count."""
        self._rare = self._bytes[0]
        """The one that was missing last."""

    def has_bytes_in(self, hay: bytearray) -> bool:
        """Return whether each byte of the literal is in ``hay``."""
        for either in (self._rare, *self._bytes):
            if not any(byte in hay for byte in either):
                self._rare = either
                return False
        return True


@cache
def _finder() -> Find:
    """Return what looks for a literal."""
    try:
        import ctypes  # noqa: PLC0415  some builds of Python have none

        memmem = ctypes.CDLL(None).memmem
    except (ImportError, OSError, AttributeError):
        return bytearray.find
    memmem.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    memmem.restype = ctypes.c_void_p
    first, address_of = ctypes.c_char.from_buffer, ctypes.addressof

    def find(hay: bytearray, literal: bytes, start: int) -> int:
        address = address_of(first(hay))
        found = memmem(address + start, len(hay) - start, literal, len(literal))
        return -1 if found is None else found - address

    return find
