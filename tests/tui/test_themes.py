"""Themes, chosen in the running screen and kept."""

import pytest
from rich.color import Color

from monit_agent.replay import scenes
from monit_tui.model.view_state import ViewState
from monit_tui.palettes import DARK, THEMES
from monit_tui.preferences.files import Preferences
from monit_tui.screens.themes import ThemeMenu
from support.screen import Shown, show

MINE = DARK._replace(surface="#101010", text="#eeeeee")


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show colours, whatever the terminal of the tests is."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in ("NO_COLOR", "MONIT_THEME", "COLORFGBG"):
        monkeypatch.delenv(name, raising=False)


def colours(shown: Shown) -> set[str]:
    """Return the colours of texts and grounds in view, as they are sent."""
    styles = {
        segment.style
        for strip in shown.app.screen._compositor.render_strips(shown.app.size)
        for segment in strip
    }
    found = {one for style in styles if style for one in (style.color, style.bgcolor)}
    return {one.get_truecolor().hex for one in found if one is not None and not one.is_default}


def shade(name: str, role: str) -> str:
    return Color.parse(getattr(THEMES[name], role)).get_truecolor().hex


def test_the_menu_shows_a_theme_at_once_and_keeps_it() -> None:
    """T lists the themes; the one under the cursor is shown in all panes, Enter keeps it."""

    async def play(shown: Shown) -> None:
        await shown.press("T")
        assert isinstance(shown.app.screen, ThemeMenu)
        await shown.press("down", "down")
        await shown.until(lambda: shown.app.themes.name == "light", "light is shown")
        await shown.press("enter")
        assert shown.app.screen is shown.app.overview
        assert {shade("light", "raised"), shade("light", "cursor")} <= colours(shown)
        assert not {shade("dark", "raised"), shade("dark", "ok")} & colours(shown)
        assert shown.app.view_state().theme == "light"

    show(play, scenes.trouble())


def test_escape_brings_the_theme_from_before_back() -> None:
    """Esc in the menu shows the theme from before, and nothing is kept."""

    async def play(shown: Shown) -> None:
        before = colours(shown)
        await shown.press("T", "down", "j", "j")
        await shown.until(lambda: shown.app.themes.name == "contrast", "contrast is shown")
        await shown.press("escape")
        await shown.until(lambda: colours(shown) == before, "the colours are those from before")
        assert shown.app.view_state() == ViewState()

    show(play, scenes.trouble())


@pytest.mark.parametrize("name", ["dark", "light", "contrast", "mine"])
def test_a_theme_chosen_while_running_looks_like_one_from_the_start(name: str) -> None:
    """After the command, every pane has the colours that it has when it starts with the theme."""
    seen: dict[str, set[str]] = {}

    async def look(shown: Shown, when: str) -> None:
        for pane in "65432":
            await shown.press(pane)
        await shown.press("1")
        await shown.pilot.pause()
        seen[when] = {
            str(segment.style)
            for strip in shown.app.overview._compositor.render_strips(shown.app.size)
            for segment in strip
        }

    async def start(shown: Shown) -> None:
        assert shown.app.themes.name == name
        await look(shown, "from the start")

    async def change(shown: Shown) -> None:
        await look(shown, "before")
        await shown.press("colon", *"theme", "space", *name, "enter")
        await shown.until(lambda: shown.app.themes.name == name, "it is shown")
        await shown.until(lambda: shown.app.overview.footer.display, "the field is closed")
        await look(shown, "changed")

    own = Preferences({"mine": MINE})
    show(start, scenes.trouble(), view=ViewState(theme=name), preferences=own)
    show(change, scenes.trouble(), preferences=own)
    assert seen["changed"] == seen["from the start"]
    assert seen["changed"] != seen["before"]


def test_a_kept_theme_that_is_gone_is_named() -> None:
    """Without the file of a kept theme, the terminal decides, and a notice says so."""

    async def play(shown: Shown) -> None:
        await shown.until(
            lambda: "theme mine: no such theme; choose from terminal, dark" in shown.toasts(),
            "the notice",
        )
        assert shown.app.themes.name == "terminal"

    show(play, scenes.healthy(), view=ViewState(theme="mine"))


def test_faults_of_files_are_said_at_the_start() -> None:
    """One notice has how many each file has, without its folder; a single one is said whole."""
    faults = ("/c/keys.toml: one", "/c/keys.toml: two: 3", "/c/themes/mine.toml: three")

    def notice(own: Preferences, text: str) -> None:
        async def play(shown: Shown) -> None:
            await shown.until(lambda: text in shown.toasts(), "the notice")
            assert "/c/" not in shown.text()

        show(play, scenes.healthy(), preferences=own, size=(80, 24))

    notice(Preferences({}, faults), "keys.toml: 2 problems, mine.toml: 1 problem")
    notice(Preferences({}, faults[1:2]), "keys.toml: two: 3")


def test_without_colours_a_theme_is_chosen_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR stays in force; the command says so."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def play(shown: Shown) -> None:
        await shown.press("colon", *"theme", "space", *"light", "enter")
        await shown.until(lambda: "NO_COLOR is set" in shown.text(), "the notice")
        assert colours(shown) == set()
        assert shown.app.view_state().theme == "light"

    show(play, scenes.trouble())
