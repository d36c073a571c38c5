"""Log lines as text for the clipboard, and as bytes for a file."""

from collections.abc import Iterable

from monit_agent.client.logs.rows import LogGap, LogLine, Row
from monit_agent.client.text.sanitize import plain_text
from monit_tui.text.new_file import new_file
from monit_tui.widgets.log.render import format_stamp


def rows_as_text(rows: Iterable[Row]) -> str:
    """Return rows as safe text without colours, one row a line."""
    lines = [
        f"[{row.end - row.start} bytes missing]" if isinstance(row, LogGap) else plain_text(row.raw)
        for row in rows
    ]
    return "\n".join(lines)


def save_rows(rows: Iterable[Row], name: str, folder: str) -> tuple[str, int]:
    """Write rows to a new file in ``folder``; return its path and number of lines.

    Lines of one stream are written byte for byte; lines of several streams have time, instance
    and stream before them. A gap becomes a line with its size. Raise OSError when the file cannot
    be written.
    """
    kept = list(rows)
    many = len({row.key for row in kept}) > 1
    path, descriptor = new_file(folder, name, ".log")
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
    return f"{format_stamp(row.at_ns, 'date', 0)}{key.identity} {key.stream} ".encode()
