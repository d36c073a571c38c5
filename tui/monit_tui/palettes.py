"""Glyphs, tones and palettes, and what a theme makes of text. Standard library only: the first
frame is drawn with them before Textual is imported.

Code names what a text means, a `Tone`; a `Palette` gives it a colour. All colours are of the
palette of 256, because a change in them costs 11 bytes and in true colour 19. The page is not
painted: a changed number without a colour has no colour codes around it. Bars have colours of
their own, always as a pair, so they are legible on every page. Nothing is shown by colour alone.

* ``dark``, ``light``  for a page of which that is known; most terminals tell it
* ``terminal``  the page in the terminal's own sixteen colours; the default, where nothing is known
* ``contrast``  white on black, painted

`preferences/themes.py` reads those of the user.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Tone = Literal[
    "plain",
    "strong",
    "muted",
    "good",
    "busy",
    "warn",
    "reason",
    "bad",
    "accent",
    "key",
    "curve",
    "band",
    "grid",
]
"""What a piece of text means; `Look.style` returns its style."""


class Glyphs(NamedTuple):
    """Every character outside ASCII that the screen draws."""

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
    up: str = "↑"
    descending: str = "▾"
    rule: str = "─"
    strong_rule: str = "━"
    bar: str = "│"
    tee_down: str = "┬"
    cross: str = "┼"
    corner: str = "└"
    dot: str = "·"
    ellipsis: str = "…"
    restarts: str = "↺"
    times: str = "×"  # noqa: RUF001 - the sign for "so many times"
    arrow: str = "→"
    threshold: str = "╌"
    event_line: str = "┊"
    tick: str = "┴"
    tick_left: str = "┤"
    tick_right: str = "├"
    blocks: str = " ▁▂▃▄▅▆▇█"
    """Nine heights of a bar, from nothing to full."""
    braille: bool = True


ASCII = Glyphs(
    online="*", stopped="o", busy="~", warn="!", error="x", unknown="?", waiting="@",
    opened="-", folded="+", picked="#", ascending="^", up="^", descending="v",
    rule="-", strong_rule="=", bar="|", tee_down="+", cross="+", corner="`", dot="-", ellipsis="~",
    restarts="rst", times="x", arrow="->", threshold="-", event_line=":", tick="+", tick_left="+",
    tick_right="+", blocks=" ..::||##", braille=False,
)  # fmt: skip
"""The glyphs of a terminal without UTF-8."""


MANY_COLOURS = 256
"""A terminal with fewer has the sixteen colours of its own, whatever the theme."""


class Palette(NamedTuple):
    """A colour for each role: a name or number of the terminal's palette, "" for its default."""

    surface: str
    """The page; "" leaves it as it is."""
    raised: str
    """Header, footer and dialogs."""
    cursor: str
    """The cursor's row in the pane with the focus."""
    cursor_idle: str
    """The cursor's row in another pane."""
    text: str
    dim: str
    accent: str
    ok: str
    warn: str
    bad: str
    info: str
    curve: str
    """The area of a chart up to the lowest values of its steps."""
    band: str
    """The area between the lowest and the highest values."""
    grid: str
    """Axes and lines of a chart, which are no text."""
    bar_text: str = ""
    """The text on bars, which have a ground of their own; "" is that of the page."""
    hues: tuple[str, ...] = ("cyan", "magenta", "")
    """Colours that tell instances apart in merged logs; none of them means a state."""


DARK = Palette(
    surface="", raised="color(235)", cursor="color(18)", cursor_idle="color(237)", text="",
    dim="color(246)", accent="color(75)", ok="color(114)", warn="color(221)", bad="color(210)",
    info="color(80)", curve="color(80)", band="color(30)", grid="color(240)",
    bar_text="color(254)",
    hues=("color(111)", "color(180)", "color(176)", "color(116)", "color(151)", "color(189)"),
)  # fmt: skip
LIGHT = Palette(
    surface="", raised="color(255)", cursor="color(195)", cursor_idle="color(255)", text="",
    dim="color(240)", accent="color(25)", ok="color(22)", warn="color(94)", bad="color(124)",
    info="color(23)", curve="color(30)", band="color(116)", grid="color(249)",
    bar_text="color(234)",
    hues=("color(25)", "color(90)", "color(23)", "color(58)", "color(54)", "color(238)"),
)  # fmt: skip
CONTRAST = Palette(
    surface="color(16)", raised="color(234)", cursor="color(18)", cursor_idle="color(237)",
    text="color(231)", dim="color(253)", accent="color(123)", ok="color(120)", warn="color(227)",
    bad="color(217)", info="color(159)", curve="color(159)", band="color(74)", grid="color(247)",
    hues=("color(159)", "color(219)", "color(230)", "color(157)", "color(189)", "color(223)"),
)  # fmt: skip
SIXTEEN = Palette(
    surface="", raised="", cursor="", cursor_idle="", text="", dim="", accent="cyan", ok="green",
    warn="yellow", bad="red", info="cyan", curve="cyan", band="", grid="",
)  # fmt: skip

THEMES: dict[str, Palette] = {
    "terminal": SIXTEEN, "dark": DARK, "light": LIGHT, "contrast": CONTRAST,
}  # fmt: skip

THEME_HELP: dict[str, str] = {
    "terminal": "the terminal's own sixteen colours", "dark": "for a dark page",
    "light": "for a light page", "contrast": "white on black, painted",
}  # fmt: skip


class TextTraits(NamedTuple):
    """Colours and attributes of a piece of text; "" and False leave what is below it."""

    colour: str = ""
    ground: str = ""
    bold: bool = False
    dim: bool = False
    reverse: bool = False
    underline: bool = False

    def over(self, below: "TextTraits") -> "TextTraits":
        """Return these traits on top of others."""
        return TextTraits(
            self.colour or below.colour,
            self.ground or below.ground,
            self.bold or below.bold,
            self.dim or below.dim,
            self.reverse or below.reverse,
            self.underline or below.underline,
        )


ToneParts = list[tuple[str, Tone]]
"""Pieces of a line, and what they mean."""


class LookTraits(NamedTuple):
    """What a theme makes of text in one terminal; `theme.Look` has it as Textual's styles."""

    page: Mapping[Tone, TextTraits]
    """Text on the page."""
    bars: Mapping[Tone, TextTraits]
    """Text on bars and on the cursor's row."""
    ground: TextTraits
    """The page itself."""
    raised: TextTraits
    """Header and footer."""
    bar: TextTraits
    """The cursor's row in the pane that has the focus."""
    idle_bar: TextTraits
    """The cursor's row in another pane."""
    palette: Palette
    """The palette of page and dialogs."""
    bar_text: str
    """The colour of text on bars."""


def legible_tone(tone: Tone) -> Tone:
    """Return the tone in which a text stands on the cursor's row."""
    return "plain" if tone == "muted" else tone


def look_traits(
    *, colours: int, no_color: bool, theme: str, palettes: Mapping[str, Palette]
) -> LookTraits:
    """Return the look of a theme in a terminal that shows ``colours`` colours."""
    palette = palettes.get(theme, SIXTEEN)
    if colours < MANY_COLOURS or no_color:
        page = _tones(SIXTEEN, "")
        reverse, underlined = TextTraits(reverse=True), TextTraits(bold=True, underline=True)
        plain = TextTraits()
        return LookTraits(page, page, plain, plain, reverse, underlined, SIXTEEN, "")
    bars = DARK if palette is SIXTEEN else palette
    text = bars.bar_text or bars.text
    over = TextTraits(colour=text)
    idle = over._replace(ground=bars.cursor_idle)
    return LookTraits(
        _tones(palette, palette.text),
        _tones(bars, text),
        TextTraits(ground=palette.surface),
        over._replace(ground=bars.raised),
        over._replace(ground=bars.cursor) if bars.cursor else TextTraits(reverse=True),
        idle if bars.cursor_idle else TextTraits(underline=True),
        palette,
        text,
    )


def _tones(palette: Palette, text: str) -> dict[Tone, TextTraits]:
    return {
        "plain": TextTraits(text),
        "strong": TextTraits(text, bold=True),
        "muted": TextTraits(palette.dim, dim=not palette.dim),
        "good": TextTraits(palette.ok),
        "busy": TextTraits(palette.info),
        "warn": TextTraits(palette.warn, bold=True),
        "reason": TextTraits(palette.warn),
        "bad": TextTraits(palette.bad, bold=True),
        "accent": TextTraits(palette.accent, bold=True),
        "key": TextTraits(palette.accent),
        "curve": TextTraits(palette.curve),
        "band": TextTraits(palette.band or palette.curve, dim=not palette.band),
        "grid": TextTraits(palette.grid, dim=not palette.grid),
    }
