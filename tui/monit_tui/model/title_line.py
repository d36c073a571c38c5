"""The title line of a pane, and the line between left and right panes. Pure: the first frame is
drawn with them before Textual is imported.
"""

from typing import NamedTuple

from rich.cells import cell_len

from monit_tui.keys.actions import KeyAction
from monit_tui.keys.names import key_name
from monit_tui.model.layout import TITLES, PaneName
from monit_tui.palettes import Glyphs, Tone, ToneParts
from monit_tui.text.fitting import fit_middle

SHORTEST_NAME = 3
"""Fewest characters of a tab's title; where there is less room, only its key is shown."""

NAME_LEAST = 8
"""Fewest cells of a name in a title."""

INFO_LEAST = 16
"""Fewest cells of what a pane shows; where there is less room, that is left out."""


class PaneTitleText(NamedTuple):
    """What a title line says."""

    pane: PaneName
    """The pane that is shown."""
    tabs: tuple[PaneName, ...]
    info: str = ""
    """What the pane shows."""
    focused: bool = False


class TitleLine(NamedTuple):
    """The line, and where each tab ends."""

    parts: ToneParts
    ends: list[tuple[int, PaneName]]


def title_line(
    title: PaneTitleText, actions: tuple[KeyAction, ...], glyphs: Glyphs, width: int
) -> TitleLine:
    """Return the line; ``actions`` have the keys of the panes."""
    focused = title.focused
    rule = glyphs.strong_rule if focused else glyphs.rule
    line: Tone = "key" if focused else "muted"
    made, at = TitleLine([(rule, line)], []), 1
    keys = {one.id: "".join(map(key_name, one.keys[:1])) for one in actions}
    names = _fitting_names(title.tabs, title.pane, width - 1, keys, glyphs.ellipsis)
    for tab in title.tabs:
        text = f" {keys[f'pane.{tab}']} {names[tab]} ".replace("  ", " ")
        shown = tab == title.pane
        made.parts.append((text, "accent" if shown and focused else "strong" if shown else "muted"))
        at += len(text)
        made.ends.append((at, tab))
    room = min(cell_len(title.info), width - at - 4)
    if title.info and room >= min(INFO_LEAST, cell_len(title.info)):
        info = _fitting_info(title.info, room, glyphs.ellipsis)
        made.parts.extend([(rule, line), (f" {info} ", "plain")])
        at += room + 3
    made.parts.append((rule * max(0, width - at), line))
    return made


def _fitting_names(
    tabs: tuple[PaneName, ...], shown: PaneName, room: int, keys: dict[str, str], dots: str
) -> dict[PaneName, str]:
    """Return the titles of tabs, those that are not shown as short as needed: every tab has its
    key in view, and can be clicked."""
    longest = max(len(TITLES[tab]) for tab in tabs)
    each: list[dict[PaneName, str]] = [
        {tab: TITLES[tab] if tab == shown else _short(TITLES[tab], most, dots) for tab in tabs}
        for most in (*range(longest, SHORTEST_NAME - 1, -1), 0)
    ]
    fitting = (
        names for names in each
        if sum(len(keys[f"pane.{tab}"]) + len(name) + 3 for tab, name in names.items()) <= room
    )  # fmt: skip
    return next(fitting, each[-1])


def _fitting_info(info: str, room: int, dots: str) -> str:
    """Return a text of exactly ``room`` cells; the name before its first comma is cut."""
    name, comma, rest = info.partition(", ")
    left = room - cell_len(comma + rest)
    if cell_len(info) <= room or left < NAME_LEAST:
        return fit_middle(info, room, dots)
    return fit_middle(name, left, dots) + comma + rest


def _short(title: str, most: int, dots: str) -> str:
    return title if len(title) <= most else title[: most - 1] + dots if most else ""


def divider_glyphs(crossings: tuple[int, int], height: int, glyphs: Glyphs) -> list[str]:
    """Return the divider from top to bottom, joined to the title lines that it meets."""
    left, right = crossings
    joints = {0: glyphs.tee_down, left: glyphs.tick_left, right: glyphs.tick_right}
    if left == right:
        joints[left] = glyphs.cross
    return [joints.get(y, glyphs.bar) for y in range(height)]
