"""What a manager keeps of what an app printed: the file that grows, and monit's rotated ones."""

import glob
import gzip
import os


class KeptLog:
    """The log whose newest file is at ``path``."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stem = path.removesuffix(".log")

    def length(self) -> int:
        """Return how many bytes were ever written; cheap enough to be called again and again."""
        before = 0
        for newest in self._rotated()[-1:]:
            before = self._offset(newest) + os.path.getsize(newest)  # never compressed
        return before + os.path.getsize(self._path)

    def read(self, start: int) -> bytes:
        """Return what was written from ``start`` on."""
        parts: list[bytes] = []
        at = 0
        for path in [*self._rotated(), self._path]:
            if path != self._path:
                at = self._offset(path)
            data = _content(path)
            if at + len(data) > start:
                parts.append(data[max(0, start - at) :])
            at += len(data)
        return b"".join(parts)

    def _rotated(self) -> list[str]:
        digits = "[0-9]" * 16
        return sorted(glob.glob(f"{glob.escape(self._stem)}.{digits}.log*"))

    def _offset(self, path: str) -> int:
        return int(path[len(self._stem) + 1 :].partition(".")[0])


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:  # compressed meanwhile
        path += ".gz"
        with open(path, "rb") as file:
            data = file.read()
    return gzip.decompress(data) if path.endswith(".gz") else data
