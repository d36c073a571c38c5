"""The whole screen with a replayed scene, controlled by keys and read as text."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.command import CommandPalette
from textual.pilot import Pilot

from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import InstanceId, local_app, local_instance
from monit_agent.wire.messages import Answer, Request
from monit_tui.app import MonitApp
from monit_tui.clock import Clock
from monit_tui.model.processes.rows import RowKey


class Recorder:
    """Records the requests that a replayed source receives."""

    def __init__(self, source: ReplaySource) -> None:
        self.requests: list[tuple[str, Request]] = []
        self._send_request = source.send_request
        source.send_request = self._remember  # type: ignore[method-assign]

    def _remember(
        self, app: str, request: Request, then: Callable[[Answer], None], timeout_s: float = 5.0
    ) -> None:
        self.requests.append((app, request))
        self._send_request(app, request, then, timeout_s)

    def commands(self) -> list[tuple[str, Request]]:
        """Return the requests that change apps."""
        acting = {"Start", "Stop", "Restart", "Reload", "Scale", "SendSignal"}
        return [(app, one) for app, one in self.requests if type(one).__name__ in acting]


TIMEOUT_S = 30
"""Limit of all waits: on a busy machine, a moment takes seconds."""


class Shown:
    """The running screen, its source and its keys."""

    def __init__(self, app: MonitApp, source: ReplaySource, pilot: Pilot[Any]) -> None:
        self.app, self.source, self.pilot = app, source, pilot
        self.recorder = Recorder(source)

    @property
    def table(self):
        return self.app.overview.table

    def lines(self) -> list[str]:
        """Return the lines of the screen."""
        return [strip.text for strip in self.app.screen._compositor.render_strips(self.app.size)]

    def text(self) -> str:
        return "\n".join(self.lines())

    def row(self, app: str, instance: int | None = None) -> str:
        """Return the line of the process table for an app, or the only one of its instances."""
        table = self.table
        keys = [RowKey(local_app(app), instance), RowKey(local_app(app), 0)]
        key = next(key for key in keys if key in table.rows)
        return table._painted[1 + table.shown.index((key, 0))].text

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def search_palette(self, text: str) -> None:
        """Open the palette, wait for its field, and type."""
        await self.press("ctrl+p")
        await self.until(
            lambda: isinstance(self.app.screen, CommandPalette) and self.app.focused is not None,
            "the palette is open",
        )
        await self.press(*(key.replace(" ", "space") for key in text))

    async def pass_time(self, seconds: float) -> None:
        """Advance the scene, and poll it."""
        self.source.advance(seconds)
        self.app.feed.flush()
        await self.pilot.pause()

    async def until(self, predicate: Callable[[], object], what: str) -> None:
        """Poll until the predicate holds."""
        end = time.monotonic() + TIMEOUT_S
        while not predicate():
            if time.monotonic() > end:
                raise AssertionError(f"not within {TIMEOUT_S} s: {what}\n{self.text()}")
            self.app.feed.flush()
            await self.pilot.pause()

    async def move_to(self, app: str, instance: int | None = None) -> None:
        key = RowKey(local_app(app), instance)
        self.table.move_to(self.table.rows.index(key))
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


def identity(app: str, instance: int) -> InstanceId:
    return local_instance(app, instance)
