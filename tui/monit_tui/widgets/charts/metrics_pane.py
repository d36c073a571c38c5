"""Metrics of the row under the cursor: a list of them, and charts on one time axis."""

from typing import ClassVar

from textual.actions import SkipAction
from textual.binding import BindingType
from textual.events import Click, MouseMove, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.strip import Strip

from monit_agent.client.source import Source
from monit_tui.event_history import EventHistory
from monit_tui.keys.bindings import bindings_of
from monit_tui.model.charts.chart_times import ChartTimes
from monit_tui.model.charts.series import ChartKind
from monit_tui.model.charts.steps import Window
from monit_tui.model.processes.rows import RowKey
from monit_tui.theme import Look
from monit_tui.widgets.charts import plot
from monit_tui.widgets.charts.data import ChartData
from monit_tui.widgets.charts.foot import foot_line
from monit_tui.widgets.charts.metric_list import first_shown, list_lines, list_width
from monit_tui.widgets.charts.strips import AXIS, ChartPainter, plot_columns
from monit_tui.widgets.lines import Lines, make_strip

FOOT_FROM = 5
"""Lines of a pane from which the last one says what the selected metric is."""

EMPTY_HINT = "nothing was measured in this time; {metrics.zoom_out} shows a longer one"
MOMENT_HINT = "{metrics.logs}: log of this moment, {metrics.escape}: back to now"


class MetricsPane(Lines, can_focus=True):
    """Shows the metrics of one row; posts `TimesChanged` when other times are shown, and
    `MomentChosen` when its cursor moves."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("metrics")

    class TimesChanged(Message):
        """Other times are shown."""

    class MomentChosen(Message):
        """The cursor is at another moment; None when there is no cursor any more."""

        def __init__(self, at: float | None, *, go: bool = False) -> None:
            super().__init__()
            self.at = at
            self.go = go
            """Whether the user wants to go to the log of that moment."""

    def __init__(self, source: Source, look: Look, events: EventHistory) -> None:
        super().__init__(id="metrics")
        self._look = look
        self._data = ChartData(source, events, self._past_came)
        self.times = ChartTimes()
        self._chosen = "cpu"

    def show(self, key: RowKey | None) -> None:
        """Show another row, or the same one with new settings."""
        self._data.key = key
        self.sampled()

    def sampled(self) -> None:
        """Take in new samples, and request what is missing."""
        if self.size.width:
            self._data.take_samples(self._window())
        self.repaint()

    def point_at(self, at: float) -> None:
        """Move the cursor to a moment that was chosen elsewhere."""
        self.times.point_at(at, self._data.wall())
        self._show_times()

    def names(self) -> list[str]:
        """Return the names of the metrics of this row."""
        return [kind.name for kind in self._data.kinds(self._window())]

    def show_now(self) -> None:
        """Remove the cursor, and follow the present again."""
        self.times.show_now()
        self._show_times()

    # ------------------------------------------------------------ drawing

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the list and, beside it, the charts; below them what the selected metric says, or
        what happened at the cursor."""
        window = self._window()
        kinds = self._data.kinds(window)
        if not kinds or width < 8 or not height:
            return []
        chosen = _named(self._chosen, kinds)
        beside = list_width(width)
        room = width - beside - (1 if beside else 0)
        state = self._data.state(kinds, chosen, window, self.times)
        state = state._replace(
            keys_hint=self.with_keys(MOMENT_HINT), empty_hint=self.with_keys(EMPTY_HINT)
        )
        places = plot_columns(room)
        has_foot = height >= FOOT_FROM
        foot = [foot_line(state, self._data, self._look, (width, places))] if has_foot else []
        height -= len(foot)
        is_text = chosen.own is not None and chosen.own.kind == "text"
        painter = ChartPainter(state, self._look, room)
        charts = [] if is_text else painter.lines(height)
        charts += [make_strip([], room)] * (height - len(charts))
        if not beside:
            return charts + foot
        listed = list_lines(kinds, chosen, state, self._look, (beside, height))
        listed += [make_strip([], beside)] * (height - len(listed))
        gap = make_strip([], 1)
        rows = zip(listed, charts, strict=True)
        return [Strip.join([left, gap, right]) for left, right in rows] + foot

    # ------------------------------------------------------------ inside

    def _columns(self) -> int:
        """Return the cells of the plots."""
        width = self.size.width
        beside = list_width(width)
        return max(1, plot_columns(width - beside - (1 if beside else 0)))

    def _window(self) -> Window:
        dots = self._columns() * plot.dots_per_cell(self._look.glyphs)
        return self.times.window(dots, self._data.wall())

    def _past_came(self) -> None:
        if self.is_mounted:
            self.sampled()

    def _show_times(self) -> None:
        self.sampled()
        self.post_message(self.TimesChanged())

    def _cursor_moved(self) -> None:
        self._show_times()
        self.post_message(self.MomentChosen(self.times.cursor))

    # ------------------------------------------------------------ keys

    def action_span(self, step: int) -> None:
        """Show a longer or a shorter time span; 0 shows the default."""
        self.times.change_span(step, self._data.wall())
        self._show_times()

    def action_set_span(self, seconds: float) -> None:
        """Show the shortest span that has so many seconds."""
        self.times.set_span(seconds, self._data.wall())
        self._show_times()

    def action_choose_named(self, name: str) -> None:
        """Select a metric."""
        self._chosen = name
        self.repaint()

    def action_choose(self, step: int) -> None:
        """Select the next or the previous metric."""
        names = self.names()
        if names:
            place = names.index(self._chosen) if self._chosen in names else 0
            self._chosen = names[(place + step) % len(names)]
            self.repaint()

    def action_cursor(self, cells: int) -> None:
        """Move the cursor by cells, from the newest moment if there is none."""
        self.times.move_cells(cells, self._columns(), self._window(), self._data.wall())
        self._cursor_moved()

    def action_tick(self, direction: int) -> None:
        """Move the cursor to the next or the previous labelled time."""
        self.times.move_tick(direction, self._columns(), self._window(), self._data.wall())
        self._cursor_moved()

    def action_oldest(self) -> None:
        """Move the cursor to the oldest moment shown."""
        self.times.point_at(self._window().begin, self._data.wall())
        self._cursor_moved()

    def action_event(self, direction: int) -> None:
        """Move the cursor to the next or the previous event that has a mark."""
        now, at = self._data.wall(), self.times.cursor
        here = now + 1 if at is None else at
        times = [mark.event.at for mark in self._data.marks()]
        if direction < 0:
            found = max((one for one in times if one < here - 0.001), default=None)
        else:
            found = min((one for one in times if one > here + 0.001), default=None)
        if found is None:
            self.notify("no older event is known" if direction < 0 else "no newer event")
            return
        self.times.point_at(found, now)
        self._cursor_moved()

    def action_pan(self, direction: int) -> None:
        """Show earlier or later times, by half a span."""
        self.times.pan(direction, self._data.wall())
        self._cursor_moved()

    def action_now(self) -> None:
        """Remove the cursor, and follow the present again."""
        self.times.show_now()
        self._cursor_moved()

    def action_logs(self) -> None:
        """Go to the log of the moment at the cursor."""
        self.post_message(self.MomentChosen(self.times.cursor, go=True))

    def action_escape(self) -> None:
        """Go back to now; where the charts show it, the key is the screen's."""
        if self.times.stopped_at is None:
            raise SkipAction
        self.action_now()

    # ------------------------------------------------------------ mouse

    def on_resize(self) -> None:
        """Request what the new width needs; Textual calls the base's handler after this one."""
        if self.size.width:
            self._data.take_samples(self._window())

    def on_click(self, event: Click) -> None:
        """Select the metric under the mouse, or move the cursor to that moment; a double click
        goes to its log."""
        if event.x < list_width(self.size.width):
            self._choose_at(event.y)
        elif event.chain > 1 and self.times.cursor is not None:
            self.action_logs()
        else:
            self._point_at_cell(event.x)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Move the cursor while a button is held."""
        if event.button == 1:
            self._point_at_cell(event.x)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Show a longer time span, or select the next metric where the list is."""
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Show a shorter time span, or select the previous metric where the list is."""
        self._wheel(event, -1)

    def _wheel(self, event: MouseScrollDown | MouseScrollUp, step: int) -> None:
        event.stop()
        if event.x < list_width(self.size.width):
            self.action_choose(step)
        else:
            self.action_span(step)

    def _choose_at(self, y: int) -> None:
        kinds = self._data.kinds(self._window())
        if not kinds:
            return
        place = kinds.index(_named(self._chosen, kinds))
        height = self.size.height - (self.size.height >= FOOT_FROM)
        row = first_shown(place, len(kinds), height) + y
        if y < height and row < len(kinds):
            self._chosen = kinds[row].name
            self.repaint()

    def _point_at_cell(self, x: int) -> None:
        beside = list_width(self.size.width)
        column = x - beside - (1 if beside else 0) - AXIS - 1
        columns, window = self._columns(), self._window()
        if 0 <= column < columns:
            cell = (window.until - window.begin) / columns
            self.times.point_at(window.begin + (column + 0.5) * cell, self._data.wall())
            self._cursor_moved()


def _named(name: str, kinds: tuple[ChartKind, ...]) -> ChartKind:
    """Return the metric of that name, else the first one."""
    return next((kind for kind in kinds if kind.name == name), kinds[0])
