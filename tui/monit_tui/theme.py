"""How things look: glyphs, tones and the one theme, in one place.

The theme stands on the terminal's own colours: text on its default background, accents
from its 16 colours. So it is legible on dark and light terminals, survives ``ssh`` without
``COLORTERM``, and a changed number costs some ten bytes instead of fifty. Only the bar of the
cursor has colours of its own, always as a pair. Nothing is said by colour alone.
"""

from typing import Literal, NamedTuple

from rich.style import Style
from textual.theme import Theme

Tone = Literal["plain", "strong", "muted", "good", "busy", "warn", "bad", "accent", "key"]
"""What a piece of text means; `Look.style` says how that looks."""


class Glyphs(NamedTuple):
    """Every character outside ASCII that the screen draws, and what stands for it in ASCII."""

    online: str = "●"
    stopped: str = "○"
    busy: str = "◌"
    warn: str = "▲"
    error: str = "✖"
    unknown: str = "?"
    waiting: str = "↻"
    opened: str = "▾"
    folded: str = "▸"
    picked: str = "✔"
    ascending: str = "▴"
    descending: str = "▾"
    rule: str = "─"
    strong_rule: str = "━"
    bar: str = "│"
    tee_down: str = "┬"
    cross: str = "┼"
    dot: str = "·"
    ellipsis: str = "…"
    restarts: str = "↺"
    arrow: str = "→"
    blocks: str = " ▁▂▃▄▅▆▇█"
    """Nine heights of a bar, from nothing to full."""
    braille: bool = True


ASCII = Glyphs(
    online="*", stopped="o", busy="~", warn="!", error="x", unknown="?", waiting="@",
    opened="-", folded="+", picked="#", ascending="^", descending="v",
    rule="-", strong_rule="=", bar="|", tee_down="+", cross="+", dot="-", ellipsis="~",
    restarts="rst", arrow="->", blocks=" ..::||##", braille=False,
)  # fmt: skip
"""Outside UTF-8."""

_STYLES: dict[Tone, Style] = {
    "plain": Style(),
    "strong": Style(bold=True),
    "muted": Style(dim=True),
    "good": Style(color="green"),
    "busy": Style(color="cyan"),
    "warn": Style(color="yellow", bold=True),
    "bad": Style(color="red", bold=True),
    "accent": Style(color="cyan", bold=True),
    "key": Style(color="cyan"),
}

_COLOURED_BARS = (Style(color="color(231)", bgcolor="color(24)"),
                  Style(color="color(231)", bgcolor="color(240)"))  # fmt: skip
_PLAIN_BARS = (Style(reverse=True), Style(bold=True, underline=True))


class Look(NamedTuple):
    """Glyphs and styles for one terminal."""

    glyphs: Glyphs
    bar: Style
    """The cursor's row in the pane that has the focus."""
    idle_bar: Style
    """The cursor's row in another pane."""

    def style(self, tone: Tone) -> Style:
        """Give the style of a tone; never None, which ``NO_COLOR`` could not bear."""
        return _STYLES[tone]


def look(*, utf8: bool, colours: int, no_color: bool) -> Look:
    """Choose for a terminal that shows ``colours`` colours."""
    bars = _COLOURED_BARS if colours >= 256 and not no_color else _PLAIN_BARS
    return Look(Glyphs() if utf8 else ASCII, *bars)


THEME = Theme(
    name="monit",
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border": "ansi_cyan",
        "border-blurred": "ansi_default",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_cyan",
        "block-cursor-text-style": "bold",
        "input-cursor-text-style": "reverse",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-selection-background": "ansi_cyan",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_cyan",
        "screen-selection-foreground": "ansi_black",
    },
)
