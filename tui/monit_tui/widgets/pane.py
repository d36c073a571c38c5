"""A pane: a title line with tabs and a body. Also the divider between the columns of panes."""

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from monit_tui.keys.bindings import key_name
from monit_tui.keys.keymap import key_actions
from monit_tui.model.layout import TITLES, PaneName
from monit_tui.text.fitting import fit_middle
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip

SHORTEST_NAME = 3
"""Fewest characters of a tab's title; where there is less room, only its key is shown."""

NAME_LEAST = 8
"""Fewest cells of a name in a title."""

INFO_LEAST = 16
"""Fewest cells of what a pane shows; where there is less room, that is left out."""


class PaneTitle(Lines):
    """The title line: tabs, and what the body shows. Bold when the pane has the focus."""

    class TabChosen(Message):
        """A tab was clicked."""

        def __init__(self, pane: PaneName) -> None:
            super().__init__()
            self.pane: PaneName = pane

    def __init__(self, pane: PaneName, look: Look) -> None:
        super().__init__()
        self._pane: PaneName = pane
        self._look = look
        self._tabs: tuple[PaneName, ...] = (pane,)
        self._info = ""
        self._focused = False
        self._ends: list[tuple[int, PaneName]] = []

    def show(
        self, *, tabs: tuple[PaneName, ...] | None = None, info: str | None = None,
        focused: bool | None = None,
    ) -> None:  # fmt: skip
        """Change the given parts; None leaves a part as it is."""
        self._tabs = self._tabs if tabs is None else tabs
        self._info = self._info if info is None else info
        self._focused = self._focused if focused is None else focused
        self.repaint()

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Return the line."""
        look = self._look
        rule = look.glyphs.strong_rule if self._focused else look.glyphs.rule
        line = look.style("key" if self._focused else "muted")
        parts = [(rule, line)]
        self._ends, at = [], 1
        keys = {one.id: "".join(map(key_name, one.keys[:1])) for one in key_actions(self)}
        names = _fitting_names(self._tabs, self._pane, width - 1, keys, look.glyphs.ellipsis)
        for tab in self._tabs:
            text = f" {keys[f'pane.{tab}']} {names[tab]} ".replace("  ", " ")
            shown = tab == self._pane
            tone = "accent" if shown and self._focused else "strong" if shown else "muted"
            parts.append((text, look.style(tone)))
            at += len(text)
            self._ends.append((at, tab))
        room = min(cell_len(self._info), width - at - 4)
        if self._info and room >= min(INFO_LEAST, cell_len(self._info)):
            info = _fitting_info(self._info, room, look.glyphs.ellipsis)
            parts += [(rule, line), (f" {info} ", look.style("plain"))]
            at += room + 3
        return [make_strip([*parts, (rule * max(0, width - at), line)], width)]

    def on_click(self, event: Click) -> None:
        """Show the pane of the tab under the mouse."""
        for end, tab in self._ends:
            if event.x < end:
                self.post_message(self.TabChosen(tab))
                return


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


class Pane(Widget):
    """One of the six panes."""

    def __init__(self, name: PaneName, body: Widget, look: Look) -> None:
        super().__init__(id=f"pane-{name}", classes="pane")
        self.pane_name: PaneName = name
        self.body = body
        self.title_line = PaneTitle(name, look)

    def compose(self) -> ComposeResult:
        """Compose title and body."""
        yield self.title_line
        yield self.body


class Divider(Lines):
    """The vertical line between the left and the right panes."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="divider")
        self._look = look
        self.crossings: tuple[int, int] = (-1, -1)

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the line, joined to the title lines that it meets."""
        glyphs, style = self._look.glyphs, self._look.style("muted")
        left, right = self.crossings
        joints = {0: glyphs.tee_down, left: glyphs.tick_left, right: glyphs.tick_right}
        if left == right:
            joints[left] = glyphs.cross
        return [make_strip([(joints.get(y, glyphs.bar), style)], width) for y in range(height)]
