"""Log lines leave the screen: as text for the clipboard, as bytes for a file."""

import os
import time
from collections.abc import Iterable

from monit_agent.client.logrows import LogGap, LogLine, Row
from monit_agent.client.plain import plain_text
from monit_tui.widgets.log_render import stamp


def as_text(rows: Iterable[Row]) -> str:
    """Give rows as safe text without colours, one a line, as the screen shows them."""
    lines = [
        f"[{row.end - row.start} bytes missing]" if isinstance(row, LogGap) else plain_text(row.raw)
        for row in rows
    ]
    return "\n".join(lines)


def save(rows: Iterable[Row], name: str, folder: str) -> tuple[str, int]:
    """Write rows into a new file of ``folder`` and give its path and how many lines it has.

    Lines of one stream are written byte for byte; those of several carry time, instance and
    stream. A gap is a line that says so. OSError when it cannot be written.
    """
    kept = list(rows)
    many = len({row.key for row in kept}) > 1
    path, descriptor = _new_file(folder, name)
    with open(descriptor, "wb") as file:
        for row in kept:
            file.write(_prefix(row) if many else b"")
            file.write(_content(row) + b"\n")
    return path, len(kept)


def _content(row: Row) -> bytes:
    if isinstance(row, LogLine):
        cut = b"[%d bytes cut]" % row.cut if row.cut else b""
        return row.raw + cut
    return b"[%d bytes missing]" % (row.end - row.start)


def _prefix(row: Row) -> bytes:
    key = row.key
    return f"{stamp(row.at_ns, 'date', 0)}{key.app}/{key.instance} {key.stream} ".encode()


def _new_file(folder: str, name: str) -> tuple[str, int]:
    moment = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(100):
        suffix = f"-{attempt}" if attempt else ""
        path = os.path.join(folder, f"monit-{name}-{moment}{suffix}.log")
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
    raise FileExistsError(f"{folder} holds a hundred files of this second")
