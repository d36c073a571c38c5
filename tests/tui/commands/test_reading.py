"""What was typed after the colon, read and completed."""

import pytest

from monit_agent.replay import scenes
from monit_agent.wire.ids import local_app
from monit_tui.commands.reading import BadCommandError, choose, complete, extend, read_command
from monit_tui.commands.rows import row_names, rows_of, target_names
from monit_tui.commands.runner import RUN
from monit_tui.commands.table import COMMANDS, ValueKind, all_commands
from monit_tui.keys.actions import REGISTRY
from monit_tui.model.processes.rows import RowKey

KNOWN = all_commands(REGISTRY, read_only=False)
VALUES: dict[ValueKind, tuple[str, ...]] = {
    "row": ("api", "api/0", "api/1", "web"), "sort": ("name", "cpu", "memory"),
    "reverse": ("reverse",),
}  # fmt: skip


def values(kind: ValueKind) -> tuple[str, ...]:
    return VALUES.get(kind, ())


def test_every_command_has_a_function() -> None:
    """Each command of the table can be carried out, and nothing else can."""
    assert set(RUN) == {command.name for command in COMMANDS}


def test_names_are_unique() -> None:
    """No two commands have a name in common."""
    names = [name for one in COMMANDS for name in (one.name, *one.other_names)]
    assert len(names) == len(set(names))


def test_every_action_of_a_key_is_a_command() -> None:
    """What a key does can be typed too, by the id of the action or by a command of that name."""
    assert {action.id for action in REGISTRY} <= set(KNOWN)


@pytest.mark.parametrize(
    ("line", "name", "words"),
    [
        (":logs api", "logs", ("api",)), ("  sort  cpu reverse ", "sort", ("cpu", "reverse")),
        (":q", "quit", ()), (":Q", "quit", ()), ("zoom", "zoom", ()),
        ("filter a  b", "filter", ("a", "b")), ("events", "timeline", ()),
    ],
)  # fmt: skip
def test_a_line_is_a_command_and_words(line: str, name: str, words: tuple[str, ...]) -> None:
    """The colon, spaces and the case of the name do not matter."""
    typed = read_command(line, KNOWN)
    assert typed is not None
    assert (typed.command.name, typed.words) == (name, words)


@pytest.mark.parametrize("line", ["", " ", ":", " : "])
def test_an_empty_line_is_nothing(line: str) -> None:
    """Without a word there is no command, and no error."""
    assert read_command(line, KNOWN) is None


def test_spaces_between_words_are_kept_for_those_who_need_them() -> None:
    """A regular expression is passed on as it was typed."""
    typed = read_command(":search a  b", KNOWN)
    assert typed is not None
    assert typed.text == "a  b"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("srot cpu", "there is no command 'srot'; did you mean sort?"),
        ("xyzzy", "there is no command 'xyzzy'; Tab lists all"),
        ("quit now", "quit takes no words"),
        ("zoom in", "zoom takes no words"),
    ],
)
def test_what_is_not_understood_is_named_with_the_nearest_word(line: str, text: str) -> None:
    """An error quotes the word and offers the nearest right one."""
    with pytest.raises(BadCommandError) as caught:
        read_command(line, KNOWN)
    assert str(caught.value) == text


def test_a_read_only_screen_says_why_a_command_is_missing() -> None:
    """With --read-only, commands that change apps do not exist, and the error says so."""
    known = all_commands(REGISTRY, read_only=True)
    for command in COMMANDS:
        assert (command.name in known) is not command.changes_apps
    with pytest.raises(BadCommandError, match="restart changes apps, and this screen is read-only"):
        read_command("restart api", known)


def test_values_are_chosen_whatever_their_case() -> None:
    """A value is found in any case; another word gets the nearest value and a list."""
    assert choose("CPU", ["cpu", "memory"], "column") == "cpu"
    with pytest.raises(BadCommandError) as caught:
        choose("memry", ["cpu", "memory"], "column")
    assert str(caught.value) == (
        "'memry' is no column; did you mean memory? choose from cpu, memory"
    )


@pytest.mark.parametrize(
    ("line", "longer"),
    [
        (":so", ":sort "), ("so", "sort "), (":sort c", ":sort cpu "),
        (":sort cpu ", ":sort cpu reverse"), (":sort cpu reverse ", ":sort cpu reverse "),
        (":logs a", ":logs api"), (":logs api/", ":logs api/"), (":logs api/1", ":logs api/1 "),
        (":logs web api/0 w", ":logs web api/0 web "), (":logs.wr", ":logs.wrap "),
        (":nothing", ":nothing"), (":zoom ", ":zoom "), (":sort x", ":sort x"),
    ],
)  # fmt: skip
def test_tab_completes_as_far_as_it_is_clear(line: str, longer: str) -> None:
    """A single candidate is completed, several as far as they begin alike."""
    assert extend(line, complete(line, KNOWN, values)) == longer


def test_ids_with_a_scope_do_not_crowd_the_names() -> None:
    """Ids such as logs.wrap are offered once a dot is typed, or when nothing else fits."""
    assert "logs.wrap" not in complete(":l", KNOWN, values).candidates
    assert "logs.wrap" in complete(":logs.", KNOWN, values).candidates
    assert "logs" in complete(":l", KNOWN, values).candidates
    assert "zoom" in complete(":z", KNOWN, values).candidates


def test_targets_mean_rows() -> None:
    """A target is what it is on the command line; all instances of an app are its row."""
    fleet = scenes.healthy().fleet
    api, web = local_app("api"), local_app("web")
    assert rows_of(fleet, ["api"]) == (RowKey(api),)
    assert rows_of(fleet, ["web/1", "api/0"]) == (RowKey(api, 0), RowKey(web, 1))
    assert rows_of(fleet, ["web/*"]) == (RowKey(web),)
    assert rows_of(fleet, ["worker"]) == (RowKey(local_app("worker"), 0),)
    assert {row.app for row in rows_of(fleet, ["all"])} == set(fleet.apps)
    with pytest.raises(BadCommandError, match="nothing is called 'appi'; did you mean api"):
        rows_of(fleet, ["appi"])


def test_names_of_rows_are_offered() -> None:
    """Apps, instances of apps with several, namespaces and ``all`` complete a target."""
    fleet = scenes.healthy().fleet
    assert {"api", "api/0", "web/2", "worker"} <= set(row_names(fleet))
    assert "worker/0" not in row_names(fleet)
    assert {"all", "@shop"} <= set(target_names(fleet))
