"""The keys of a user's keymap, in the running screen."""

from monit_agent.replay import scenes
from monit_tui.keys.keymap import make_keymap
from monit_tui.preferences.files import Preferences
from support.screen import Shown, show

KEYMAP = make_keymap({
    "list": {"stop": "F9", "restart": "x", "start": ["a", "ctrl+t"]}, "zoom": "Z", "freeze": "f5",
    "logs": {"older_match": "b", "mute": "n"}, "help": ["H", "?"],
})  # fmt: skip
OWN = Preferences(keymap=KEYMAP)


def test_the_users_keys_work_and_the_old_ones_do_not() -> None:
    """A key of the file does what its line says, in its pane; the default key does it no more."""

    async def play(shown: Shown) -> None:
        await shown.move_to("api")
        await shown.press("r")
        assert shown.app.screen is shown.app.overview
        await shown.press("x")
        assert "Restart 2 instances?" in shown.text()
        await shown.press("escape", "f9")
        assert "Stop 2 instances?" in shown.text()
        await shown.press("escape", "z")
        assert shown.app.overview.zoomed is None
        await shown.press("Z")
        assert shown.app.overview.zoomed == "processes"
        await shown.press("Z", "f5")
        assert "FROZEN, F5 resumes" in shown.lines()[0]

    show(play, scenes.healthy(), preferences=OWN)


def test_help_footer_palette_and_texts_show_the_users_keys() -> None:
    """Help, footer, palette, dialogs and notices name the keys of the file."""

    async def play(shown: Shown) -> None:
        foot = shown.lines()[-1]
        assert "x restart" in foot
        assert "F9 stop" in foot
        assert "H help" in foot
        titles = [one.title for one in shown.app.get_system_commands(shown.app.screen)]
        assert "stop  (Process list: F9)" in titles
        await shown.press("a")
        await shown.until(
            lambda: "Already running. F9 stops, x restarts" in shown.toasts(), "the notice"
        )
        await shown.press("f9")
        assert "a starts it again" in shown.text()
        await shown.press("escape", "2", "H")
        lines = shown.app.screen.query_one("#help-lines").lines(160)
        text = "\n".join(" ".join(line.text.split()) for line in lines)
        assert "a ctrl+t Start stopped or errored instances." in text
        assert "b goes to older matches, N to newer ones, Esc stops." in text

    show(play, scenes.healthy(), preferences=OWN)


def test_an_action_without_a_key_keeps_its_command() -> None:
    """An action whose key was given away is not in the footer; help shows its command."""
    own = Preferences(keymap=make_keymap({"list": {"stop": "r"}}))

    async def play(shown: Shown) -> None:
        assert "restart" not in shown.lines()[-1]
        await shown.press("question_mark")
        lines = shown.app.screen.query_one("#help-lines").lines(160)
        assert any(":list.restart" in line.text for line in lines)

    show(play, scenes.healthy(), preferences=own)
