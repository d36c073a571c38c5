"""Which times the charts show, and the cursor in them. Pure: the present comes with each call.

While there is a cursor the charts stand still: what somebody reads does not move.
"""

import math

from monit_tui.model.charts.series import SPANS
from monit_tui.model.charts.steps import Window, choose_window
from monit_tui.model.charts.time_axis import DEFAULT_SPAN_S, span_text, ticks, time_text

DEFAULT_SPAN = SPANS.index(DEFAULT_SPAN_S)

LEAST_DOTS = 20
"""Columns of dots for which a window is chosen at least: a narrow pane has steps that short."""


class ChartTimes:
    """A span, its end, and a cursor."""

    def __init__(self) -> None:
        self.span = DEFAULT_SPAN
        self.cursor: float | None = None
        """Wall time under the cursor."""
        self.stopped_at: float | None = None
        """Wall time at which the charts end; None: now."""

    @property
    def seconds(self) -> int:
        """Return the time span."""
        return SPANS[self.span]

    @property
    def title(self) -> str:
        """Return what is shown: ``5 min``, ``6 h until 14:03``."""
        if self.stopped_at is None:
            return span_text(self.seconds)
        return f"{span_text(self.seconds)} until {time_text(self.stopped_at, self.seconds)}"

    def window(self, dots: int, now: float) -> Window:
        """Return the steps for so many columns of dots."""
        return choose_window(self.seconds, self.stopped_at or now, now, max(LEAST_DOTS, dots))

    def change_span(self, step: int, now: float) -> None:
        """Choose a longer or a shorter span; 0 chooses the default. The cursor stays in view."""
        self.span = max(0, min(len(SPANS) - 1, self.span + step)) if step else DEFAULT_SPAN
        if self.cursor is not None:
            self._stop_around(self.cursor, now)

    def set_span(self, seconds: float, now: float) -> None:
        """Choose the shortest span that has so many seconds, else the longest one."""
        longer = (place for place, span in enumerate(SPANS) if span >= seconds)
        self.span = next(longer, len(SPANS) - 1)
        if self.cursor is not None:
            self._stop_around(self.cursor, now)

    def point_at(self, at: float, now: float) -> None:
        """Move the cursor to a moment, and show the times around it if they are not shown."""
        self.cursor = min(at, now)
        until = self.stopped_at or now
        if self.stopped_at is None:
            self.stopped_at = now
        if not until - self.seconds <= self.cursor <= until:
            self._stop_around(self.cursor, now)

    def move_cells(self, cells: int, columns: int, window: Window, now: float) -> None:
        """Move the cursor by cells of the chart; without one, from the newest cell."""
        if self.cursor is None:
            column = columns if cells < 0 else columns - 1
        else:
            column = math.floor(window.place(self.cursor) * columns)
        cell = (window.until - window.begin) / columns
        self.point_at(window.begin + (column + cells + 0.5) * cell, now)

    def move_tick(self, direction: int, columns: int, window: Window, now: float) -> None:
        """Move the cursor to the next or the previous labelled time."""
        times = [tick.at for tick in ticks(window, columns)]
        gap = times[1] - times[0] if len(times) > 1 else self.seconds / 4
        here = window.until if self.cursor is None else self.cursor
        if direction > 0:
            self.point_at(min((at for at in times if at > here + 1), default=here + gap), now)
        else:
            self.point_at(max((at for at in times if at < here - 1), default=here - gap), now)

    def pan(self, direction: int, now: float) -> None:
        """Show earlier or later times by half a span, the cursor with them."""
        step = direction * self.seconds / 2
        until = (self.stopped_at or now) + step
        if until >= now:
            self.show_now()
            return
        self.stopped_at = until
        if self.cursor is not None:
            self.cursor += step

    def show_now(self) -> None:
        """Remove the cursor and follow the present."""
        self.cursor = self.stopped_at = None

    def _stop_around(self, at: float, now: float) -> None:
        self.stopped_at = min(now, at + self.seconds / 2)
