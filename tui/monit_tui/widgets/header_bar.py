"""The top line: host, how the fleet is, load, memory, time of day."""

import time
from collections import Counter
from collections.abc import Callable

from textual.strip import Strip

from monit_agent.client.view import Fleet
from monit_tui.clock import Clock
from monit_tui.format import size
from monit_tui.machine import Machine
from monit_tui.theme import Look, Tone
from monit_tui.widgets.lines import Lines, strip

MACHINE_EVERY_S = 5.0
"""Load and memory are averages that nobody needs by the second."""

_TONES: dict[str, Tone] = {
    "online": "good", "backoff": "warn", "errored": "bad", "stale": "warn",
    "starting": "busy", "stopping": "busy", "draining": "busy",
}  # fmt: skip
_ORDER = ("online", "errored", "backoff", "stale", "starting", "draining", "stopping", "stopped")


class HeaderBar(Lines):
    """One line; what does not fit is left out from the right."""

    def __init__(
        self, fleet: Fleet, look: Look, clock: Clock, machine: Callable[[], Machine], chip: str = ""
    ) -> None:
        super().__init__(id="header")
        self._fleet, self._look, self._clock = fleet, look, clock
        self._read_machine = machine
        self._machine = machine()
        self._read_at = clock.monotonic()
        self._chip = chip
        self.frozen = False

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Give the line."""
        if self._clock.monotonic() - self._read_at >= MACHINE_EVERY_S:
            self._machine, self._read_at = self._read_machine(), self._clock.monotonic()
        style = self._look.style
        hour = time.strftime("%H:%M", time.localtime(self._clock.wall()))
        parts = [(" monit", style("accent"))]
        room = width - 6 - len(hour) - 2
        for text, tone in self._pieces():
            if len(text) > room:
                break
            room -= len(text)
            parts.append((text, style(tone)))
        parts.append((" " * (room + 1), style("plain")))
        return [strip([*parts, (hour, style("muted"))], width)]

    def _pieces(self) -> list[tuple[str, Tone]]:
        dot = f" {self._look.glyphs.dot} "
        pieces: list[tuple[str, Tone]] = []
        if self.frozen:
            pieces.append((f"{dot}FROZEN, p goes on", "warn"))
        if self._chip:
            pieces.append((f"{dot}{self._chip}", "busy"))
        pieces.append((f"{dot}{self._machine.host}", "plain"))
        apps = len(self._fleet.apps)
        pieces.append((f"{dot}{apps} app{'' if apps == 1 else 's'}", "plain"))
        counts = self._counts()
        for word in (word for word in _ORDER if counts[word]):
            tone: Tone = _TONES.get(word, "muted")
            pieces.append((f"  {counts[word]} {word}", tone))
        machine = self._machine
        if machine.load is not None:
            pieces.append((f"{dot}load {machine.load:.2f}", "muted"))
        if machine.memory_used_bytes is not None:
            used, total = size(machine.memory_used_bytes), size(machine.memory_total_bytes)
            pieces.append((f"{dot}mem {used} of {total}", "muted"))
        return pieces

    def _counts(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for app in self._fleet.apps.values():
            if app.link == "stale":
                counts["stale"] += len(app.instances)
            elif app.link == "live":
                counts.update(view.record.status for view in app.instances.values())
        return counts
