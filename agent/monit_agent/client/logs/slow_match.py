"""Ends a regular expression that takes too long for a line: with a repeat inside a repeat, as in
``(a+)+$``, one line could take years, and nothing else would run meanwhile.

The interpreter looks for signals within a match, so that the signal of a timer can end it. Python
handles signals in the main thread alone; elsewhere nothing is limited.
"""

import signal
import threading
from collections.abc import Callable
from typing import Any, TypeVar

LINE_S = 0.1
"""As in the search of an agent: a line that takes more CPU time is given up. Time does not count in
which another process has the processor: on a busy machine any line may take long."""

Found = TypeVar("Found")


class SlowMatchError(Exception):
    """The expression takes too long for this text."""


def match_in_time(match: Callable[[Any], Found], text: Any) -> Found:
    """Return what ``match`` returns for ``text``, or raise `SlowMatchError` after `LINE_S`."""
    if threading.current_thread() is not threading.main_thread():
        return match(text)
    handler = signal.signal(signal.SIGVTALRM, _end)
    others = signal.setitimer(signal.ITIMER_VIRTUAL, LINE_S)
    try:
        return match(text)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, *others)
        signal.signal(signal.SIGVTALRM, handler)


def _end(*_: Any) -> None:
    raise SlowMatchError
