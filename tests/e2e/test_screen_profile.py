"""`P` on the screen: a live worker of a real agent is profiled, shown and saved."""

import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from monit_tui.screens.profile import ProfilePrompt, ProfileScreen
from support.command_line import in_terminal, monit, row, script
from support.live_screen import LiveScreen, show_home
from support.waiting import wait_until

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node here")

PYTHON = """
def crunch(rounds):
    total = 0
    for number in range(rounds):
        total += number * number % 7
    return total

def work():
    while True:
        crunch(100_000)

work()
"""
NODE = """
function crunch(rounds) {
  let total = 0;
  for (let number = 0; number < rounds; number++) total += (number * number) % 7;
  return total;
}
function work() { crunch(2e6); setTimeout(work, 1); }
work();
"""
PROGRAMS = {"python": ("app.py", PYTHON), "node": ("app.js", NODE)}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles are saved into the folder in which monit was started."""
    monkeypatch.chdir(tmp_path)


def _start(folder: Path, kind: str = "python", *words: str) -> None:
    name, text = PROGRAMS[kind]
    monit("start", str(script(folder, name, text)), "--name", "app", "--cwd", str(folder), *words)


def _has_probe() -> None:
    wait_until(lambda: row("app")["heap_used_bytes"], what="the probe reports")


class Screen(LiveScreen):
    """A screen whose workers are profiled."""

    async def profile(self, seconds: str = "1") -> None:
        """Go to the app, press P and enter the seconds."""
        await self.until(lambda: "online" in self.text(), "the app is shown")
        await self.press("P")
        await self.until(lambda: isinstance(self.app.screen, ProfilePrompt), "the question")
        await self.press("ctrl+u", *seconds.replace(".", "full_stop"), "enter")
        await self.until(lambda: isinstance(self.app.screen, ProfileScreen), "the profile")


def _show(home: Path, play: Callable[[Screen], Awaitable[None]], **options: Any) -> None:
    show_home(home, lambda app, pilot: play(Screen(app, pilot)), **options)


@pytest.mark.parametrize("kind", ["python", pytest.param("node", marks=needs_node)])
def test_a_live_worker_is_profiled_and_saved(
    kind: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function that takes the CPU is the first row and has a box; the file is one that
    speedscope reads, and its path is shown."""
    _start(tmp_path, kind)
    _has_probe()
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    async def play(screen: Screen) -> None:
        await screen.profile()
        await screen.until(lambda: "speedscope.app" in screen.text(), "it is saved")
        table = screen.app.screen.query_one("#profile-table")
        await screen.until(
            lambda: "crunch" in "".join(row.text for row in table._painted[1:2]),
            "the first row is painted",
        )
        assert "%" in table._painted[1].text
        await screen.press("enter")
        assert "[crunch" in screen.text()
        assert "below crunch" in screen.text()
        await screen.press("escape", "escape")
        assert screen.text().count("crunch") >= 2
        (path,) = folder.iterdir()
        assert path.name in "".join(screen.text().split())
        scope = json.loads(path.read_text())
        assert "crunch" in [frame["name"] for frame in scope["shared"]["frames"]]
        assert path.stat().st_mode & 0o777 == 0o600
        await screen.press("escape")
        assert screen.app.screen is screen.app.overview

    _show(home, play)
    assert row("app")["restarts"] == 0


def test_a_worker_that_exits_meanwhile_is_reported(home: Path, tmp_path: Path) -> None:
    """The profile ends with the reason, and Esc closes it."""
    _start(tmp_path)
    _has_probe()
    pid = row("app")["pid"]

    async def play(screen: Screen) -> None:
        await screen.profile("60")
        assert "of 60 s" in screen.text()
        await screen.until(
            lambda: any(
                "profile of process" in event.text
                for app in screen.app.source.fleet.apps.values()
                for event in app.events
            ),
            "the agent has the request",
        )
        os.kill(pid, signal.SIGKILL)
        await screen.until(
            lambda: "it was killed by SIGKILL while it was profiled" in screen.text(), "the reason"
        )
        await screen.press("escape")
        assert screen.app.screen is screen.app.overview

    _show(home, play)


def test_a_worker_without_a_probe_is_refused_in_words(home: Path, tmp_path: Path) -> None:
    """The agent's reason is shown."""
    _start(tmp_path, "python", "--no-probe")

    async def play(screen: Screen) -> None:
        await screen.profile()
        await screen.until(lambda: "no probe reports from app/0" in screen.text(), "the reason")
        assert "--no-probe" in screen.text()

    _show(home, play, size=(80, 24))


def test_a_closed_profile_is_saved_all_the_same(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Esc closes the view; a notice has the path when the profile is there."""
    _start(tmp_path)
    _has_probe()
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    async def play(screen: Screen) -> None:
        await screen.profile("2")
        await screen.press("escape")
        assert screen.app.screen is screen.app.overview
        await screen.until(lambda: list(folder.iterdir()), "it is saved")
        await screen.until(
            lambda: any("saved for" in str(one.message) for one in screen.app._notifications),
            "the notice",
        )

    _show(home, play)


def test_in_a_terminal(home: Path, tmp_path: Path) -> None:
    """The keys work as a terminal sends them."""
    _start(tmp_path)
    _has_probe()
    terminal = in_terminal("app", rows=24, columns=80, HOME=str(tmp_path))
    terminal.expect("online")
    terminal.send("P")
    terminal.expect("Profile app/0")
    terminal.send("\x151\r")
    terminal.expect("crunch")
    terminal.send("q")
    terminal.send("q")
    terminal.expect("keeps running")
    terminal.wait()
    assert terminal.exitstatus == 0
    assert home.exists()
