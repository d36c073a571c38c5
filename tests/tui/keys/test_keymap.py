"""The user's keys, read from a file."""

from pathlib import Path

import pytest

from monit_tui.keys.actions import REGISTRY
from monit_tui.keys.keymap import FILE, Keymap, fill_keys, load_keymap, make_keymap, parse_key
from monit_tui.keys.names import key_name

ROOT = Path(__file__).parents[3]


def keys_of(keymap: Keymap, name: str) -> tuple[str, ...]:
    return next(action.keys for action in keymap.actions if action.id == name)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("r", "r"), ("R", "R"), ("?", "question_mark"), ("question_mark", "question_mark"),
        ("F5", "f5"), ("ctrl+r", "ctrl+r"), ("Ctrl+R", "ctrl+r"), ("PgUp", "pageup"),
        ("Enter", "enter"), ("Esc", "escape"), ("Space", "space"), (" ", "space"),
        ("Shift+Left", "shift+left"), ("ctrl+shift+Up", "ctrl+shift+up"), ("+", "plus"),
        ("alt+x", "alt+x"), ("ü", "ü"), ("_", "underscore"), ("\\", "backslash"),
    ],
)  # fmt: skip
def test_keys_are_written_as_help_shows_them(text: str, key: str) -> None:
    """A key is its character, its name, or Textual's name, with modifiers before a plus."""
    assert parse_key(text) == key


@pytest.mark.parametrize("text", ["", "rr", "shift+r", "hyper+x", "ctrl+", "F13", "\n", "ctrl++x"])
def test_what_is_no_key_is_refused(text: str) -> None:
    """More than one character, unknown names and modifiers are no keys."""
    assert parse_key(text) is None


def test_every_default_key_can_be_written_as_it_is_shown() -> None:
    """What help shows for a key means that key in the file."""
    for action in REGISTRY:
        for key in action.keys:
            assert parse_key(key_name(key)) == key, (action.id, key)


def test_actions_get_the_keys_of_the_file() -> None:
    """A line gives an action one key or several; the others keep theirs."""
    keymap = make_keymap({"list": {"stop": "F9", "restart": ["F5", "ctrl+r"]}, "zoom": "Z"})
    assert keymap.problems == ()
    assert keys_of(keymap, "list.stop") == ("f9",)
    assert keys_of(keymap, "list.restart") == ("f5", "ctrl+r")
    assert keys_of(keymap, "zoom") == ("Z",)
    assert keys_of(keymap, "list.start") == ("s",)


def test_two_actions_can_swap_their_keys() -> None:
    """A key that is given away and replaced is no fault."""
    keymap = make_keymap({"list": {"stop": "r", "restart": "x"}})
    assert keymap.problems == ()
    assert (keys_of(keymap, "list.stop"), keys_of(keymap, "list.restart")) == (("r",), ("x",))


def test_faults_of_all_lines_are_said_and_the_others_count() -> None:
    """Each fault has a sentence; a line without one is used."""
    keymap = make_keymap({
        "list": {"stopp": "x", "start": "start", "kill": 9, "scale": [], "reload": "F6",
                 "info": "F6", "pick": "ctrl+c", "sort_menu": "ctrl+m"},
        "leave": "Q", "logs": {"wrap": "W"},
    })  # fmt: skip
    assert keys_of(keymap, "logs.wrap") == ("W",)
    assert keys_of(keymap, "list.reload") == ("f6",)
    assert keys_of(keymap, "list.info") == ("i",)
    assert keymap.problems == (
        "there is no action 'list.stopp'; did you mean list.stop?",
        'list.start: \'start\' is no key; write "r", "R", "?", "F5", "ctrl+r", "PgUp"',
        'list.kill: 9 is no key; write "r", "R", "?", "F5", "ctrl+r", "PgUp"',
        "list.scale: give 1 to 8 keys",
        "list.info: F6 is already the key of list.reload",
        "list.pick: ctrl+c leaves the screen, in every pane",
        "list.sort_menu: ctrl+m is Enter to a terminal",
        "leave works while text is typed too; 'Q' could not be typed",
    )


def test_what_a_line_takes_away_is_said() -> None:
    """An action that lost its only key is named, and a global key that a pane has too."""
    keymap = make_keymap({"list": {"stop": "r"}, "zoom": "w"})
    assert keys_of(keymap, "list.restart") == ()
    assert keymap.problems == (
        "list.restart has no key: r is list.stop now",
        "zoom: in Logs, w is logs.wrap",
    )


def test_the_file_is_read_from_the_config_folder(tmp_path: Path) -> None:
    """A file that cannot be read is named; without one, the keys are the default ones."""
    assert load_keymap(str(tmp_path)) == Keymap()
    path = tmp_path / FILE
    path.write_text('list.stop = "F9"\n"zoom" = "Z"\nlogs.wrap = 3\n')
    keymap = load_keymap(str(tmp_path))
    assert keys_of(keymap, "list.stop") == ("f9",)
    assert keymap.problems[0].startswith(f"{path}: logs.wrap: 3 is no key")
    path.write_text("list.stop = F9\n")
    assert load_keymap(str(tmp_path)).problems[0].startswith(f"{path}: is not TOML")
    path.unlink()
    path.mkdir()
    assert "cannot be read" in load_keymap(str(tmp_path)).problems[0]


def test_texts_name_the_keys_of_the_user() -> None:
    """A text has an action's id where its key stands; what is no id stays as it is."""
    keymap = make_keymap({"list": {"stop": "F9"}})
    text = fill_keys("{list.stop} stops, {list.start} starts, {name}", keymap.actions)
    assert text == "F9 stops, s starts, {name}"


def test_the_page_lists_every_action_with_its_keys() -> None:
    """docs/screen.md has a row for each action, with the keys of the registry."""
    page = (ROOT / "docs" / "screen.md").read_text(encoding="utf-8")
    for action in REGISTRY:
        keys = " ".join(f"`{key_name(key)}`" for key in action.keys)
        assert f"| `{action.id}` | {keys} |" in page, action.id
