"""Themes of the user, read from files."""

from pathlib import Path

import pytest

from monit_tui.palettes import DARK, LIGHT, THEMES
from monit_tui.preferences.files import config_folder, load_preferences
from monit_tui.preferences.themes import faint_texts, load_themes, read_theme


def test_roles_that_are_not_named_come_from_the_base() -> None:
    """A file names what differs: hex, numbers of the 256, names of the sixteen, the default."""
    palette, problems = read_theme({
        "base": "light", "accent": "#005f87", "ok": 22, "bad": "124", "warn": "bright_red",
        "text": "default", "hues": ["#005f87", 90],
    })  # fmt: skip
    assert problems == []
    assert palette == LIGHT._replace(
        accent="#005f87", ok="color(22)", bad="color(124)", warn="bright_red", text="",
        hues=("#005f87", "color(90)"),
    )  # fmt: skip


def test_faults_are_said_in_words_and_the_rest_is_used() -> None:
    """A role or colour that is not known is named with what is right; the others count."""
    palette, problems = read_theme({
        "base": "drak", "acent": "#ffffff", "ok": "greenish", "bad": 256, "warn": True,
        "info": "#fff", "hues": [], "dim": "#aaaaaa",
    })  # fmt: skip
    assert palette == DARK._replace(dim="#aaaaaa")
    text = "\n".join(problems)
    assert "base 'drak' is no theme; choose from terminal, dark, light, contrast" in text
    assert "there is no role 'acent'; did you mean accent?" in text
    for role in ("ok = 'greenish'", "bad = 256", "warn = True", "info = '#fff'"):
        assert f'{role} is no colour; write "#5fafff", a number from 0 to 255' in text
    assert "hues must be a list of 1 to 12 colours" in text


def test_texts_that_are_hard_to_read_are_named() -> None:
    """Where both colours are known, a contrast below 4.5 is a fault that is said."""
    _, problems = read_theme({"surface": "#000000", "raised": "#222222", "warn": "#333300"})
    assert "warn on surface has a contrast of 1.6; 4.5 is legible" in problems
    assert any(problem.startswith("warn on raised") for problem in problems)


@pytest.mark.parametrize("name", THEMES)
def test_our_own_themes_are_legible(name: str) -> None:
    """The check finds nothing in monit's themes."""
    assert faint_texts(THEMES[name]) == []


def test_every_file_of_the_folder_is_a_theme(tmp_path: Path) -> None:
    """The name of the file is that of the theme; files that cannot be used are named."""
    folder = tmp_path / "themes"
    folder.mkdir()
    (folder / "mine.toml").write_text('accent = "#ff8700"\n')
    (folder / "broken.toml").write_text("accent = \n")
    (folder / "bytes.toml").write_bytes(b"\xff\xfe")
    (folder / "large.toml").write_text("#" * 70_000)
    (folder / "dark.toml").write_text("")
    (folder / "folder.toml").mkdir()
    (folder / "notes.txt").write_text("no theme")
    palettes, problems = load_themes(str(tmp_path))
    assert palettes == {"mine": DARK._replace(accent="#ff8700")}
    text = "\n".join(problems)
    assert f"{folder}/broken.toml: is not TOML" in text
    assert f"{folder}/bytes.toml: is not TOML" in text
    assert f"{folder}/large.toml: larger than 64 kB" in text
    assert f"{folder}/dark.toml: dark is a theme of monit; give the file another name" in text
    assert f"{folder}/folder.toml: cannot be read" in text
    assert len(problems) == 5


def test_without_files_there_is_nothing_to_say(tmp_path: Path) -> None:
    """No folder is no fault."""
    own = load_preferences({"XDG_CONFIG_HOME": str(tmp_path / "none")})
    assert (dict(own.palettes), own.problems) == ({}, ())


def test_the_config_folder_is_where_users_expect_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """$XDG_CONFIG_HOME/monit, else ~/.config/monit; a relative path does not count."""
    monkeypatch.setenv("HOME", "/home/fern")
    assert config_folder({"XDG_CONFIG_HOME": "/etc/fern"}) == "/etc/fern/monit"
    assert config_folder({}) == "/home/fern/.config/monit"
    assert config_folder({"XDG_CONFIG_HOME": "here"}) == "/home/fern/.config/monit"
