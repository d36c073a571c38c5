"""Address space that is held for the moment when there is no memory left.

Python takes memory in pieces of a mebibyte, so what needs one object more can fail anywhere, also
in the middle of handling an exit. So it is tried, before anything is handled, whether such a piece
can be had; if not, what is held is given away first. It is never touched: it takes no memory.
"""

import mmap

ROOM_BYTES = 2 << 20
"""What must be there before anything is handled. To try takes about 10 µs."""
HELD_BYTES = 16 << 20
"""Enough for the exits and starts of hundreds of workers."""


class MemoryReserve:
    """``problem`` says that memory is short; None when it is not."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self._held: mmap.mmap | None = None
        self.look()

    def look(self) -> None:
        """Release what is held when there is no room, and hold it again when there is."""
        try:
            if self._held is None:
                self._held = mmap.mmap(-1, HELD_BYTES)
            mmap.mmap(-1, ROOM_BYTES).close()
        except (OSError, MemoryError):
            self._release()
            self.problem = "there is no memory left for monit itself"
        else:
            self.problem = None

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
        self._held = None
