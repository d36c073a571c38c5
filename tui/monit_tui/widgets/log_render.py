"""One row of a log as lines of cells: gutter (mark, time, instance, stream), then the text."""

import re
import time
from typing import Literal, NamedTuple

from rich.style import Style
from textual.strip import Strip

from monit_agent.client.levels import Level, level_of
from monit_agent.client.logrows import LogGap, LogLine, Row
from monit_agent.client.view import Identity
from monit_tui.format import size
from monit_tui.text.cells import Parts, cropped, highlighted, styled, wrapped
from monit_tui.text.pretty import pretty
from monit_tui.theme import Look
from monit_tui.widgets.lines import strip

Stamps = Literal["off", "time", "date", "since"]
"""Before each line: nothing, its time of day, date and time, or the time since the row above."""

STAMPS: tuple[Stamps, ...] = ("time", "date", "since", "off")
_STAMP_CELLS: dict[Stamps, int] = {"off": 0, "time": 13, "date": 24, "since": 10}

Names = Literal["none", "number", "full"]
"""How a row says whose it is: not at all, ``0``, or ``web/0``."""

NAME_CELLS = 16
"""Most cells that the name of an instance takes in each row."""

_LEVELS: dict[Level, Style] = {
    "error": Style(color="red"),
    "warn": Style(color="yellow"),
    "info": Style(),
    "debug": Style(dim=True),
}
_MATCH = Style(reverse=True)
_NO_STYLE = Style()


class Layout(NamedTuple):
    """All that decides how a row looks, but the row itself."""

    width: int
    look: Look
    stamps: Stamps = "time"
    names: Names = "none"
    name_cells: int = 0
    wrap: bool = False
    pretty: bool = False
    x: int = 0
    """First column of the text, when rows are not wrapped."""
    query: re.Pattern[str] | None = None

    @property
    def gutter(self) -> int:
        """Cells before the text; what does not leave room for text is left out."""
        return 1 + self.stamp_cells + self.who_cells + self.stream_cells

    @property
    def stamp_cells(self) -> int:
        """Cells of the time and the blank behind it."""
        return _STAMP_CELLS[self.stamps] if self.width >= 48 else 0

    @property
    def who_cells(self) -> int:
        """Cells of the instance and the blank behind it."""
        return self.name_cells + 1 if self.names != "none" and self.width >= 24 else 0

    @property
    def stream_cells(self) -> int:
        """Cells of the stream and the blank behind it: a word, or one sign where it is narrow."""
        return 4 if self.width >= 70 else 2 if self.width >= 12 else 0

    @property
    def room(self) -> int:
        """Cells for the text, at least one."""
        return max(1, self.width - self.gutter)


def lines_of(row: Row, layout: Layout, above_ns: int, *, marked: bool) -> list[Strip]:
    """Give the lines that show ``row``, each exactly as wide as the layout says."""
    if isinstance(row, LogGap):
        return [_gap(row, layout)]
    texts = _texts(row, layout)
    head = _gutter(row, layout, above_ns, marked=marked)
    rest: Parts = [(" " * layout.gutter, _NO_STYLE)]
    return [
        strip([*(rest if number else head), *text], layout.width)
        for number, text in enumerate(texts)
    ]


def _texts(row: LogLine, layout: Layout) -> list[Parts]:
    level = level_of(row.raw)
    base = _LEVELS[level] if level else _NO_STYLE
    if layout.pretty:
        fields = pretty(row.raw)
        if fields is not None:
            return [
                line
                for field in fields
                for line in _fit(_searched(styled(field.encode(), base, 1 << 20), layout), layout)
            ]
    most = 1 << 20 if layout.wrap else layout.x + layout.room + 1
    parts = _searched(styled(row.raw, base, most), layout)
    return _fit(_with_ends(parts, row, layout), layout)


def _fit(parts: Parts, layout: Layout) -> list[Parts]:
    if layout.wrap:
        return wrapped(parts, layout.room)
    return [cropped(parts, layout.x, layout.room)]


def _searched(parts: Parts, layout: Layout) -> Parts:
    return highlighted(parts, layout.query, _MATCH) if layout.query else parts


def _with_ends(parts: Parts, row: LogLine, layout: Layout) -> Parts:
    """Say where a line is not whole: its beginning missing, cut, or not ended yet."""
    muted, dots = layout.look.style("muted"), layout.look.glyphs.ellipsis
    if row.ragged:
        parts = [(dots, muted), *parts]
    if row.cut:
        parts = [*parts, (f"{dots}+{size(row.cut)}", muted)]
    elif not row.whole and not row.ragged:
        parts = [*parts, (dots, muted)]
    return parts


def _gutter(row: LogLine, layout: Layout, above_ns: int, *, marked: bool) -> Parts:
    style = layout.look.style
    parts: Parts = [(">" if marked else " ", style("accent"))]
    if layout.stamp_cells:
        parts.append((stamp(row.at_ns, layout.stamps, above_ns), style("muted")))
    if layout.who_cells:
        name = who(row.key.identity, layout.names)
        parts.append((f"{name[-layout.name_cells :]:>{layout.name_cells}} ", style("key")))
    if layout.stream_cells:
        err = row.key.stream == "err"
        word = ("err " if err else "out ") if layout.stream_cells == 4 else "! " if err else "  "
        parts.append((word, style("bad" if err else "muted")))
    return parts


def who(identity: Identity, names: Names) -> str:
    """Give an instance's name as rows carry it."""
    return str(identity.instance) if names == "number" else f"{identity.app}/{identity.instance}"


def names_of(identities: tuple[Identity, ...]) -> tuple[Names, int]:
    """Choose how rows of these instances name them, and give the cells for it."""
    if len(identities) < 2:
        return "none", 0
    names: Names = "number" if len({one.app for one in identities}) == 1 else "full"
    return names, min(NAME_CELLS, max(len(who(one, names)) for one in identities))


def stamp(at_ns: int, stamps: Stamps, above_ns: int) -> str:
    """Give a time with the blank behind it, always the same width."""
    width = _STAMP_CELLS[stamps]
    if not at_ns or not width:
        return " " * width
    if stamps == "since":
        return _since((at_ns - above_ns) / 1e9) if above_ns else " " * width
    seconds, rest = divmod(at_ns, 1_000_000_000)
    form = "%H:%M:%S" if stamps == "time" else "%Y-%m-%d %H:%M:%S"
    return f"{time.strftime(form, time.localtime(seconds))}.{rest // 1_000_000:03d} "


def _since(seconds: float) -> str:
    if abs(seconds) < 1000:
        return f"{seconds:+9.3f} "
    return f"{seconds:+8.0f}s " if abs(seconds) < 1_000_000 else f"{'+>11d':>9} "


def _gap(gap: LogGap, layout: Layout) -> Strip:
    glyphs, muted = layout.look.glyphs, layout.look.style("busy")
    where = "" if layout.names == "none" else f"{gap.key.app}/{gap.key.instance} "
    amount = f"{size(gap.end - gap.start)} of {where}{gap.key.stream}"
    words = f"{amount} gone from the file" if gap.gone else f"{amount} skipped here"
    hint = "" if gap.gone else f" {glyphs.dot} Enter fetches"
    text = f" {glyphs.rule * 2} {words}{hint} "
    return strip(
        [(text, muted), (glyphs.rule * max(0, layout.width - len(text)), muted)], layout.width
    )
