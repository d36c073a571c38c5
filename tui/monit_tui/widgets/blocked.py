"""The code that blocked event loops: function, count, total time and longest time."""

import os.path
from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual.strip import Strip

from monit_agent.client.source import Source
from monit_agent.client.text.format import format_count, format_ms
from monit_agent.client.text.sanitize import printable
from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import Answer, Blocked, BlockedPart, BlockedTable, Frame
from monit_tui.model.processes.rows import RowKey, instances_of
from monit_tui.palettes import Tone
from monit_tui.theme import Look
from monit_tui.widgets.lines import make_strip
from monit_tui.widgets.scrolled import ScrolledLines

ASK_S = 2.0
"""Seconds between two requests; the table changes seldom."""

ASK_AT_MOST = 8
"""Most instances of one app whose tables are requested."""

NOT_RUNNING = " not running"
NO_PROBE = " no probe in this worker"
NOTHING = " no event loop was blocked for 100 ms or longer"
WAITING = " waiting for the agent"

_KINDS = {
    "callback": "", "saturated": "many short callbacks", "gil": "another thread held the GIL",
    "gc": "garbage collector",
}  # fmt: skip


class _Row(NamedTuple):
    instance: int
    block: Blocked


class BlockedPane(ScrolledLines):
    """Longest total first. Requests the tables only while it is on the screen."""

    def __init__(self, source: Source, look: Look) -> None:
        super().__init__(id="blocked")
        self._source, self._look = source, look
        self._key: RowKey | None = None
        self._parts: dict[int, BlockedPart] = {}
        self._asked_at = float("-inf")

    def show(self, key: RowKey | None) -> None:
        """Show another row."""
        self._key = key
        self._parts = {}
        self._asked_at = float("-inf")
        self.top = 0
        self.refresh_if_old()

    def refresh_if_old(self) -> None:
        """Request the tables if the pane is visible and the last answer is old."""
        now = self._source.monotonic()
        if not self.is_on_screen or now - self._asked_at < ASK_S:
            return
        self._asked_at = now
        for view in self._views()[:ASK_AT_MOST]:
            number = view.identity.instance
            request = BlockedTable(instance=number)
            self._source.send_request(
                view.identity.app_id, request, self._remember(self._key, number)
            )

    def on_show(self) -> None:
        """Request the tables when the tab is shown."""
        self.refresh_if_old()

    def lines(self, width: int) -> list[Strip]:
        """Return a line per block."""
        rows = [_Row(n, block) for n, part in self._parts.items() for block in part.blocks]
        if not rows:
            return [make_strip([(self._nothing(), self._look.style("muted"))], width)]
        rows.sort(key=lambda row: -(row.block.total_ms + (row.block.going_on_ms or 0.0)))
        head = f" {'total':>6} {'max':>6} {'count':>5}  blocked at"
        many = len(self._parts) > 1
        lines = [make_strip([(head, self._look.style("muted"))], width)]
        return lines + [self._line(row, many, width) for row in rows]

    def _nothing(self) -> str:
        if not self._parts:
            return WAITING if self._views() else ""
        if any(part.probes for part in self._parts.values()):
            return NOTHING
        runs = any(view.record.pid is not None for view in self._views())
        return NO_PROBE if runs else NOT_RUNNING

    def _line(self, row: _Row, many: bool, width: int) -> Strip:
        style, block = self._look.style, row.block
        worst: Tone = "bad" if block.max_ms >= 1000 else "warn"
        parts = [
            (f" {format_ms(block.total_ms):>6} ", style("plain")),
            (f"{format_ms(block.max_ms):>6} ", style(worst)),
            (f"{format_count(block.count):>5}  ", style("plain")),
        ]
        if many:
            parts.append((f"/{row.instance} ", style("plain")))
        if block.going_on_ms is not None:
            parts.append((f"blocked now, for {format_ms(block.going_on_ms)}: ", style("bad")))
        if _KINDS[block.kind]:
            parts.append((f"{_KINDS[block.kind]}: ", style("muted")))
        named = block.stack[block.blocking_frame : block.blocking_frame + 1]
        parts.append((_places(named) or "unknown", style("strong")))
        callers = _places(block.stack[block.blocking_frame + 1 :])
        called_from = f"  called from {callers}" if callers else ""
        return make_strip([*parts, (called_from, style("muted"))], width)

    def _views(self) -> list[InstanceView]:
        if self._key is None:
            return []
        fleet = self._source.fleet
        found = [fleet.instance(one) for one in instances_of(fleet, self._key)]
        return [view for view in found if view is not None]

    def _remember(self, key: RowKey | None, instance: int) -> Callable[[Answer], None]:
        def then(answer: Answer) -> None:
            if self._key == key and isinstance(answer, BlockedPart):
                self._parts[instance] = answer
                self.repaint()

        return then


def _places(frames: Sequence[Frame]) -> str:
    return ", ".join(
        printable(f"{frame.function} {os.path.basename(frame.file)}:{frame.line}")
        for frame in frames
    )
