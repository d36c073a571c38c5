"""The keeper's own log: its standard error, which is ``keeper.log``, kept short."""

import os
import time

from monit_agent.os_text import escape_bytes

LOG_BYTES = 1 << 20


def note(text: str) -> None:
    """Write one line with the time in front. There is nowhere to tell of a failure."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {escape_bytes(text)}\n".encode()
    try:
        if os.fstat(2).st_size > LOG_BYTES:
            os.ftruncate(2, 0)
        os.write(2, line)
    except OSError:
        return
