"""What is decided about the terminal before Textual is imported."""

import pytest

from monit_tui import terminal
from monit_tui.theme import look


@pytest.mark.parametrize(
    ("environ", "utf8"),
    [
        ({"LANG": "en_US.UTF-8"}, True), ({"LANG": "de_DE.utf8"}, True), ({"LC_ALL": "C"}, False),
        ({"LC_ALL": "C.UTF-8"}, True), ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, False),
        ({"LANG": "ru_RU.KOI8-R"}, False), ({"TERM": "xterm"}, True), ({"TERM": "linux"}, False),
        ({"LANG": "sr_RS.UTF-8@latin"}, True),
    ],
)  # fmt: skip
def test_the_locale_says_whether_utf8_is_understood(environ: dict[str, str], utf8: bool) -> None:
    """Only UTF-8 terminals get more than ASCII; without a word, the terminal's name decides."""
    assert terminal.describe(environ).utf8 is utf8


def test_over_ssh_little_is_sent() -> None:
    """Ssh and mosh slow Textual down and keep the kitty protocol off; what is set stays."""
    for name in ("SSH_CONNECTION", "SSH_TTY", "MOSH_CONNECTION"):
        environ = {name: "x"}
        terminal.set_up(environ)
        assert environ["TEXTUAL_FPS"] == "30"
        assert environ["TEXTUAL_DISABLE_KITTY_KEY"] == "1"
    own = {"SSH_TTY": "x", "TEXTUAL_FPS": "10"}
    terminal.set_up(own)
    assert own["TEXTUAL_FPS"] == "10"
    local: dict[str, str] = {}
    terminal.set_up(local)
    assert local == {"TEXTUAL_ANIMATIONS": "none"}
    assert terminal.describe({"MOSH_CONNECTION": "x"}).mosh


def test_the_cursor_is_seen_without_colours() -> None:
    """With few colours the bar is reversed, with many it has a colour of its own."""
    assert look(utf8=True, colours=16, no_color=False).bar.reverse
    assert look(utf8=True, colours=256, no_color=True).bar.reverse
    assert look(utf8=True, colours=256, no_color=False).bar.bgcolor is not None
