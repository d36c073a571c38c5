"""Makes the pictures of the README from replayed scenes: ``python screenshots/make.py [NAME…]``.

The scenes are those of the tests; their clock stands at a Saturday in March and no machine is
looked at, so the pictures change only when the screen does. They are SVG with text in it: sharp at
every size, and a difference can be read.
"""

import asyncio
import glob
import html
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from rich.cells import cell_len

# ruff: noqa: E402 - Textual and the screen read these while they are imported
os.environ.update(TEXTUAL_COLOR_SYSTEM="truecolor", LANG="C.UTF-8", LC_ALL="C.UTF-8", TZ="UTC")
for name in ("NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "MOSH_CONNECTION"):
    os.environ.pop(name, None)
time.tzset()

from animation import MovingFrame, animate
from textual.pilot import Pilot

from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import local_app
from monit_tui.app import MonitApp
from monit_tui.clock import Clock
from monit_tui.model.machine import MachineFigures
from monit_tui.model.processes.rows import RowKey
from monit_tui.screens import overview
from monit_tui.terminal import TerminalFeatures

HERE = os.path.dirname(os.path.abspath(__file__))
PAUSE_S = 0.6
"""Longer than the screen waits, in real time, for the cursor to come to rest."""
FOLDER = "/tmp/teashop"  # noqa: S108 - it is seen in the picture of a profile
WIDE = 120, 35
FONTS = "'Fira Code', 'JetBrains Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace"
RUN = re.compile(
    r'<text (class="[^"]*") x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>([^<]*)</text>'
)


PAGE = """# Pictures of the screen

`make screenshots` makes them from replayed scenes (`python -m monit_tui --scene trouble`).
They change only when the screen does.

![A crash with its reason, and a rolling reload](moving.svg)
"""


class Shot(NamedTuple):
    """One picture."""

    scene: Callable[[], ReplaySource]
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    watch_s: int = 20
    """How long the scene plays before the keys are pressed."""
    theme: str = "dark"


TO_WEB = ("down", "down", "down")
"""From the first app of the healthy scene to the one that prints plain lines."""

PROFILED = (*TO_WEB, "down", "P", "enter")
"""The profile of one of its workers."""

SIZES = {"80x24": (80, 24), "120x35": (120, 35), "200x50": (200, 50)}
THEMES = ("dark", "light")

VIEWS = {
    "overview": Shot(scenes.healthy, WIDE, TO_WEB),
    "trouble": Shot(scenes.trouble, WIDE),
    "logs": Shot(scenes.healthy, WIDE, (*TO_WEB, "2", "z")),
    "metrics": Shot(scenes.incident, WIDE, (*TO_WEB, "3", "minus", "minus", "e", "e")),
    "timeline": Shot(scenes.incident, WIDE, ("5", "e", "e")),
    "crashes": Shot(scenes.trouble, WIDE, ("down", "c")),
    "profile": Shot(scenes.healthy, WIDE, (*PROFILED, "tab", *["down"] * 4)),
    "confirm": Shot(scenes.healthy, WIDE, (*TO_WEB, "r")),
    "help": Shot(scenes.healthy, WIDE, ("question_mark",)),
}
"""What is shown at every size and on dark and light pages."""

SHOTS = {
    "overview": Shot(scenes.healthy, WIDE, TO_WEB),
    "trouble": Shot(scenes.trouble, WIDE),
    "metrics": Shot(scenes.incident, WIDE, (*TO_WEB, "3", "z", "minus", "minus")),
    "timeline": Shot(scenes.incident, WIDE, ("5", "z", "e", "e")),
    "profile": Shot(scenes.healthy, WIDE, PROFILED),
    **{
        f"views/{view}-{size}-{theme}": shot._replace(size=cells, theme=theme)
        for view, shot in VIEWS.items()
        for size, cells in SIZES.items()
        for theme in THEMES
    },
}
"""The pictures of the README, and below ``views/`` those of ``screenshots/README.md``."""


class Step(NamedTuple):
    """A moment of the moving picture: a key, then time that passes in so many frames."""

    caption: str
    app: str = ""
    """Where the cursor goes first."""
    key: str = ""
    frames: int = 1
    scene_s: float = 1.0
    """Seconds of the scene before each frame."""
    shown_s: float = 1.0
    """How long each frame is shown."""


WHY = "api loses its database: the line below says why"

STORY = (
    Step("three apps under load", app="api", frames=2, scene_s=0.9),
    Step("api loses its database", frames=3, scene_s=0.9),
    Step(WHY, frames=3, scene_s=0.9, shown_s=1.4),
    Step("c: its last exits side by side", key="c", scene_s=0.4, shown_s=3.5),
    Step("a minute later, the database is back", key="escape", scene_s=60.0, shown_s=1.8),
    Step("R: a rolling reload asks first", app="web", key="R", shown_s=2.2),
    Step("one worker after another; the port stays open", key="y", scene_s=0.3, shown_s=0.8),
    Step("one worker after another; the port stays open", frames=8, scene_s=0.6, shown_s=0.8),
    Step("every worker is new", frames=3, shown_s=1.5),
)
MOVING = "moving"
STORY_SIZE = (100, 28)
STORY_BEGINS_S = 7


async def take_story() -> str:
    """Play the outage and a reload, give the moving picture as SVG."""
    async with _stage(Shot(scenes.outage, STORY_SIZE)) as stage:
        for _ in range(STORY_BEGINS_S):
            await stage.play(1.0)
        frames: list[MovingFrame] = []
        for step in STORY:
            if step.app:
                table = stage.app.overview.table
                table.move_to(table.rows.index(RowKey(local_app(step.app))))
                await stage.play(0.2)
            if step.key:
                await stage.pilot.press(step.key)
            for _ in range(step.frames):
                await stage.play(step.scene_s)
                await stage.pilot.pause(PAUSE_S)
                await stage.play(0.0)
                frames.append(MovingFrame(stage.picture(), step.shown_s, step.caption))
    still = max(place for place, frame in enumerate(frames) if frame.caption == WHY)
    return animate(frames, still)


class Stage(NamedTuple):
    """A running screen."""

    app: MonitApp
    source: ReplaySource
    pilot: Pilot[object]
    theme: str

    async def play(self, seconds: float) -> None:
        """Let the scene go on."""
        self.source.advance(seconds)
        self.app.feed.flush()
        await self.pilot.pause()

    def picture(self) -> str:
        """Return what is shown as SVG."""
        return portable(on_page(self.app.export_screenshot(title="monit"), self.theme))


@asynccontextmanager
async def _stage(shot: Shot) -> AsyncIterator[Stage]:
    source = shot.scene()
    os.environ["MONIT_THEME"] = shot.theme
    app = MonitApp(source, clock=Clock(source.wall, source.monotonic), at=TerminalFeatures())
    app.feed.hz = 1e-3  # its timer is real time; here only `play` lets anything happen
    async with app.run_test(size=shot.size) as pilot:
        yield Stage(app, source, pilot, shot.theme)


async def take(shot: Shot) -> str:
    """Play the scene, press the keys, give the picture as SVG."""
    async with _stage(shot) as stage:
        pilot, play = stage.pilot, stage.play
        for _ in range(shot.watch_s):
            await play(1.0)
        for key in shot.keys:
            await pilot.press(key)
            await play(0.1)
        await pilot.pause(PAUSE_S)
        for _ in range(2):  # a question asked by the first is answered to the second
            await play(0.5)
        return stage.picture()


def on_page(svg: str, theme: str) -> str:
    """Give the picture the page that a theme is made for: Textual draws a dark one, and the
    terminal's own text in a light grey."""
    if theme != "light":
        return svg
    svg = svg.replace('fill="#292929"', 'fill="#fafafa"').replace("fill: #292929", "fill: #fafafa")
    return svg.replace("#c5c8c6", "#24292f").replace("fill: #868887", "fill: #57606a")


def portable(svg: str) -> str:
    """Make Textual's SVG look the same wherever it is shown.

    The web font goes: pages that show pictures do not load it, and loading tells who looks. What
    is drawn instead is placed word by word, and glyph by glyph where a font may draw them wider
    than their cell; renderers differ in how they fit longer runs, and in blanks.
    """
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family:\s*Fira Code, monospace", f"font-family: {FONTS}", svg)
    svg = re.sub(r"<clipPath id=\"[^\"]*-line-\d+\">.*?</clipPath>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\n[ \t]*(?=\n)", "", svg)
    return RUN.sub(_pieces, svg)


def _pieces(found: re.Match[str]) -> str:
    """Place the pieces of a run where their first cells are."""
    style, x, y, length, text = found.groups()
    run = html.unescape(text)
    cell = float(length) / max(cell_len(run), 1)
    placed: list[str] = []
    for piece in re.finditer(r"[!-~]+|[^\s!-~]", run):
        left = float(x) + cell * cell_len(run[: piece.start()])
        width = cell * cell_len(piece[0])
        fit = "" if piece[0].isascii() else ' lengthAdjust="spacingAndGlyphs"'
        placed.append(
            f'<text {style} x="{left:.1f}" y="{y}" textLength="{width:.1f}"{fit}>'
            f"{html.escape(piece[0])}</text>"
        )
    return "".join(placed)


def _empty_folder() -> None:
    """Work in a folder without profiles, so that a saved one has the same name each time."""
    os.makedirs(FOLDER, exist_ok=True)
    os.chdir(FOLDER)
    for path in glob.glob("monit-*.speedscope.json"):
        os.unlink(path)


def _table_of_views() -> str:
    """Return the page that links to the pictures of all views."""
    head = "\n".join(["| | " + " | ".join(SIZES) + " |", "| --- " * (len(SIZES) + 1) + "|"])
    rows = [
        f"| {view} | "
        + " | ".join(
            ", ".join(f"[{theme}](views/{view}-{size}-{theme}.svg)" for theme in THEMES)
            for size in SIZES
        )
        + " |"
        for view in VIEWS
    ]
    return "\n".join([PAGE, head, *rows, ""])


def main() -> int:
    """Make the pictures that the command line names, or all."""
    overview.read_machine = lambda: MachineFigures("teashop", 0.42, 3_100_000_000, 8_000_000_000)
    known = [*SHOTS, MOVING]
    unknown = [name for name in sys.argv[1:] if name not in known]
    if unknown:
        print(f"no such picture: {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    os.makedirs(os.path.join(HERE, "views"), exist_ok=True)
    for name in sys.argv[1:] or known:
        _empty_folder()
        path = os.path.join(HERE, f"{name}.svg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(asyncio.run(take_story() if name == MOVING else take(SHOTS[name])))
        print(os.path.relpath(path, HERE))
    with open(os.path.join(HERE, "README.md"), "w", encoding="utf-8") as file:
        file.write(_table_of_views())
    return 0


if __name__ == "__main__":
    sys.exit(main())
