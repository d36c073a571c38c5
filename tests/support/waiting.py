"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], *, deadline_s: float = 60.0, what: str = "") -> T:
    """Return the first true value of ``predicate``; fail after ``deadline_s`` seconds.

    It looks again after 5 ms, short against what a person notices, or after as long as the look
    took: one that starts a program must not keep a core busy.
    """
    end = time.monotonic() + deadline_s
    while True:
        begun = time.monotonic()
        value = predicate()
        if value:
            return value
        now = time.monotonic()
        if now > end:
            raise AssertionError(f"not within {deadline_s} s: {what or predicate}")
        time.sleep(max(0.005, now - begun))
