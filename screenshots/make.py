"""Makes the pictures of the README from replayed scenes: ``python screenshots/make.py [NAME…]``.

The scenes are those of the tests; their clock stands at a Saturday in March and no machine is
looked at, so the pictures change only when the screen does. They are SVG with text in it: sharp at
every size, and a difference can be read.
"""

import asyncio
import html
import os
import re
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from rich.cells import cell_len

# ruff: noqa: E402 - Textual and the screen read these while they are imported
os.environ.update(TEXTUAL_COLOR_SYSTEM="truecolor", LANG="C.UTF-8", LC_ALL="C.UTF-8", TZ="UTC")
for name in ("NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "MOSH_CONNECTION"):
    os.environ.pop(name, None)
time.tzset()

from monit_agent.client import scenes
from monit_agent.client.replay import ReplaySource
from monit_tui.app import MonitApp
from monit_tui.clock import Clock
from monit_tui.machine import Machine
from monit_tui.screens import overview
from monit_tui.terminal import Terminal

HERE = os.path.dirname(os.path.abspath(__file__))
PAUSE_S = 0.6
"""Longer than the screen waits, in real time, for the cursor to come to rest."""
WIDE, SMALL = (120, 35), (80, 24)
FONTS = "'Fira Code', 'JetBrains Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace"
RUN = re.compile(
    r'<text (class="[^"]*") x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>([^<]*)</text>'
)


class Shot(NamedTuple):
    """One picture."""

    scene: Callable[[], ReplaySource]
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    watch_s: int = 20
    """How long the scene plays before the keys are pressed."""


TO_WEB = ("down", "down", "down")
"""From the first app of the healthy scene to the one that prints plain lines."""

SHOTS = {
    "overview": Shot(scenes.healthy, WIDE, TO_WEB),
    "trouble": Shot(scenes.trouble, WIDE),
    "small": Shot(scenes.trouble, SMALL),
    "logs": Shot(scenes.healthy, WIDE, (*TO_WEB, "2", "z")),
    "metrics": Shot(scenes.healthy, WIDE, (*TO_WEB, "3", "z")),
    "confirm": Shot(scenes.healthy, WIDE, (*TO_WEB, "r")),
    "help": Shot(scenes.healthy, WIDE, ("question_mark",)),
}


async def take(shot: Shot) -> str:
    """Play the scene, press the keys, give the picture as SVG."""
    source = shot.scene()
    app = MonitApp(source, clock=Clock(source.wall, source.monotonic), at=Terminal())
    app.feed.hz = 1e-3  # its timer is real time; here only `play` lets anything happen
    async with app.run_test(size=shot.size) as pilot:

        async def play(seconds: float) -> None:
            source.advance(seconds)
            app.feed.flush()
            await pilot.pause()

        for _ in range(shot.watch_s):
            await play(1.0)
        for key in shot.keys:
            await pilot.press(key)
            await play(0.1)
        await pilot.pause(PAUSE_S)
        for _ in range(2):  # a question asked by the first is answered to the second
            await play(0.5)
        return portable(app.export_screenshot(title="monit"))


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


def main() -> int:
    """Make the pictures that the command line names, or all."""
    overview.look_at_machine = lambda: Machine("teashop", 0.42, 3_100_000_000, 8_000_000_000)
    unknown = [name for name in sys.argv[1:] if name not in SHOTS]
    if unknown:
        print(f"no such picture: {', '.join(unknown)}; there are {', '.join(SHOTS)}")
        return 2
    for name in sys.argv[1:] or SHOTS:
        path = os.path.join(HERE, f"{name}.svg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(asyncio.run(take(SHOTS[name])))
        print(os.path.relpath(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
