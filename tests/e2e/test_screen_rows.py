"""The rows of the screen are the instances that exist, however often apps come and go."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from monit_tui.app import MonitApp
from support.command_line import command, script
from support.live_screen import LiveScreen, show_home

PROGRAM = """
import signal
print("up", flush=True)
signal.pause()
"""
ROUNDS = 3


def _listed() -> dict[tuple[str, int], int | None]:
    """Return the pid of each instance, as the command line has it."""
    rows = json.loads(command("list", "--json").stdout)
    return {(row["app"], row["instance"]): row["pid"] for row in rows}


def _shown(app: MonitApp) -> dict[tuple[str, int], int | None]:
    """Return the pid of each instance that the screen has a row for."""
    fleet = app.source.fleet
    found: dict[tuple[str, int], int | None] = {}
    for key in app.overview.table.rows:
        view = None if key.instance is None else fleet.instance(key.app.instance(key.instance))
        if view is not None:
            found[key.app.app, view.identity.instance] = view.record.pid
    return found


class Shop(LiveScreen):
    """A screen, and apps that are changed behind its back."""

    def list_text(self) -> str:
        return "\n".join(strip.text for strip in self.app.overview.table._painted)

    async def run(self, *words: str) -> None:
        """Run ``monit`` while the screen goes on; then wait until its rows are what is listed."""
        running = asyncio.ensure_future(asyncio.to_thread(command, *words))
        await self.until(running.done, f"monit {' '.join(words)}")
        assert running.result().returncode == 0, running.result().stderr
        await self.settle(" ".join(words))

    async def settle(self, after: str) -> None:
        """Wait until the rows are what is listed."""
        listed: dict[tuple[str, int], int | None] = {}

        def follows() -> bool:
            nonlocal listed
            if _shown(self.app) != listed:
                listed = _listed()
            return _shown(self.app) == listed and all(listed.values())

        await self.until(follows, f"the rows follow after {after}")


def test_no_row_is_left_behind(home: Path, tmp_path: Path) -> None:
    """Apps that are started, scaled, reloaded, killed and deleted, again and again under the same
    names: the screen has a row with the right pid for each instance, and none for what is gone."""
    path = str(script(tmp_path, "app.py", PROGRAM))

    async def play(app: MonitApp, pilot: Pilot[Any]) -> None:
        shop = Shop(app, pilot)
        for number in range(ROUNDS):
            await shop.run("start", path, "--name", "stays" if not number else "comes")
            await shop.run("start", path, "--name", f"goes-{number}", "-i", "2")
            await shop.run("scale", f"goes-{number}", "3")
            os.kill(_shown(app)[f"goes-{number}", 0] or 0, signal.SIGKILL)
            await shop.settle("a crash")
            await shop.run("reload", f"goes-{number}")
            await shop.run("scale", f"goes-{number}", "1")
            await shop.run("delete", f"goes-{number}")
            assert f"goes-{number}" not in shop.list_text()
            if number:
                await shop.run("delete", "comes")
        await shop.run("delete", "all")
        await shop.until(lambda: "No apps yet" in shop.text(), "the list is empty")

    show_home(home, play)
