"""The log pane alone, with a replayed app that prints only what the test prints."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot

from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import InstanceId, local_instance
from monit_tui.widgets.log.standalone import LogApp

APP = "shop-aarhus-1"
"""Has ten instances that print nothing by themselves."""
ONE = (local_instance(APP, 0),)
TWO = (local_instance(APP, 0), local_instance(APP, 1))


class LogScreen:
    """The log pane, its source and its keys."""

    def __init__(self, app: LogApp, source: ReplaySource, pilot: Pilot[Any]) -> None:
        self.app, self.source, self.pilot = app, source, pilot
        self.pane = app.pane
        self.view = app.pane.view

    def print(self, *lines: str | bytes, instance: int = 0, err: bool = False) -> None:
        """Print lines as a worker."""
        data = b"".join((x.encode() if isinstance(x, str) else x) + b"\n" for x in lines)
        self.print_bytes(data, instance=instance, err=err)

    def print_bytes(self, data: bytes, *, instance: int = 0, err: bool = False) -> None:
        self.source.stage[APP].print(instance, "err" if err else "out", data)

    async def pass_time(self, seconds: float = 0.5) -> None:
        """Advance the scene, poll it, and wait until the pane has painted."""
        self.source.advance(seconds)
        self.app.flush()
        await self.pilot.pause()
        await self.until(lambda: not self.pane.pacer.is_delayed, "all is painted")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type into the open field and press Enter."""
        self.pane.prompt.value = text
        await self.press("enter")

    async def until(self, predicate: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 15
        while not predicate():
            if time.monotonic() > end:
                raise AssertionError(f"not within 15 s: {what}\n" + "\n".join(self.lines()))
            self.app.flush()
            await self.pilot.pause(0.01)

    def lines(self) -> list[str]:
        """Return the painted lines, without blanks at their ends."""
        return [self.view.render_line(y).text.rstrip() for y in range(self.view.size.height)]

    def texts(self) -> list[str]:
        """Return the painted lines without their gutter, and without the empty ones below."""
        gutter = self.view.row_layout.gutter
        texts = [line[gutter:] for line in self.lines()]
        while texts and not texts[-1]:
            texts.pop()
        return texts

    def status(self) -> str:
        return self.pane.status.render_line(0).text.strip()

    def cursor_text(self) -> str:
        row: Any = self.view.current_row()
        return row.raw.decode()

    def toasts(self) -> str:
        return "\n".join(str(one.message) for one in self.app._notifications)


def show(
    play: Callable[[LogScreen], Awaitable[None]],
    *,
    who: tuple[InstanceId, ...] = ONE,
    size: tuple[int, int] = (100, 12),
    source: ReplaySource | None = None,
) -> None:
    """Run the pane and let ``play`` drive it."""

    async def run() -> None:
        played = source or scenes.many(20)
        app = LogApp(played, who)
        async with app.run_test(size=size) as pilot:
            screen = LogScreen(app, played, pilot)
            await screen.pass_time(0.0)
            await play(screen)

    asyncio.run(run())
