"""The top line, as a widget (``model/header_line.py`` has its parts)."""

from collections.abc import Callable

from rich.style import Style
from textual.strip import Strip

from monit_agent.client.view import Fleet
from monit_tui.clock import Clock
from monit_tui.model.header_line import HeaderTexts, header_parts
from monit_tui.model.machine import MachineFigures
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip

MACHINE_EVERY_S = 15.0
"""Interval of reading load and memory: the load is the average of a minute, and a digit on a bar
costs 32 bytes."""


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
        look, texts = self._look, HeaderTexts(self._machine, self._chip, self.frozen)
        parts = header_parts(self._fleet, self._clock.now(), texts, look.glyphs, width)
        return [make_strip(look.bar_parts(parts), width)]
