"""The moving picture of the README: frames of the screen as one SVG."""

import asyncio
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from textual.app import App, ComposeResult
from textual.widgets import Static

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "screenshots"))

from animation import MovingFrame, animate  # noqa: E402 - found by the line above


class _Lines(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("kept\nfirst", id="text", markup=False)


async def _frames() -> list[MovingFrame]:
    app = _Lines()
    frames: list[MovingFrame] = []
    async with app.run_test(size=(20, 5)) as pilot:
        for text in ("kept\nfirst", "kept\nsecond", "kept\nthird <&>"):
            app.query_one("#text", Static).update(text)
            await pilot.pause()
            frames.append(MovingFrame(app.export_screenshot(title="t"), 2.0, f"say {text[5:]}"))
    return frames


def _animated(still: int) -> str:
    return animate(asyncio.run(_frames()), still)


def test_a_row_that_stays_is_there_once() -> None:
    """Each row that changes is there once for each of its contents; the picture is valid XML."""
    svg = _animated(0)
    text = "".join(ET.fromstring(svg).itertext()).replace("\N{NO-BREAK SPACE}", " ")
    assert text.count("kept") == 1
    assert text.count("second") == 2  # the row, and the caption
    assert "third <&>" in text


def test_without_animation_one_frame_stands() -> None:
    """Only the still frame's rows are visible outside the rules for who accepts motion."""
    svg = _animated(1)
    plain, moving = svg.split("@media (prefers-reduced-motion: no-preference)")
    hidden = set(re.findall(r"\.(s\d+) \{ visibility: hidden \}", plain))
    animated = set(re.findall(r"\.(s\d+) \{ animation:", moving))
    groups = re.findall(r'<g class="(s\d+)">(.*?)</g>', svg)
    shown = "".join(content for name, content in groups if name not in hidden)
    assert "second" in shown
    assert "first" not in shown
    assert "third" not in shown
    assert hidden < animated


def test_times_are_those_of_the_frames() -> None:
    """A frame of two of six seconds is visible for a third of the time, in a row."""
    svg = _animated(0)
    assert "animation: 6s step-end infinite" in svg
    assert "33.333% { visibility: visible } 66.667% { visibility: hidden }" in svg
