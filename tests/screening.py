"""The whole screen on a replayed scene, driven by keys, read as text."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.command import CommandPalette
from textual.pilot import Pilot

from monit_agent.client.replay import ReplaySource
from monit_agent.client.view import Identity
from monit_agent.wire.messages import Answer, Request
from monit_tui.app import MonitApp
from monit_tui.clock import Clock
from monit_tui.rows import RowKey


class Recorder:
    """A replayed source that remembers what it was asked."""

    def __init__(self, source: ReplaySource) -> None:
        self.asked: list[tuple[str, Request]] = []
        self._ask = source.ask
        source.ask = self._remember  # type: ignore[method-assign]

    def _remember(
        self, app: str, request: Request, then: Callable[[Answer], None], timeout_s: float = 5.0
    ) -> None:
        self.asked.append((app, request))
        self._ask(app, request, then, timeout_s)

    def commands(self) -> list[tuple[str, Request]]:
        """Give what would change apps, without what only reads."""
        acting = {"Start", "Stop", "Restart", "Reload", "Scale", "SendSignal"}
        return [(app, one) for app, one in self.asked if type(one).__name__ in acting]


PATIENCE_S = 30
"""What takes a moment takes seconds on a machine that is busy."""


class Shown:
    """The running screen."""

    def __init__(self, app: MonitApp, source: ReplaySource, pilot: Pilot[Any]) -> None:
        self.app, self.source, self.pilot = app, source, pilot
        self.recorder = Recorder(source)

    @property
    def table(self):
        return self.app.overview.table

    def lines(self) -> list[str]:
        """Give what stands on the screen, line by line."""
        return [strip.text for strip in self.app.screen._compositor.render_strips(self.app.size)]

    def text(self) -> str:
        return "\n".join(self.lines())

    def row(self, app: str, instance: int | None = None) -> str:
        """Give the line of the process table for an app, or the only one of its instances."""
        table = self.table
        keys = [RowKey(app, instance), RowKey(app, 0)]
        place = next(table.rows.index(key) for key in keys if key in table.rows)
        return table._painted[1 + place - table._top].text

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def search_palette(self, text: str) -> None:
        """Open the palette and type, when it is there to be typed into."""
        await self.press("colon")
        await self.until(
            lambda: isinstance(self.app.screen, CommandPalette) and self.app.focused is not None,
            "the palette is open",
        )
        await self.press(*(key.replace(" ", "space") for key in text))

    async def pass_time(self, seconds: float) -> None:
        """Let the scene go on, and the screen take it in."""
        self.source.advance(seconds)
        self.app.feed.flush()
        await self.pilot.pause()

    async def until(self, predicate: Callable[[], object], what: str) -> None:
        """Wait for what comes by timers or through the source."""
        end = time.monotonic() + PATIENCE_S
        while not predicate():
            if time.monotonic() > end:
                raise AssertionError(f"not within {PATIENCE_S} s: {what}\n{self.text()}")
            self.app.feed.flush()
            await self.pilot.pause()

    async def stand_on(self, app: str, instance: int | None = None) -> None:
        key = RowKey(app, instance)
        self.table.stand_on(self.table.rows.index(key))
        await self.until(lambda: self.app.overview.details._shown[0] == key, f"{key} is shown")

    def focused(self) -> str:
        return self.app.overview.pane

    def toasts(self) -> str:
        return "\n".join(str(one.message) for one in self.app._notifications)


def show(
    play: Callable[[Shown], Awaitable[None]],
    source: ReplaySource,
    *,
    size: tuple[int, int] = (120, 35),
    **options: Any,
) -> None:
    """Run the screen on ``source`` and let ``play`` drive it."""

    async def run() -> None:
        clock = Clock(source.wall, source.monotonic)
        app = MonitApp(source, clock=clock, **options)
        async with app.run_test(size=size) as pilot:
            shown = Shown(app, source, pilot)
            await pilot.pause()
            await play(shown)

    asyncio.run(run())


def identity(app: str, instance: int) -> Identity:
    return Identity(app, instance)
