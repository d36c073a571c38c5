"""A pane: a title line with tabs and a body. Also the divider between the columns of panes."""

from textual.app import ComposeResult
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from monit_tui.keys.bindings import key_name
from monit_tui.keys.keymap import key_actions
from monit_tui.model.layout import TITLES, PaneName
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip


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
        for tab in self._tabs:
            text = f" {keys[f'pane.{tab}']} {TITLES[tab]} ".replace("  ", " ")
            shown = tab == self._pane
            tone = "accent" if shown and self._focused else "strong" if shown else "muted"
            parts.append((text, look.style(tone)))
            at += len(text)
            self._ends.append((at, tab))
        if self._info and at + len(self._info) + 4 <= width:
            parts += [(rule, line), (f" {self._info} ", look.style("plain"))]
            at += len(self._info) + 3
        return [make_strip([*parts, (rule * max(0, width - at), line)], width)]

    def on_click(self, event: Click) -> None:
        """Show the pane of the tab under the mouse."""
        for end, tab in self._ends:
            if event.x < end:
                self.post_message(self.TabChosen(tab))
                return


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
