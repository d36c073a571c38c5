"""Notices, in place of the footer for some seconds; long ones take a few lines above it too."""

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.timer import Timer

from monit_tui.palettes import Tone
from monit_tui.text.fitting import wrap_words
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip

MOST_LINES = 4
SHOWN_S, ERROR_S = 5.0, 10.0


class NoticeBar(Lines):
    """The latest notice; hidden without one."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="notice")
        self._look = look
        self._text = ""
        self._tone: Tone = "plain"
        self._timer: Timer | None = None

    @property
    def ground(self) -> Style:
        """Return the style of a raised bar."""
        return self._look.raised

    def show(self, text: str, tone: Tone, screen: Size) -> None:
        """Show a notice at the bottom of the screen, and hide it after some seconds."""
        self._text, self._tone = " ".join(text.split()), tone
        self.place(screen)
        self.display = True
        self.repaint()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(ERROR_S if tone == "bad" else SHOWN_S, self.hide)

    def place(self, screen: Size) -> None:
        """Lie at the bottom of the screen."""
        height = min(len(self._rows(screen.width)), MOST_LINES, screen.height)
        self.styles.width, self.styles.height = screen.width, height
        self.styles.offset = (0, screen.height - height)

    def hide(self) -> None:
        """Show the footer again."""
        self.display = False

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the notice."""
        rows = self._rows(width)
        style = self._look.bar_style(self._tone)
        lines: list[Strip] = []
        for number, row in enumerate(rows[:height]):
            mark = " " if number else self._mark()
            cut = self._look.glyphs.ellipsis if number + 1 == height < len(rows) else ""
            lines.append(make_strip([(f" {mark} {row}{cut}", style)], width))
        return lines

    def _rows(self, width: int) -> list[str]:
        return wrap_words(self._text, max(1, width - 5))

    def _mark(self) -> str:
        glyphs = self._look.glyphs
        signs: dict[Tone, str] = {"bad": glyphs.error, "warn": glyphs.warn}
        return signs.get(self._tone, glyphs.dot)
