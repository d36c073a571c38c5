"""Where event loops were held up: the function, how often, for how long in all and at most."""

import os.path
from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual.strip import Strip

from monit_agent.client.source import Source
from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import Answer, Blocked, BlockedPart, BlockedTable, Frame
from monit_tui.format import count, milliseconds, printable
from monit_tui.rows import RowKey, identities
from monit_tui.theme import Look, Tone
from monit_tui.widgets.lines import strip
from monit_tui.widgets.scrolled import Scrolled

ASK_S = 2.0
"""Seconds between two looks; the table changes seldom and nobody reads it faster."""

ASK_AT_MOST = 8
"""Instances of one app whose tables are asked for."""

NO_PROBE = " no probe reports from inside this worker"
NOTHING = " nothing has held its event loop up for 100 ms or longer"
WAITING = " asking its agent"

_KINDS = {
    "culprit": "", "saturated": "many short callbacks", "gil": "another thread kept the GIL",
    "gc": "garbage collector",
}  # fmt: skip


class _Row(NamedTuple):
    instance: int
    block: Blocked


class BlockedPane(Scrolled):
    """Longest total first. Asks only while it is on the screen."""

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
        self.look()

    def look(self) -> None:
        """Ask anew if somebody can see the answer and the last one is old."""
        now = self._source.monotonic()
        if not self.is_on_screen or now - self._asked_at < ASK_S:
            return
        self._asked_at = now
        for view in self._views()[:ASK_AT_MOST]:
            number = view.identity.instance
            request = BlockedTable(instance=number)
            self._source.ask(view.identity.app, request, self._remember(self._key, number))

    def on_show(self) -> None:
        """Ask when the tab comes to the front."""
        self.look()

    def lines(self, width: int) -> list[Strip]:
        """Give a line per place."""
        rows = [_Row(n, block) for n, part in self._parts.items() for block in part.blocks]
        if not rows:
            return [strip([(self._nothing(), self._look.style("muted"))], width)]
        rows.sort(key=lambda row: -(row.block.total_ms + (row.block.going_on_ms or 0.0)))
        head = f" {'total':>6} {'most':>6} {'times':>5}  held up by"
        many = len(self._parts) > 1
        lines = [strip([(head, self._look.style("muted"))], width)]
        return lines + [self._line(row, many, width) for row in rows]

    def _nothing(self) -> str:
        if not self._parts:
            return WAITING if self._views() else ""
        return NOTHING if any(part.probes for part in self._parts.values()) else NO_PROBE

    def _line(self, row: _Row, many: bool, width: int) -> Strip:
        style, block = self._look.style, row.block
        worst: Tone = "bad" if block.max_ms >= 1000 else "warn"
        parts = [
            (f" {milliseconds(block.total_ms):>6} ", style("plain")),
            (f"{milliseconds(block.max_ms):>6} ", style(worst)),
            (f"{count(block.count):>5}  ", style("plain")),
        ]
        if many:
            parts.append((f"/{row.instance} ", style("plain")))
        if block.going_on_ms is not None:
            parts.append((f"now for {milliseconds(block.going_on_ms)}: ", style("bad")))
        if _KINDS[block.kind]:
            parts.append((f"{_KINDS[block.kind]}: ", style("muted")))
        named = block.stack[block.culprit : block.culprit + 1]
        parts.append((_places(named) or "unknown", style("strong")))
        callers = _places(block.stack[block.culprit + 1 :])
        return strip([*parts, (f"  from {callers}" if callers else "", style("muted"))], width)

    def _views(self) -> list[InstanceView]:
        if self._key is None:
            return []
        fleet = self._source.fleet
        found = [fleet.instance(one) for one in identities(fleet, self._key)]
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
