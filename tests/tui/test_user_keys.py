"""The keys of a user's keymap, in the running screen."""

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import monit_tui
from monit_agent.client.source import LogChunk
from monit_agent.replay import scenes
from monit_tui.keys.actions import REGISTRY
from monit_tui.keys.keymap import Keymap, make_keymap
from monit_tui.keys.names import key_name
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
        lines = shown.app.screen.query_one("#help-lines").lines(140)
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


# ------------------------------------------------------------ no text names a fixed key

ROOM = Path(monit_tui.__file__).parent
OWN_KEYS = (
    "screens", "widgets/command_line.py", "widgets/profile", "commands", "model/crashes.py",
)  # fmt: skip
"""Dialogs and the field for commands have keys of their own, which a keymap cannot change."""

NAMED = re.compile(r"\b(Esc|Enter|Tab|Space|PgUp|PgDn|Home|End|Up|Down|Left|Right|ctrl\+\w)\b")
SIGNS = re.compile(
    r"(?:^|; |[Pp]ress )[0-9b-zB-Z&/@?:] "
    r"(?:search|filter|go|mark|show|give|open|stop|start|bring|to)"
)
"""A key of one character, as in ``6 shows where``."""


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text of the program that may be shown, with its file."""
    for path in sorted(ROOM.rglob("*.py")):
        name = str(path.relative_to(ROOM))
        if name.startswith(OWN_KEYS) or name in ("keys/keymap.py", "keys/bindings.py"):
            continue
        tree = ast.parse(path.read_text())
        docs = {
            id(node.value) for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }  # fmt: skip
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and id(node) not in docs and " " in node.value.strip():
                yield name, node.value.replace("; Tab completes", "")  # in the field for commands


def everywhere_else() -> Keymap:
    """Return a keymap in which no action has a key that it has by default."""
    table: dict[str, str] = {}
    for scope in {action.scope for action in REGISTRY}:
        mine = (action for action in REGISTRY if action.scope == scope)
        modifiers = (
            ("ctrl+", "shift+") if scope == "global" else ("alt+", "alt+ctrl+", "alt+shift+")
        )
        free = (f"{modifier}F{number}" for modifier, number in product(modifiers, range(1, 13)))
        table |= {action.id: key for action, key in zip(mine, free, strict=False)}
    keymap = make_keymap(table)
    assert not keymap.problems
    return keymap


ELSEWHERE = everywhere_else()


def keys_in(text: str) -> str:
    """Return a text with the keys of `ELSEWHERE` in place of ids."""
    keys = {action.id: key_name(action.keys[0]) for action in ELSEWHERE.actions}
    return re.sub(r"\{([a-z._]+)\}", lambda found: keys[found[1]], text)


def key_of(name: str) -> str:
    return next(action.keys[0] for action in ELSEWHERE.actions if action.id == name)


def test_no_text_of_the_program_names_a_key_of_the_keymap() -> None:
    """Texts name actions, not keys: a key that is written down would be wrong for some users."""
    every = list(texts())
    assert len(every) > 300
    wrong = [(name, text) for name, text in every if NAMED.search(text) or SIGNS.search(text)]
    assert not wrong
    ids = {action.id for action in REGISTRY}
    for name, text in every:
        named = re.findall(r"\{([a-z]+\.[a-z_]+)\}", text)
        assert set(named) <= ids, (name, text)


def test_all_panes_name_the_users_keys() -> None:
    """Tabs, hints, fields, empty panes and notices show the keys of the file."""

    async def press(shown: Shown, *names: str) -> None:
        await shown.press(*(key_of(name) for name in names))

    async def play(shown: Shown) -> None:
        top = shown.text()
        for pane, title in (("processes", "Processes"), ("logs", "Logs"), ("blocked", "Blocked")):
            assert keys_in(f"{{pane.{pane}}} {title}") in top
        await press(shown, "list.filter")
        await shown.press("q", "z", "enter")
        assert keys_in("No row matches the filter. {clear} clears it.") in shown.text()
        await press(shown, "clear")
        await press(shown, "pane.logs", "logs.older_match")
        await shown.until(lambda: keys_in("{logs.search} searches") in shown.toasts(), "the notice")
        await press(shown, "logs.next_mark")
        assert keys_in("{logs.mark} marks a line") in shown.toasts()
        logs = shown.app.overview.details.logs
        for name in ("search", "filter", "moment"):
            await press(shown, f"logs.{name}")
            assert logs.prompt.placeholder.startswith(keys_in(f"{{logs.{name}}} "))
            await press(shown, "logs.escape")
        logs.action_filter_by("nothing has this text")
        no_match = keys_in("{logs.escape} shows all lines")
        await shown.until(lambda: no_match in shown.text(), "the empty log says how to go on")
        await press(shown, "pane.metrics", "metrics.earlier")
        assert keys_in("{metrics.logs}: log of this moment, {metrics.escape}: back") in shown.text()
        await press(shown, "freeze")
        assert keys_in("FROZEN, {freeze} resumes") in shown.lines()[0]

    show(play, scenes.healthy(), size=(200, 50), preferences=Preferences(keymap=ELSEWHERE))


def test_a_skipped_stretch_names_the_users_key() -> None:
    """The row of a gap in a log says which key loads its lines."""

    async def play(shown: Shown) -> None:
        logs = shown.app.overview.details.logs
        far = LogChunk(logs.who[0], "out", 1 << 30, b"much later\n", ())
        await shown.until(lambda: logs.book.rings.stream(logs.book.selected_streams[0]), "lines")
        logs.add_chunks([far])
        await shown.until(lambda: keys_in("{logs.open} loads them") in shown.text(), "the gap")

    show(play, scenes.healthy(), preferences=Preferences(keymap=ELSEWHERE))
