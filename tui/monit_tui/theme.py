"""Glyphs, tones and themes.

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
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.theme import Theme

Tone = Literal[
    "plain",
    "strong",
    "muted",
    "good",
    "busy",
    "warn",
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

ToneStyles = Mapping[Tone, Style]


def _styles(palette: Palette, text: str) -> dict[Tone, Style]:
    def style(colour: str, *, bold: bool = False, dim: bool = False) -> Style:
        return Style(color=colour or None, bold=bold or None, dim=dim or None)

    return {
        "plain": style(text),
        "strong": style(text, bold=True),
        "muted": style(palette.dim, dim=not palette.dim),
        "good": style(palette.ok),
        "busy": style(palette.info),
        "warn": style(palette.warn, bold=True),
        "bad": style(palette.bad, bold=True),
        "accent": style(palette.accent, bold=True),
        "key": style(palette.accent),
        "curve": style(palette.curve),
        "band": style(palette.band or palette.curve, dim=not palette.band),
        "grid": style(palette.grid, dim=not palette.grid),
    }


@dataclass(eq=False, slots=True)
class Look:
    """Glyphs and styles for one terminal. Widgets share one, so that another theme reaches all."""

    glyphs: Glyphs
    page: ToneStyles
    """The styles of text on the page."""
    bars: ToneStyles
    """The styles of text on bars and on the cursor's row."""
    ground: Style
    """The page itself."""
    raised: Style
    """Header and footer."""
    bar: Style
    """The cursor's row in the pane that has the focus."""
    idle_bar: Style
    """The cursor's row in another pane."""
    dialogs: Theme
    hues: tuple[Style, ...]
    """Colours that tell instances apart; none of them means a state."""

    def become(self, other: "Look") -> None:
        """Take the glyphs and styles of another look."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    def style(self, tone: Tone) -> Style:
        """Return the style of a tone; never None, on which Textual fails under ``NO_COLOR``."""
        return self.page[tone]

    def bar_style(self, tone: Tone) -> Style:
        """Return the style of a tone on a bar."""
        return self.raised + self.bars[tone]

    def on_bar(self, line: Strip, *, focused: bool) -> Strip:
        """Return a line as the cursor's row, its states in colours that are legible there."""
        bar = self.bar if focused else self.idle_bar
        if bar.bgcolor is None:  # reversed or underlined: one style, else it would be patchy
            return Strip([Segment(line.text, bar)], line.cell_length)
        tones: dict[Style, Tone] = {style: tone for tone, style in self.page.items()}
        segments: list[Segment] = []
        for text, style, _ in line:
            tone = tones.get(style or Style())
            over = self.bars[_legible(tone)] if tone else style or Style()
            segments.append(Segment(text, bar + over))
        return Strip(segments, line.cell_length)


def _legible(tone: Tone) -> Tone:
    return "plain" if tone == "muted" else tone


def make_look(
    *, utf8: bool, colours: int, no_color: bool, theme: str = "terminal",
    palettes: Mapping[str, Palette] = THEMES,
) -> Look:  # fmt: skip
    """Return the look for a terminal that shows ``colours`` colours."""
    glyphs = Glyphs() if utf8 else ASCII
    palette = palettes.get(theme, SIXTEEN)
    if colours < MANY_COLOURS or no_color:
        page = _styles(SIXTEEN, "")
        reverse, underlined = Style(reverse=True), Style(bold=True, underline=True)
        dialogs = make_theme(SIXTEEN, "", "sixteen")
        return Look(
            glyphs, page, page, Style(), Style(), reverse, underlined, dialogs, _hues(SIXTEEN.hues)
        )
    bars = DARK if palette is SIXTEEN else palette
    text = bars.bar_text or bars.text
    over = Style(color=text or None)
    return Look(
        glyphs,
        _styles(palette, palette.text),
        _styles(bars, text),
        Style(bgcolor=palette.surface or None),
        over + Style(bgcolor=bars.raised or None),
        over + Style(bgcolor=bars.cursor) if bars.cursor else Style(reverse=True),
        over + Style(bgcolor=bars.cursor_idle) if bars.cursor_idle else Style(underline=True),
        make_theme(palette, text, theme),
        _hues(palette.hues),
    )


def _hues(colours: tuple[str, ...]) -> tuple[Style, ...]:
    return tuple(Style(color=colour or None) for colour in colours)


def _css(colour: str, default: str = "ansi_default") -> str:
    """Return a colour for Textual's style sheets."""
    if not colour:
        return default
    if colour.startswith("#"):
        return colour
    if not colour.startswith("color("):
        return f"ansi_{colour}"
    return Color.parse(colour).get_truecolor().hex


def make_theme(palette: Palette, bar_text: str, name: str) -> Theme:
    """Return Textual's theme of a palette, for dialogs and fields."""
    accent, surface = _css(palette.accent), _css(palette.surface)
    text = _css(palette.text)
    raised = _css(palette.raised, surface)
    on_raised = _css(bar_text) if palette.raised else text
    return Theme(
        name=f"monit-{name}",
        ansi=True,
        primary=accent,
        secondary=accent,
        accent=accent,
        warning=_css(palette.warn),
        error=_css(palette.bad),
        success=_css(palette.ok),
        foreground=text,
        background=surface,
        surface=surface,
        panel=raised,
        boost=surface,
        variables={
            "ansi-background": surface,
            "ansi-foreground": text,
            "raised-text": on_raised,
            "border": accent,
            "border-blurred": text,
            "block-cursor-foreground": on_raised if palette.cursor else "ansi_black",
            "block-cursor-background": _css(palette.cursor, accent),
            "block-cursor-text-style": "bold",
            "input-cursor-text-style": "reverse",
            "input-cursor-background": surface,
            "input-cursor-foreground": text,
            "input-selection-background": accent,
            "input-selection-foreground": "ansi_black",
            "screen-selection-background": accent,
            "screen-selection-foreground": "ansi_black",
        },
    )
