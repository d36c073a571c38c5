"""One registry holds all keys; help, footer and palette are made of it."""

from collections import Counter

from textual.binding import Binding

from monit_agent.client import scenes
from monit_tui.bindings import bind, key_name
from monit_tui.registry import REGISTRY, allowed, offered
from screening import Shown, show


def test_ids_and_keys_are_unique_in_their_place() -> None:
    """No id twice, and no key with two meanings in one place."""
    assert not [one for one, count in Counter(a.id for a in REGISTRY).items() if count > 1]
    keys = Counter((action.place, key) for action in REGISTRY for key in action.keys)
    assert not [key for key, count in keys.items() if count > 1]


def test_keys_left_to_others_stay_free() -> None:
    """tmux, screen, job control, and d belong to somebody else."""
    taken = {key for action in REGISTRY for key in action.keys}
    assert not taken & {"d", "ctrl+a", "ctrl+b", "ctrl+z"}
    assert not [key for key in taken if key.startswith("alt+")]


def test_every_action_has_a_handler() -> None:
    """No key does nothing: what the registry names exists where it belongs."""

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
    """What is in the registry is in help, for the place with the focus first."""

    async def play(shown: Shown) -> None:
        await shown.press("3", "question_mark")
        lines = shown.app.screen.query_one("#help-lines").lines(110)
        text = "\n".join(line.text for line in lines)
        assert text.index("Metrics") < text.index("Process list")
        for action in REGISTRY:
            assert action.help[:60] in text, action.id
        await shown.press("end", "home", "q")
        assert shown.app.screen is shown.app.overview

    show(play, scenes.healthy(), size=(120, 35))


def test_read_only_offers_nothing_that_acts() -> None:
    """The footer and the list of actions lose them."""
    assert not [action for action in allowed(read_only=True) if action.acts]
    assert not [action for action in offered("list", read_only=True) if action.acts]
    assert [action for action in offered("list", read_only=False) if action.acts]


def test_bindings_carry_their_ids() -> None:
    """A keymap file can name every key."""
    made = bind(REGISTRY)
    assert all(isinstance(one, Binding) and one.id for one in made)
    assert key_name("question_mark") == "?"
    assert key_name("r") == "r"
