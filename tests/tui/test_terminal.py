"""The terminal's traits, which are determined before Textual is imported."""

import pytest
from rich.console import Console

from monit_tui import terminal
from monit_tui.palettes import THEMES
from monit_tui.text.contrast import LEGIBLE, contrast
from monit_tui.theme import make_look


@pytest.mark.parametrize(
    ("environ", "utf8"),
    [
        ({"LANG": "en_US.UTF-8"}, True), ({"LANG": "de_DE.utf8"}, True), ({"LC_ALL": "C"}, False),
        ({"LC_ALL": "C.UTF-8"}, True), ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, False),
        ({"LANG": "ru_RU.KOI8-R"}, False), ({"TERM": "xterm"}, True), ({"TERM": "linux"}, False),
        ({"LANG": "sr_RS.UTF-8@latin"}, True), ({"TERM": "vt100"}, False),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, False),
    ],
)  # fmt: skip
def test_the_locale_says_whether_utf8_is_understood(environ: dict[str, str], utf8: bool) -> None:
    """The locale determines UTF-8; without a locale, the name of the terminal does. The fonts of
    the Linux console lack the glyphs, whatever the locale."""
    assert terminal.read_features(environ).utf8 is utf8


@pytest.mark.parametrize(
    "term",
    ["xterm", "xterm-256color", "xterm-kitty", "linux", "screen.xterm-256color", "rxvt-16color",
     "tmux-direct", "vt100", " XTERM-256COLOR "],
)  # fmt: skip
@pytest.mark.parametrize("colorterm", ["", "truecolor", "24bit", " TrueColor ", "yes"])
def test_colours_are_counted_as_rich_counts_them(term: str, colorterm: str) -> None:
    """So the first frame has the colours of the screen that follows."""
    environ = {"TERM": term, "COLORTERM": colorterm}
    system = Console(force_terminal=True, _environ=environ).color_system
    counts = {"truecolor": 1 << 24, "256": 256, "standard": 16}
    assert terminal.colour_count(environ) == counts[system or ""]


def test_over_ssh_textual_sends_less() -> None:
    """Over ssh and mosh, Textual paints less often and without the kitty protocol."""
    for name in ("SSH_CONNECTION", "SSH_TTY", "MOSH_CONNECTION"):
        environ = {name: "x"}
        terminal.prepare_textual(environ)
        assert environ["TEXTUAL_FPS"] == "30"
        assert environ["TEXTUAL_DISABLE_KITTY_KEY"] == "1"
    own = {"SSH_TTY": "x", "TEXTUAL_FPS": "10"}
    terminal.prepare_textual(own)
    assert own["TEXTUAL_FPS"] == "10"
    local: dict[str, str] = {}
    terminal.prepare_textual(local)
    assert local == {"TEXTUAL_ANIMATIONS": "none"}
    assert terminal.read_features({"MOSH_CONNECTION": "x"}).mosh


def test_the_cursor_is_visible_without_colours() -> None:
    """With few colours the bar is reversed, with many it has its own colour."""
    assert make_look(utf8=True, colours=16, no_color=False).bar.reverse
    assert make_look(utf8=True, colours=256, no_color=True).bar.reverse
    assert make_look(utf8=True, colours=256, no_color=False).bar.bgcolor is not None


@pytest.mark.parametrize("name", ["dark", "light", "contrast"])
def test_every_text_is_legible_on_every_ground(name: str) -> None:
    """Each role has a contrast of 4.5 on the page and on all bars; dim text is never on the
    cursor's row."""
    palette = THEMES[name]
    page = palette.surface or ("#ffffff" if name == "light" else "#000000")
    text = palette.bar_text or palette.text
    roles = {"text": text, **{role: getattr(palette, role) for role in
             ("accent", "ok", "warn", "bad", "info")}, **dict(enumerate(palette.hues))}  # fmt: skip
    grounds = {"page": page, **{role: getattr(palette, role) for role in
               ("raised", "cursor", "cursor_idle")}}  # fmt: skip
    faint = [
        f"{role} on {ground}: {contrast(colour, below):.1f}"
        for role, colour in roles.items() for ground, below in grounds.items()
        if contrast(colour, below) < LEGIBLE
    ]  # fmt: skip
    faint += [
        f"dim on {ground}"
        for ground in ("page", "raised")
        if contrast(palette.dim, grounds[ground]) < LEGIBLE
    ]
    assert faint == []


@pytest.mark.parametrize(
    ("environ", "theme"),
    [
        ({}, "terminal"), ({"COLORFGBG": "15;0"}, "dark"), ({"COLORFGBG": "0;default;15"}, "light"),
        ({"COLORFGBG": "0;15", "MONIT_THEME": "contrast"}, "contrast"),
        ({"MONIT_THEME": "no such"}, "terminal"),
    ],
)  # fmt: skip
def test_the_theme_is_chosen_by_the_user_or_the_page(environ: dict[str, str], theme: str) -> None:
    """MONIT_THEME chooses the theme, else the page's colour; an unknown name is reported."""
    chosen, problem = terminal.choose_theme(environ, THEMES)
    assert chosen == theme
    assert ("choose from terminal, dark, light, contrast" in problem) is (
        environ.get("MONIT_THEME") == "no such"
    )
