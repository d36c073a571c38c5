"""A pane: a title line with tabs and a body. Also the divider between the columns of panes."""

from textual.app import ComposeResult
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from monit_tui.keys.keymap import key_actions
from monit_tui.model.layout import PaneName
from monit_tui.model.title_line import PaneTitleText, divider_glyphs, title_line
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
        title = PaneTitleText(self._pane, self._tabs, self._info, self._focused)
        parts, self._ends = title_line(title, key_actions(self), self._look.glyphs, width)
        return [make_strip(self._look.page_parts(parts), width)]

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
        look = self._look
        joints = divider_glyphs(self.crossings, height, look.glyphs)
        return [make_strip([(each, look.style("muted"))], width) for each in joints]
