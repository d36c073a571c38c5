"""The keeper's own log: its standard error, which is ``keeper.log``, kept short."""

import os
import time

LOG_BYTES = 1 << 20


def note(text: str) -> None:
    """Write one line with the time in front. There is nowhere to tell of a failure."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode("utf-8", "replace")
    try:
        if os.fstat(2).st_size > LOG_BYTES:
            os.ftruncate(2, 0)
        os.write(2, line)
    except OSError:
        return
