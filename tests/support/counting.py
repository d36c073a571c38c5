"""Counts what a function does, where its duration would depend on the machine."""

import sys
from collections.abc import Callable
from pathlib import Path


def calls_made(does: Callable[[], object]) -> int:
    """Return how many functions ``does`` calls, of Python or of C."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        does()
    finally:
        sys.setprofile(None)
    return count


def bytes_read(does: Callable[[], object]) -> int:
    """Return how many bytes of files ``does`` reads, and some hundred of the counter."""
    before = _read_so_far()
    does()
    return _read_so_far() - before


def _read_so_far() -> int:
    return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])
