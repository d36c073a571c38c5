"""Lines out of the bytes of a stream."""


class LineBuffer:
    """Holds the line that is not complete yet, so that a stream may be read in any pieces."""

    __slots__ = ("_longest", "_partial")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._partial = bytearray()

    def add(self, data: bytes) -> list[bytes]:
        """Add what was read and return the lines that it completes, without their newlines."""
        if b"\n" not in data:
            self._partial += data  # a long line is not searched again with each piece
            return []
        first, *lines = data.split(b"\n")
        lines.insert(0, bytes(self._partial) + first)
        self._partial = bytearray(lines.pop())
        return lines

    @property
    def is_too_long(self) -> bool:
        """Whether the line that is not complete has more than ``longest`` bytes already."""
        return len(self._partial) > self._longest

    @property
    def partial(self) -> bytes:
        """The line that is not complete."""
        return bytes(self._partial)

    @property
    def held_bytes(self) -> int:
        """How long the line that is not complete is by now."""
        return len(self._partial)

    def clear(self) -> None:
        """Drop the line that is not complete."""
        self._partial.clear()
