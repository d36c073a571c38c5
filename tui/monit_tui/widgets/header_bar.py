"""The top line: what is in trouble, then host, apps, load, memory, time of day."""

import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from monit_agent.client.text.format import format_bytes
from monit_agent.client.view import Fleet
from monit_tui.clock import Clock
from monit_tui.model.hosts import answering_text, traffic_text
from monit_tui.model.machine import MachineFigures
from monit_tui.model.processes.condition import DONE, TROUBLE, Condition, fleet_conditions
from monit_tui.theme import Look, Tone
from monit_tui.widgets.lines import Lines, make_strip

MACHINE_EVERY_S = 15.0
"""Interval of reading load and memory: the load is the average of a minute, and a digit on a bar
costs 32 bytes."""

_TONES: dict[str, Tone] = {
    "errored": "bad", "crashing": "bad", "stuck": "bad", "unhealthy": "bad", "no keeper": "bad",
    "reload failed": "bad",
}  # fmt: skip
"""All other problems are warnings."""


class HeaderPart(NamedTuple):
    """A piece of the line."""

    text: str
    tone: Tone
    rank: int
    """The highest rank is left out first; 0 never."""


class HeaderBar(Lines):
    """One line: trouble first. What does not fit is left out, trouble never."""

    def __init__(
        self,
        fleet: Fleet,
        look: Look,
        clock: Clock,
        machine: Callable[[], MachineFigures],
        chip: str = "",
    ) -> None:
        super().__init__(id="header")
        self._fleet, self._look, self._clock = fleet, look, clock
        self._read_machine = machine
        self._machine = machine()
        self._read_at = clock.monotonic()
        self._chip = chip
        self.frozen = ""
        """What is said of a frozen display; "" when it is not."""

    @property
    def ground(self) -> Style:
        """Return the style of a raised bar."""
        return self._look.raised

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Return the line."""
        if self._clock.monotonic() - self._read_at >= MACHINE_EVERY_S:
            self._machine, self._read_at = self._read_machine(), self._clock.monotonic()
        style = self._look.bar_style
        hour = time.strftime("%H:%M", time.localtime(self._clock.wall()))
        conditions = fleet_conditions(self._fleet, self._clock.now())
        left = [HeaderPart(" monit ", "accent", 0), *self._trouble(conditions, width)]
        right = [*self._state(conditions), HeaderPart(f"  {hour} ", "muted", 4)]
        parts = left + right
        while sum(cell_len(part.text) for part in parts) > width:
            last = max(parts, key=lambda part: part.rank)
            if not last.rank:
                break
            parts.remove(last)
        shown = [(part.text, style(part.tone)) for part in parts]
        place = sum(part in left for part in parts)
        gap = max(0, width - sum(cell_len(part.text) for part in parts))
        shown.insert(place, (" " * gap, style("plain")))
        return [make_strip(shown, width)]

    def _trouble(self, conditions: list[Condition], width: int) -> list[HeaderPart]:
        """Return how many instances are in trouble, by kind, the worst first."""
        glyphs = self._look.glyphs
        worst = sorted(
            (one for one in conditions if one.severity >= TROUBLE), key=lambda one: -one.severity
        )
        counts = Counter(one.counted_as for one in worst)
        tones: dict[str, Tone] = {kind: _TONES.get(kind, "warn") for kind in counts}
        parts = [HeaderPart(f" {n} {kind} ", tones[kind], 0) for kind, n in counts.items()]
        if sum(cell_len(part.text) for part in parts) > width - 14:
            signs = Counter[Tone](tones[one.counted_as] for one in worst)
            parts = [
                HeaderPart(f" {glyphs.error if tone == 'bad' else glyphs.warn}{n}", tone, 0)
                for tone, n in signs.items()
            ]
        if self.frozen:
            parts.insert(0, HeaderPart(f" {self.frozen} ", "warn", 0))
        return parts

    def _state(self, conditions: list[Condition]) -> list[HeaderPart]:
        apps, up = len(self._fleet.apps), sum(one.is_up for one in conditions)
        expected = sum(one.word != DONE for one in conditions)
        machine = self._machine
        hosts = self._fleet.hosts
        name = answering_text(self._fleet) if hosts else machine.host
        parts = [HeaderPart(f" {name} ", "strong", 3)]
        if self._chip:
            parts.append(HeaderPart(f" {self._chip} ", "busy", 1))
        parts.append(HeaderPart(f"  {apps} app{'' if apps == 1 else 's'}", "muted", 5))
        tone: Tone = "good" if up == expected else "plain"
        parts.append(HeaderPart(f"  {up} of {expected} up", tone, 2))
        if hosts and (traffic := traffic_text(self._fleet)):
            parts.append(HeaderPart(f"   {traffic}", "muted", 7))
        if hosts:
            return parts  # this machine's load would be taken for theirs
        if machine.load is not None:
            parts.append(HeaderPart(f"   load {machine.load:.1f}", "muted", 7))
        if machine.memory_used_bytes is not None:
            used = format_bytes(machine.memory_used_bytes)
            total = format_bytes(machine.memory_total_bytes)
            parts.append(HeaderPart(f"   mem {used} of {total}", "muted", 6))
        return parts
