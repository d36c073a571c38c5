"""Writing log lines: to a terminal, to a pipe, as JSON."""

import zlib
from collections.abc import Mapping, Sequence

from monit_agent.cli.render import output
from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.client.logs.lines import StreamLine
from monit_agent.client.logs.rows import StreamKey
from monit_agent.client.text.sanitize import coloured_text, plain_text
from monit_agent.logtext.levels import level_of

PREFIX_COLOURS = ("cyan", "magenta", "blue", "green", "yellow")


class LogWriter:
    """Writes lines to stdout. On a terminal, colours are kept and other control characters are made
    visible. In a pipe, colours are removed as well: a terminal is often at its other end, behind
    ``grep`` or ``head``. With ``bare``, a pipe gets the bytes as they are."""

    def __init__(self, screen: TerminalTraits, *, as_json: bool, bare: bool) -> None:
        self._screen = screen
        self._as_json = as_json
        self._bare = bare
        self._widest = 0
        self._prefixes: dict[tuple[StreamKey, bool], bytes] = {}
        """By stream, and whether a line is one of the context: there are many lines and few of
        these."""
        self._has_group = False
        self._unended: tuple[StreamKey, int] | None = None
        """Stream and offset after bytes that were written without a newline."""

    def widen(self, keys: Sequence[StreamKey]) -> None:
        """Make room for the prefixes of these streams."""
        widest = max([self._widest, *(len(_label(key)) for key in keys)])
        if widest > self._widest:
            self._widest = widest
            self._prefixes.clear()

    def write(self, lines: Sequence[StreamLine]) -> None:
        """Write lines in the order given."""
        if not lines:
            return
        if self._as_json:
            self._write_json(lines)
            return
        if self._bare and not self._screen.is_tty:
            output.write_raw(b"".join(self._as_printed(line) for line in lines))
            return
        self.widen([*{line.key for line in lines}])
        output.write_raw(b"".join(self._bytes(line) for line in lines))

    def write_group(self, lines: Sequence[StreamLine]) -> None:
        """Write lines that follow one another, apart from the group before."""
        if self._has_group and not self._as_json:
            output.write_raw(b"--\n")
        self._has_group = True
        self.write(lines)

    def write_counts(self, counts: Mapping[StreamKey, int], *, as_json: bool) -> None:
        """Write a row for each stream, and the total of several."""
        if as_json:
            for key, count in counts.items():
                who = key.identity
                output.write_json_line(
                    {
                        "host": who.host,
                        "app": who.app,
                        "instance": who.instance,
                        "stream": key.stream,
                        "count": count,
                    }
                )
            return
        rows = [(count, _label(key)) for key, count in counts.items()]
        if len(rows) > 1:
            rows.append((sum(counts.values()), "total"))
        width = max((len(str(count)) for count, _ in rows), default=0)
        output.write_lines(f"{count:{width}} {label}" for count, label in rows)

    def _write_json(self, lines: Sequence[StreamLine]) -> None:
        for line in lines:
            if line.note:
                _write_note(line)
                continue
            output.write_json_line(
                {
                    "host": line.key.identity.host,
                    "app": line.key.identity.app,
                    "instance": line.key.identity.instance,
                    "stream": line.key.stream,
                    "offset": line.offset,
                    "at": line.at_ns / 1e9 if line.at_ns else None,
                    "level": level_of(line.raw),
                    "context": line.context,
                    "count": line.times,
                    "lines": line.size,
                    "line": line.raw.decode(errors="replace"),
                }
            )

    def _bytes(self, line: StreamLine) -> bytes:
        prefix = b"" if self._bare else self._prefix(line)
        folded = _folded_text(line)
        folded = self._screen.paint(folded, "dim").encode() if folded else b""
        if not self._screen.is_tty:
            return prefix + _whole_text(line.raw).encode() + folded + b"\n"
        if line.note:
            text = self._screen.paint(line.raw.decode(), "yellow")
        else:
            text = coloured_text(line.raw) if self._screen.colour else plain_text(line.raw)
        return prefix + text.encode(errors="backslashreplace") + folded + b"\n"

    def _as_printed(self, line: StreamLine) -> bytes:
        """Return the bytes of a line; a newline is added only where another stream's bytes, or
        bytes from elsewhere in the stream, would continue an unended line."""
        if line.note:
            _write_note(line)
            return b""
        continues = self._unended in (None, (line.key, line.offset))
        self._unended = None if line.ended else (line.key, line.offset + len(line.raw))
        return (b"" if continues else b"\n") + line.raw + (b"\n" if line.ended else b"")

    def _prefix(self, line: StreamLine) -> bytes:
        known = self._prefixes.get((line.key, line.context))
        if known is None:
            known = self._make_prefix(line).encode()
            self._prefixes[line.key, line.context] = known
        return known

    def _make_prefix(self, line: StreamLine) -> str:
        mark = "-" if line.context else "|"
        label = f"{_label(line.key).ljust(self._widest)} {mark} "
        name = str(line.key.identity).encode()
        colour = PREFIX_COLOURS[zlib.crc32(name) % len(PREFIX_COLOURS)]
        return self._screen.paint(label, "red" if line.key.stream == "err" else colour)


def _folded_text(line: StreamLine) -> str:
    """Return what a line stands for, "" for itself alone."""
    if line.size == line.times == 1:
        return ""
    parts = [f"{line.size} lines"] if line.size > 1 else []
    parts += [f"{line.times} times"] if line.times > 1 else []
    return f"  ({', '.join(parts)})" if parts else ""


def _write_note(line: StreamLine) -> None:
    output.write_message(f"monit: {_label(line.key)}: {line.raw.decode()}")


def _whole_text(raw: bytes) -> str:
    """Return a line as safe text, with what a terminal would have overwritten: ``^M`` is put
    where a carriage return was."""
    if b"\r" not in raw:
        return plain_text(raw)
    return "^M".join(plain_text(part) for part in raw.rstrip(b"\r").split(b"\r"))


def _label(key: StreamKey) -> str:
    return str(key.identity) + (" err" if key.stream == "err" else "")
