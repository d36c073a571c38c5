"""The screen of a real home, driven by keys and read as text."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from monit_agent.client.live.live_source import LiveSource
from monit_tui.app import MonitApp

DEADLINE_S = 60
"""Limit of all waits: on a busy machine, a moment takes seconds."""


class LiveScreen:
    """A running screen and its keys."""

    def __init__(self, app: MonitApp, pilot: Pilot[Any]) -> None:
        self.app, self._pilot = app, pilot

    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips(self.app.size)
        return "\n".join(strip.text for strip in strips)

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)
        await self._pilot.pause()

    async def until(self, predicate: Callable[[], object], what: str) -> None:
        """Poll until the predicate holds."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not predicate():
                    self.app.feed.flush()
                    await self._pilot.pause()
                    await asyncio.sleep(0)
        except TimeoutError:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}\n{self.text()}") from None


def show_home(
    home: Path, play: Callable[[MonitApp, Pilot[Any]], Awaitable[None]], *,
    read_only: bool = False, size: tuple[int, int] = (120, 35),
) -> None:  # fmt: skip
    """Run the screen on the apps of a home and let ``play`` drive it."""

    async def run() -> None:
        source = LiveSource(str(home))
        app = MonitApp(source, read_only=read_only)
        try:
            async with app.run_test(size=size) as pilot:
                await play(app, pilot)
        finally:
            source.close()

    asyncio.run(run())
