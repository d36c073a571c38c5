"""Where the agent says what went wrong: one line on standard error, which is ``agent.log``.

Not the ``logging`` package: it costs 2.4 MB of resident memory in every app's agent, and
there is one destination and one level.
"""

import contextlib
import os
import sys
import time
import traceback

LOG_BYTES = 1024 * 1024
"""A log file longer than this begins anew: trouble that repeats must not fill the disk."""


def say(text: str) -> None:
    """Write ``text`` as one line with the wall clock's date and time in front."""
    with contextlib.suppress(OSError, ValueError):  # no descriptor, or none that has a size
        if os.fstat(sys.stderr.fileno()).st_size > LOG_BYTES:
            os.ftruncate(sys.stderr.fileno(), 0)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    sys.stderr.write(f"{stamp} {text}\n")
    sys.stderr.flush()


def say_caught(doing: str) -> None:
    """Write the exception being handled, with its traceback; ``doing`` says during what."""
    say(f"{doing}: {traceback.format_exc().rstrip()}")
