"""Where the next line ends among the bytes that wait in a pipe.

The bytes stay in the pipe: one that was read into the keeper would be lost with it.
"""

import os

from monit_agent.system.kernel_calls import tee_pipe
from monit_agent.system.suppress import suppress

PEEK_BYTES = 64 * 1024
"""What the second pipe holds; a longer rest of a line is moved in parts of this size."""


def length_to_line_end(pipe: int) -> int:
    """Return how many of the waiting bytes may be moved without beginning another line: up to the
    first newline, or all that were seen. 1 when nothing was seen."""
    with suppress(OSError):
        waiting = _peek(pipe)
        return waiting.find(b"\n") + 1 or len(waiting) or 1
    return 1


def _peek(pipe: int) -> bytes:
    reader, writer = os.pipe()
    try:
        seen = tee_pipe(pipe, writer, PEEK_BYTES)
        return os.read(reader, seen) if seen > 0 else b""
    finally:
        os.close(reader)
        os.close(writer)
