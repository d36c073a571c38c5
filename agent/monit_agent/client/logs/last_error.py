"""The line that says why a worker exited, safe to be shown. Pure."""

from collections.abc import Sequence

from monit_agent.client.text.sanitize import escape_controls
from monit_agent.logtext.reason import exit_reason
from monit_agent.wire.messages import Exit, LogPart

LINES = 80
"""Lines before an exit to fetch: a long traceback has them."""

LATE_S = 0.5
"""The last words of a worker may be read this long after its exit."""


def last_error(part: LogPart, end: Exit) -> str:
    """Return the line of ``part`` that says why a worker exited, "" when there is none."""
    return error_of(lines_until(part, end.at), end)


def lines_until(part: LogPart, exited_at: float) -> list[bytes]:
    """Return the lines of ``part`` that were printed up to an exit: what comes behind is the next
    worker's."""
    late = int((exited_at + LATE_S) * 1e9)
    cut = next((offset - part.offset for offset, at_ns in part.times if at_ns > late), None)
    data = part.data if cut is None else part.data[: max(0, cut)]
    return data.split(b"\n")[:-1] if data.endswith(b"\n") else data.split(b"\n")


def error_of(lines: Sequence[bytes], end: Exit) -> str:
    """Return the line of ``lines`` that says why a worker exited, "" when there is none."""
    return escape_controls(exit_reason(lines, end.code, end.signal))
