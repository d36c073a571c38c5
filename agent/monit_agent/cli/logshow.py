"""How a line of a log is written: for a terminal, for a pipe, as JSON."""

import zlib
from collections.abc import Sequence

from monit_agent.cli import output
from monit_agent.cli.logstream import Line
from monit_agent.cli.terminal import Terminal
from monit_agent.client.logrows import StreamKey
from monit_agent.client.plain import coloured_text, plain_text

PREFIX_COLOURS = ("cyan", "magenta", "blue", "green", "yellow")


class LogWriter:
    """Writes lines to stdout. On a terminal colours pass and nothing else that could steer it;
    in a pipe the bytes pass as they are."""

    def __init__(self, screen: Terminal, *, as_json: bool, bare: bool) -> None:
        self._screen = screen
        self._as_json = as_json
        self._bare = bare
        self._widest = 0

    def widen(self, keys: Sequence[StreamKey]) -> None:
        """Make room for the prefixes of these streams."""
        self._widest = max([self._widest, *(len(_label(key)) for key in keys)])

    def write(self, lines: Sequence[Line]) -> None:
        """Write lines in the order given."""
        if not lines:
            return
        if self._as_json:
            self._write_json(lines)
            return
        self.widen([line.key for line in lines])
        output.write_raw(b"".join(self._bytes(line) for line in lines))

    def _write_json(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if line.note:
                output.say(f"monit: {_label(line.key)}: {line.raw.decode()}")
                continue
            output.write_json_line(
                {
                    "app": line.key.app,
                    "instance": line.key.instance,
                    "stream": line.key.stream,
                    "offset": line.offset,
                    "at": line.at_ns / 1e9 if line.at_ns else None,
                    "line": line.raw.decode(errors="replace"),
                }
            )

    def _bytes(self, line: Line) -> bytes:
        prefix = b"" if self._bare else self._prefix(line).encode()
        if not self._screen.is_tty:
            return prefix + line.raw + b"\n"
        if line.note:
            text = self._screen.paint(line.raw.decode(), "yellow")
        else:
            text = coloured_text(line.raw) if self._screen.colour else plain_text(line.raw)
        return prefix + text.encode(errors="backslashreplace") + b"\n"

    def _prefix(self, line: Line) -> str:
        label = f"{_label(line.key).ljust(self._widest)} | "
        name = f"{line.key.app}/{line.key.instance}".encode()
        colour = PREFIX_COLOURS[zlib.crc32(name) % len(PREFIX_COLOURS)]
        return self._screen.paint(label, "red" if line.key.stream == "err" else colour)


def _label(key: StreamKey) -> str:
    return f"{key.app}/{key.instance}" + (" err" if key.stream == "err" else "")
