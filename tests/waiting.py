"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], *, deadline_s: float = 15.0, what: str = "") -> T:
    """Return the first true value of ``predicate``; fail after ``deadline_s`` seconds.

    Looks every 5 ms: short against what a person notices, long against what it costs.
    """
    end = time.monotonic() + deadline_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what or predicate}")
        time.sleep(0.005)
