"""One row of a log as lines of cells: gutter (mark, time, instance, stream), then the text."""

import time
from typing import Literal, NamedTuple
from zlib import crc32

from rich.style import Style
from textual.strip import Strip

from monit_agent.client.logs.filter import Matcher
from monit_agent.client.logs.folded import Fold
from monit_agent.client.logs.rows import LogGap, LogLine, Row
from monit_agent.client.text.format import format_bytes
from monit_agent.logtext.levels import Level, level_of
from monit_agent.wire.ids import InstanceId
from monit_tui.palettes import Tone
from monit_tui.text.cells import Parts, cropped, highlighted, over_span, styled, wrapped
from monit_tui.text.compact import compact_json
from monit_tui.text.http import outcome_of, status_span
from monit_tui.text.pretty import json_rows
from monit_tui.theme import Look
from monit_tui.widgets.lines import make_strip

Stamps = Literal["off", "time", "date", "since"]
"""What is before each line: nothing, its time of day, date and time, or the time since the row
above."""

STAMPS: tuple[Stamps, ...] = ("time", "date", "since", "off")

JsonForm = Literal["compact", "fields", "raw"]
"""How JSON lines are shown: as level, message and ``key=value``, a field a row, or as printed."""

JSON_FORMS: tuple[JsonForm, ...] = ("compact", "fields", "raw")
_STAMP_CELLS: dict[Stamps, int] = {"off": 0, "time": 13, "date": 24, "since": 10}
_CLOCK_CELLS = 9
"""Cells of a time of day without its milliseconds."""

Names = Literal["none", "number", "full"]
"""How a row names its instance: not at all, ``0``, or ``web/0``."""

NAME_CELLS = 16
"""Most cells of an instance's name in each row."""

_LEVELS: dict[Level, Tone] = {"error": "bad", "warn": "warn", "info": "plain", "debug": "muted"}
_MATCH = Style(reverse=True)
_NO_STYLE = Style()


class RowLayout(NamedTuple):
    """Everything that determines how a row is drawn, except the row."""

    width: int
    look: Look
    stamps: Stamps = "time"
    names: Names = "none"
    name_cells: int = 0
    wrap: bool = False
    json: JsonForm = "compact"
    x: int = 0
    """First column of the text, when rows are not wrapped."""
    open_key: str = "Enter"
    """The key that loads skipped lines."""
    query: Matcher | None = None

    @property
    def gutter(self) -> int:
        """Return the cells before the text; parts that leave no room for text are left out."""
        return 1 + self.stamp_cells + self.who_cells + self.stream_cells

    @property
    def stamp_cells(self) -> int:
        """Return the cells of the time and the blank after it. A narrow pane has its cells for
        the text, so a time of day is without milliseconds there."""
        if self.width < 48:
            return 0
        short = self.stamps == "time" and self.width < 80
        return _CLOCK_CELLS if short else _STAMP_CELLS[self.stamps]

    @property
    def who_cells(self) -> int:
        """Return the cells of the instance and the blank after it."""
        return self.name_cells + 1 if self.names != "none" and self.width >= 24 else 0

    @property
    def stream_cells(self) -> int:
        """Return the cells of the stream and the blank after it: a word, or one sign if narrow."""
        return 4 if self.width >= 70 else 2 if self.width >= 12 else 0

    @property
    def room(self) -> int:
        """Return the cells for the text, at least one."""
        return max(1, self.width - self.gutter)


class RowState(NamedTuple):
    """What is known of a row besides its text."""

    above_ns: int = 0
    """Time of the row above, or 0."""
    marked: bool = False
    opened: bool = False
    """Whether the record is shown in full."""
    repeated_ns: int = 0
    """Time of the last of equal blocks that the row stands for, or 0."""
    fold: Fold | None = None
    """What the row stands for besides itself."""


def row_lines(row: Row, layout: RowLayout, state: RowState) -> list[Strip]:
    """Return the lines of ``row``, each exactly as wide as the layout."""
    if isinstance(row, LogGap):
        return [_gap(row, layout)]
    if state.opened:
        layout = layout._replace(wrap=True, json="fields")
    texts = _texts(row, layout, state)
    head = _gutter(row, layout, state)
    rest: Parts = [(_rest_of_gutter(layout), layout.look.style("muted"))]
    return [
        make_strip([*(rest if number else head), *text], layout.width)
        for number, text in enumerate(texts)
    ]


def _rest_of_gutter(layout: RowLayout) -> str:
    """Return what is before the second and later lines of a row: a mark, if there is room."""
    if layout.gutter < 2 or not layout.wrap:
        return " " * layout.gutter
    return f"{layout.look.glyphs.corner:>{layout.gutter - 1}} "


def _texts(row: LogLine, layout: RowLayout, state: RowState) -> list[Parts]:
    stack = state.fold is not None and state.fold.size > 1
    level = "error" if stack else level_of(row.raw)
    base = layout.look.style(_LEVELS[level] if level else "plain")
    if level:  # whole lines: bold letters would shout
        base += Style(bold=False)
    fields = json_rows(row.raw) if layout.json == "fields" else None
    if fields is not None:
        return [
            line
            for field in fields
            for line in _fit(_searched(styled(field.encode(), base, 1 << 20), layout), layout)
        ]
    most = 1 << 20 if layout.wrap else layout.x + layout.room + 1
    parts = _compact(row.raw, layout, base) if layout.json == "compact" else None
    if parts is None:
        parts = styled(row.raw, base, most)
        parts = _tinted(parts, layout) if level in (None, "info") else parts
    parts = _searched(parts, layout)
    return _fit(_with_fold(_with_ends(parts, row, layout), layout, state.fold), layout)


def _compact(raw: bytes, layout: RowLayout, base: Style) -> Parts | None:
    """Return a JSON line as level, message and ``key=value``; None for other lines, and when that
    would hide what is searched for."""
    if raw.lstrip()[:1] != b"{":
        return None
    pieces = compact_json(raw, with_time=layout.stamps == "off")
    if pieces is None:
        return None
    if layout.query is not None and layout.query.matches(raw):
        text = "".join(piece.text for piece in pieces)
        if not layout.query.matches(text.encode(errors="backslashreplace")):
            return None
    muted = layout.look.style("muted")
    parts: Parts = []
    for piece in pieces:
        style = muted if piece.role == "key" else base
        outcome = outcome_of(piece.text) if piece.role == "status" else None
        style = layout.look.style(outcome) + Style(bold=False) if outcome else style
        parts += styled(piece.text.encode(errors="backslashreplace"), style, 1 << 20)
    return parts


def _tinted(parts: Parts, layout: RowLayout) -> Parts:
    """Colour the status of an HTTP response."""
    text = "".join(part for part, _ in parts)
    span = status_span(text)
    outcome = None if span is None else outcome_of(text[slice(*span)])
    if span is None or outcome is None:
        return parts
    return over_span(parts, span, layout.look.style(outcome) + Style(bold=False))


def _with_fold(parts: Parts, layout: RowLayout, fold: Fold | None) -> Parts:
    """Return a row with how many lines it stands for, in front, where long lines are not cut."""
    if fold is None:
        return parts
    glyphs, style = layout.look.glyphs, layout.look.style
    front: Parts = []
    if fold.size > 1:
        front.append((f"{glyphs.folded} {fold.size} lines ", style("muted")))
    if fold.times > 1:
        front.append((f"{glyphs.times}{fold.times:,} ", style("accent")))
    return [*front, *parts]


def _fit(parts: Parts, layout: RowLayout) -> list[Parts]:
    if layout.wrap:
        return wrapped(parts, layout.room)
    return [cropped(parts, layout.x, layout.room)]


def _searched(parts: Parts, layout: RowLayout) -> Parts:
    return highlighted(parts, layout.query.spans, _MATCH) if layout.query else parts


def _with_ends(parts: Parts, row: LogLine, layout: RowLayout) -> Parts:
    """Mark a line that is not whole: its start is missing, it is cut, or it has not ended yet."""
    muted, dots = layout.look.style("muted"), layout.look.glyphs.ellipsis
    if row.ragged:
        parts = [(dots, muted), *parts]
    if row.cut:
        parts = [*parts, (f"{dots}+{format_bytes(row.cut)}", muted)]
    elif not row.whole and not row.ragged:
        parts = [*parts, (dots, muted)]
    return parts


def _gutter(row: LogLine, layout: RowLayout, state: RowState) -> Parts:
    style = layout.look.style
    parts: Parts = [(">" if state.marked else " ", style("accent"))]
    if layout.stamp_cells:
        at_ns = state.repeated_ns or row.at_ns
        stamp = format_stamp(at_ns, layout.stamps, state.above_ns)
        parts.append((f"{stamp[: layout.stamp_cells - 1]} ", style("muted")))
    if layout.who_cells:
        name = instance_label(row.key.identity, layout.names)
        parts.append((f"{name[-layout.name_cells :]:>{layout.name_cells}} ", _hue(row, layout)))
    if layout.stream_cells:
        err = row.key.stream == "err"
        word = ("err " if err else "out ") if layout.stream_cells == 4 else "! " if err else "  "
        parts.append((word, style("plain" if err else "muted")))
    return parts


def _hue(row: LogLine, layout: RowLayout) -> Style:
    """Return the colour of an instance: neighbours differ."""
    identity, hues = row.key.identity, layout.look.hues
    return hues[(crc32(str(identity.app_id).encode()) + identity.instance) % len(hues)]


def instance_label(identity: InstanceId, names: Names) -> str:
    """Return an instance's name as rows show it."""
    return str(identity.instance) if names == "number" else str(identity)


def choose_names(identities: tuple[InstanceId, ...]) -> tuple[Names, int]:
    """Return how rows of these instances name them, and the cells for that."""
    if len(identities) < 2:
        return "none", 0
    names: Names = "number" if len({one.app_id for one in identities}) == 1 else "full"
    return names, min(NAME_CELLS, max(len(instance_label(one, names)) for one in identities))


def format_stamp(at_ns: int, stamps: Stamps, above_ns: int) -> str:
    """Return a time with the blank after it, always the same width."""
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


def _gap(gap: LogGap, layout: RowLayout) -> Strip:
    glyphs, muted = layout.look.glyphs, layout.look.style("busy")
    where = "" if layout.names == "none" else f"{gap.key.identity} "
    amount = f"{format_bytes(gap.end - gap.start)} of {where}{gap.key.stream}"
    text = f"{amount} no longer in the file" if gap.gone else f"{amount} skipped"
    hint = "" if gap.gone else f" {glyphs.dot} {layout.open_key} loads them"
    text = f" {glyphs.rule * 2} {text}{hint} "
    return make_strip(
        [(text, muted), (glyphs.rule * max(0, layout.width - len(text)), muted)], layout.width
    )
