"""The registry of all keys, from which help, footer and palette are made."""

from collections import Counter

from textual.binding import Binding

from monit_agent.replay import scenes
from monit_tui.keys.actions import REGISTRY, allowed_actions, footer_actions
from monit_tui.keys.bindings import make_bindings
from monit_tui.keys.keymap import fill_keys
from monit_tui.keys.names import key_name
from support.screen import Shown, show


def test_ids_and_keys_are_unique() -> None:
    """Ids are unique, and keys are unique in their scope."""
    assert not [one for one, count in Counter(a.id for a in REGISTRY).items() if count > 1]
    keys = Counter((action.scope, key) for action in REGISTRY for key in action.keys)
    assert not [key for key, count in keys.items() if count > 1]


def test_reserved_keys_stay_free() -> None:
    """Keys of tmux and screen, and d, have no action."""
    taken = {key for action in REGISTRY for key in action.keys}
    assert not taken & {"d", "ctrl+a", "ctrl+b"}
    assert not [key for key in taken if key.startswith("alt+")]


def test_every_action_has_a_handler() -> None:
    """Each action of the registry has a handler in the widget of its scope."""

    async def play(shown: Shown) -> None:
        for action in REGISTRY:
            target = shown.app.overview.target_of(action)
            name, _, _ = action.handler.partition("(")
            owner = {"app": shown.app, "screen": shown.app.overview}.get(
                name.partition(".")[0], target
            )
            assert hasattr(owner, f"action_{name.rpartition('.')[2]}"), action.id

    show(play, scenes.healthy())


def test_help_lists_every_action() -> None:
    """Help lists every action, those of the pane with the focus first."""

    async def play(shown: Shown) -> None:
        await shown.press("3", "question_mark")
        lines = shown.app.screen.query_one("#help-lines").lines(110)
        text = "\n".join(line.text for line in lines)
        assert text.index("Metrics") < text.index("Process list")
        for action in REGISTRY:
            assert fill_keys(action.help, REGISTRY)[:60] in text, action.id
        await shown.press("end", "home", "q")
        assert shown.app.screen is shown.app.overview

    show(play, scenes.healthy(), size=(120, 35))


def test_read_only_offers_no_changes() -> None:
    """With --read-only, footer and actions have nothing that changes apps."""
    assert not [action for action in allowed_actions(read_only=True) if action.changes_apps]
    assert not [action for action in footer_actions("list", read_only=True) if action.changes_apps]
    assert [action for action in footer_actions("list", read_only=False) if action.changes_apps]


def test_bindings_carry_their_ids() -> None:
    """Each binding has the id of its action, so that a keymap file can name it."""
    made = make_bindings(REGISTRY)
    assert all(isinstance(one, Binding) and one.id for one in made)
    assert key_name("question_mark") == "?"
    assert key_name("r") == "r"


def test_the_footer_keeps_help_and_quit() -> None:
    """In a narrow terminal the footer has help and quit, whatever else fits."""

    async def play(shown: Shown) -> None:
        foot = shown.lines()[-1]
        assert "? help" in foot
        assert "q quit" in foot

    show(play, scenes.healthy(), size=(40, 24))
