"""What a palette makes of text, as styles of Rich and Textual; ``palettes.py`` has the palettes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.theme import Theme

from monit_tui.palettes import (
    ASCII,
    THEMES,
    Glyphs,
    Palette,
    TextTraits,
    Tone,
    ToneParts,
    legible_tone,
    look_traits,
)


def style_of_traits(traits: TextTraits) -> Style:
    """Return traits as a style."""
    return Style(
        color=traits.colour or None,
        bgcolor=traits.ground or None,
        bold=traits.bold or None,
        dim=traits.dim or None,
        reverse=traits.reverse or None,
        underline=traits.underline or None,
    )


@dataclass(eq=False, slots=True)
class Look:
    """Glyphs and styles for one terminal. Widgets share one, so that another theme reaches all."""

    glyphs: Glyphs
    page: dict[Tone, Style]
    """The styles of text on the page."""
    bars: dict[Tone, Style]
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

    def page_parts(self, parts: ToneParts) -> list[tuple[str, Style]]:
        """Return the pieces of a line with their styles on the page."""
        return [(text, self.page[tone]) for text, tone in parts]

    def bar_parts(self, parts: ToneParts) -> list[tuple[str, Style]]:
        """Return the pieces of a line with their styles on header or footer."""
        return [(text, self.bar_style(tone)) for text, tone in parts]

    def cursor_bar(self, *, focused: bool) -> Style:
        """Return the style of the cursor's row."""
        return self.bar if focused else self.idle_bar

    def cursor_parts(self, parts: ToneParts, *, focused: bool) -> list[tuple[str, Style]]:
        """Return the pieces of the cursor's row, in colours that are legible there."""
        bar = self.cursor_bar(focused=focused)
        if bar.bgcolor is None:  # reversed or underlined: one style, else it would be patchy
            return [(text, bar) for text, _ in parts]
        return [(text, bar + self.bars[legible_tone(tone)]) for text, tone in parts]

    def on_bar(self, line: Strip, *, focused: bool) -> Strip:
        """Return a line as the cursor's row, its states in colours that are legible there."""
        bar = self.cursor_bar(focused=focused)
        if bar.bgcolor is None:  # reversed or underlined: one style, else it would be patchy
            return Strip([Segment(line.text, bar)], line.cell_length)
        tones: dict[Style, Tone] = {}
        for tone, style in self.page.items():
            tones.setdefault(style, tone)
        segments: list[Segment] = []
        for text, style, _ in line:
            tone = tones.get(style or Style())
            over = self.bars[legible_tone(tone)] if tone else style or Style()
            segments.append(Segment(text, bar + over))
        return Strip(segments, line.cell_length)


def make_look(
    *, utf8: bool, colours: int, no_color: bool, theme: str = "terminal",
    palettes: Mapping[str, Palette] = THEMES,
) -> Look:  # fmt: skip
    """Return the look for a terminal that shows ``colours`` colours."""
    traits = look_traits(colours=colours, no_color=no_color, theme=theme, palettes=palettes)
    return Look(
        Glyphs() if utf8 else ASCII,
        {tone: style_of_traits(each) for tone, each in traits.page.items()},
        {tone: style_of_traits(each) for tone, each in traits.bars.items()},
        style_of_traits(traits.ground),
        style_of_traits(traits.raised),
        style_of_traits(traits.bar),
        style_of_traits(traits.idle_bar),
        make_theme(traits.palette, traits.bar_text, theme),
        tuple(style_of_traits(TextTraits(colour)) for colour in traits.palette.hues),
    )


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
