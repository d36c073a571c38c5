"""Charts of several metrics on one time axis, as lines. Pure: what is known in, strips out."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.cells import set_cell_size
from rich.style import Style
from textual.strip import Strip

from monit_agent.client.text.sanitize import printable
from monit_tui.model.charts.marks import EventMark
from monit_tui.model.charts.series import ChartKind
from monit_tui.model.charts.steps import MetricStep, Window, is_flat, summary
from monit_tui.model.charts.time_axis import Tick, ticks, time_text
from monit_tui.palettes import Tone
from monit_tui.text.fitting import wrap_words
from monit_tui.theme import Look
from monit_tui.widgets.charts import plot
from monit_tui.widgets.lines import make_strip

AXIS = 8
"""Cells left of a plot: a value, a blank and the line."""

CHOSEN_LEAST = 6
"""Fewest lines of the selected plot beside others."""
OTHER = 3
"""Lines of another plot; in a high pane one more."""
HIGH = 36
"""Lines of a high pane."""

Steps = list[MetricStep | None]
Texts = list[tuple[str, Tone]]


class ChartState(NamedTuple):
    """What the charts show."""

    kinds: tuple[ChartKind, ...]
    """All that can be drawn, in order."""
    chosen: ChartKind
    window: Window
    span_s: int
    steps: Callable[[ChartKind], Steps]
    now: Callable[[ChartKind], str]
    """The newest value as text."""
    behind: Callable[[ChartKind], ChartKind | None]
    threshold: Callable[[ChartKind], tuple[float, str] | None]
    marks: tuple[EventMark, ...]
    cursor: float | None = None
    """Wall time under the cursor."""
    keys_hint: str = ""
    """What keys do with the moment under the cursor."""
    empty_hint: str = ""
    """What is said when there is nothing to draw."""


def plot_columns(width: int) -> int:
    """Return the cells of a plot in a chart of ``width`` cells."""
    return max(0, width - AXIS - 1)


class ChartPainter:
    """Draws the charts of one state."""

    def __init__(self, state: ChartState, look: Look, width: int) -> None:
        self._state, self._look, self._width = state, look, width
        self._columns = plot_columns(width)
        self._marks = self._marks_by_column()
        self._cursor = self._column(state.cursor) if state.cursor is not None else None
        self._known: dict[ChartKind, Steps] = {}

    def lines(self, height: int) -> list[Strip]:
        """Return ``height`` lines: strips, and the time axis below them."""
        if self._columns < 4 or height < 4:
            return [self._head(self._state.chosen)][:height]
        axis = self._axis(with_rule=height >= 8)
        if not any(any(self._steps(kind)) for kind in self._state.kinds):
            return _nothing(self._state, self._look, self._width, height - len(axis)) + axis
        lines: list[Strip] = []
        for kind, rows in self._share(height - len(axis)):
            lines.append(self._head(kind))
            lines += self._plot(kind, rows - 1)
        return lines + axis

    # ------------------------------------------------------------ which strips

    def _share(self, room: int) -> list[tuple[ChartKind, int]]:
        """Return the metrics that are shown and the lines of each, with its head: the selected one
        with the most, then its neighbours while there is room."""
        kinds, chosen = self._state.kinds, self._state.chosen
        other = 1 + OTHER + (room >= HIGH)
        if room < 1 + CHOSEN_LEAST + 1 + other:
            return [(chosen, room)]
        least = 1 if self._is_flat(chosen) else 1 + CHOSEN_LEAST
        rows = {chosen: least}
        place = kinds.index(chosen)
        around = [*kinds[place + 1 :], *reversed(kinds[:place])]
        left = room - least
        for kind in around:
            needed = 1 if self._is_flat(kind) else other
            if needed <= left:
                rows[kind] = needed
                left -= needed
        grown = chosen if not self._is_flat(chosen) else max(rows, key=lambda kind: rows[kind])
        rows[grown] += left
        return [(kind, rows[kind]) for kind in kinds if kind in rows]

    def _is_flat(self, kind: ChartKind) -> bool:
        steps = self._steps(kind)
        return is_flat(steps) or not any(steps)

    def _steps(self, kind: ChartKind) -> Steps:
        if kind not in self._known:
            self._known[kind] = self._state.steps(kind)
        return self._known[kind]

    # ------------------------------------------------------------ one strip

    def _head(self, kind: ChartKind) -> Strip:
        """Return name and numbers: the value at the cursor first."""
        look, state = self._look, self._state
        chosen = kind is state.chosen
        mark = look.glyphs.folded if chosen else " "
        room = max(11, min(20, self._width // 5))
        label = set_cell_size(printable(kind.label), room)
        parts = [
            (f"{mark} ", look.style("accent")),
            (f"{label} ", look.style("accent" if chosen else "strong")),
        ]
        left = self._width - room - 3
        for all_texts in (*self._at_cursor(kind), *self._numbers(kind)):
            # where the whole does not fit, its first two parts may
            fitting = (texts for texts in (all_texts, all_texts[:2]) if _size(texts) <= left)
            texts = next(fitting, None)
            if texts is None:
                break
            size = _size(texts) + 2
            parts += [(text, look.style(tone)) for text, tone in texts] + [("  ", Style())]
            left -= size
        return make_strip(parts, self._width)

    def _at_cursor(self, kind: ChartKind) -> list[Texts]:
        state = self._state
        if state.cursor is None:
            return []
        steps = self._steps(kind)
        place = int(state.window.place(state.cursor) * len(steps))
        step = steps[place] if 0 <= place < len(steps) else None
        when = time_text(state.cursor, state.span_s)
        if step is None:
            return [[(f"{when} ", "accent"), ("nothing known", "muted")]]
        value = kind.text(step.high)
        between = "" if step.low == step.high else f" ({kind.text(step.low)} to {value})"
        mean = kind.text(step.mean) if between else value
        return [[(f"{when} ", "accent"), (mean, "strong"), (between, "strong")]]

    def _numbers(self, kind: ChartKind) -> list[Texts]:
        state, steps = self._state, self._steps(kind)
        found: list[Texts] = []
        found.append([("now ", "muted"), (state.now(kind), "strong")])
        whole = summary(steps)
        if whole is None:
            found.append([("nothing known of this time", "muted")])
            return found
        if is_flat(steps):
            found.append([("the same all the time", "muted")])
            return found
        low, mean, high, place = whole
        at = state.window.begin + place * state.window.step_s
        limit = state.threshold(kind)
        over = limit is not None and high >= limit[0]
        highest: Texts = [
            ("max ", "muted"),
            (kind.text(high), "bad" if over else "plain"),
            (f" at {time_text(at, state.span_s)}", "muted"),
        ]
        average: Texts = [("avg ", "muted"), (kind.text(mean), "plain")]
        lowest: Texts = [("min ", "muted"), (kind.text(low), "plain")]
        found += [highest, average, lowest]
        if limit is not None:
            found.append([(f"{limit[1]} {kind.text(limit[0])}", "bad" if over else "muted")])
        return found

    def _plot(self, kind: ChartKind, height: int) -> list[Strip]:
        look, state = self._look, self._state
        steps = self._steps(kind)
        other = state.behind(kind)
        behind = self._steps(other) if other is not None else []
        limit = state.threshold(kind)
        highs = [step and step.high for step in (*steps, *behind)]
        top = max((value for value in highs if value is not None), default=0.0)
        shown_limit = limit[0] if limit is not None and top * 2.5 >= limit[0] else None
        binary = kind.text(2048.0) == "2.0K"
        high = max(kind.least, plot.round_up([*highs, shown_limit], binary=binary))
        overlay = plot.Overlay(self._cursor, dict.fromkeys(self._marks, "grid"), shown_limit)
        rows = plot.draw_area((steps, behind), (self._columns, height), high, look.glyphs, overlay)
        labels = _labels(high, height)
        lines: list[Strip] = []
        for y, row in enumerate(rows):
            parts = [(text, look.style(tone)) for text, tone in row]
            lines.append(make_strip([self._y_label(kind, labels.get(y)), *parts], self._width))
        return lines

    def _y_label(self, kind: ChartKind, value: float | None) -> tuple[str, Style]:
        glyphs = self._look.glyphs
        if value is None:
            return f"{'':>{AXIS - 1}} {glyphs.bar}", self._look.style("grid")
        text = kind.text(value) if value else "0"
        return f"{text:>{AXIS - 1}} {glyphs.tick_left}", self._look.style("muted")

    # ------------------------------------------------------------ time

    def _column(self, at: float) -> int | None:
        """Return the cell of a plot that a wall time is in."""
        column = int(self._state.window.place(at) * self._columns)
        return column if 0 <= column < self._columns else None

    def _marks_by_column(self) -> dict[int, EventMark]:
        found: dict[int, EventMark] = {}
        for mark in self._state.marks:
            column = self._column(mark.event.at)
            if column is not None and (
                column not in found or mark.weight >= found[column].weight
            ):  # the later one of two that weigh the same
                found[column] = mark
        return found

    def _axis(self, *, with_rule: bool) -> list[Strip]:
        times = [(column, tick) for tick in ticks(self._state.window, self._columns)
                 if (column := self._column(tick.at)) is not None]  # fmt: skip
        if not with_rule:
            return [self._labels_line(times, with_marks=True)]
        return [self._rule(times), self._labels_line(times, with_marks=False)]

    def _rule(self, times: Sequence[tuple[int, Tick]]) -> Strip:
        look, glyphs = self._look, self._look.glyphs
        grid = look.style("grid")
        cells: list[tuple[str, Style]] = [(glyphs.rule, grid)] * self._columns
        for column, _ in times:
            cells[column] = (glyphs.tick, grid)
        for column, mark in self._marks.items():
            cells[column] = (mark.glyph(glyphs), look.style(mark.tone))
        if self._cursor is not None:
            text, style = cells[self._cursor]
            marked = self._cursor in self._marks
            cells[self._cursor] = (text if marked else glyphs.ascending,
                                   style if marked else look.style("accent"))  # fmt: skip
        return make_strip([(f"{'':>{AXIS}}{glyphs.corner}", grid), *cells], self._width)

    def _labels_line(self, times: Sequence[tuple[int, Tick]], *, with_marks: bool) -> Strip:
        """Return the labels of ticks; marks come first where there is one line for both."""
        look = self._look
        cells: list[tuple[str, Style]] = [(" ", Style())] * (self._columns + 1)
        taken: set[int] = set()
        if with_marks:
            for column, mark in self._marks.items():
                cells[column] = (mark.glyph(look.glyphs), look.style(mark.tone))
                taken |= {column - 1, column, column + 1}
            if self._cursor is not None and self._cursor not in taken:
                cells[self._cursor] = (look.glyphs.ascending, look.style("accent"))
                taken |= {self._cursor - 1, self._cursor, self._cursor + 1}
        for column, tick in times:
            first = max(0, min(column - len(tick.label) // 2, self._columns - len(tick.label)))
            places = range(first, first + len(tick.label))
            if taken & {*places, first - 1}:
                continue
            style = look.style("plain" if tick.midnight else "muted")
            for place, char in zip(places, tick.label, strict=True):
                cells[place] = (char, style)
            taken |= {*places, first + len(tick.label)}
        return make_strip([(f"{'':>{AXIS + 1}}", Style()), *_joined(cells)], self._width)


def _nothing(state: ChartState, look: Look, width: int, height: int) -> list[Strip]:
    """Return ``height`` lines with a text in their middle, in place of empty charts."""
    rows = wrap_words(state.empty_hint, width - 2)[:height]
    above = (height - len(rows)) // 2
    texts = [*[""] * above, *rows, *[""] * height][:height]
    return [make_strip([(f"{text:^{width}}", look.style("muted"))], width) for text in texts]


def _size(texts: Texts) -> int:
    return sum(len(text) for text, _ in texts)


def _joined(cells: Sequence[tuple[str, Style]]) -> list[tuple[str, Style]]:
    found: list[tuple[str, Style]] = []
    for text, style in cells:
        if found and found[-1][1] == style:
            found[-1] = (found[-1][0] + text, style)
        else:
            found.append((text, style))
    return found


def _labels(high: float, height: int) -> dict[int, float]:
    """Return the values beside the lines of a plot. A line's value is that of its upper edge, but
    the last line's is 0."""
    labels = {0: high, height - 1: 0.0}
    if height == 1:
        return {0: high}
    if height >= 3:
        middle = height // 2
        labels[middle] = high / 2  # the upper edge of this line, or its middle
    return labels
