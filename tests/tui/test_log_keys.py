"""What the keys of the log pane do, as a reader sees it."""

import base64
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.events import MouseScrollDown, MouseScrollUp

from logscreen import APP, TWO, LogScreen, show
from monit_agent.client import scenes
from monit_agent.client.logrows import LogLine, StreamKey
from monit_agent.client.view import Identity
from monit_tui.bindings import bind
from monit_tui.theme import look
from monit_tui.widgets.log_actions import LOG_ACTIONS
from monit_tui.widgets.log_commands import COMMANDS
from monit_tui.widgets.log_pane import LogPane
from monit_tui.widgets.log_render import Layout, lines_of

LOOK = look(utf8=True, colours=256, no_color=False)
KEY = StreamKey("web", 0, "out")


def test_every_action_is_bound_and_does_something() -> None:
    """Each action of the registry has a command, each command an action, and no key two."""
    named = {action.handler.removeprefix("log('").removesuffix("')") for action in LOG_ACTIONS}
    assert named == set(COMMANDS)
    keys = [key for action in LOG_ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert len(bind(LOG_ACTIONS)) == len(LogPane.BINDINGS) == len(keys)


def test_search_lights_up_and_goes_from_match_to_match() -> None:
    """Slash, a text, Enter: the last match has the cursor; N goes up, n goes down, round the
    ends; Esc ends it."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}{' tea' if n % 10 == 3 else ''}" for n in range(100)))
        await log.pass_time()
        await log.press("slash")
        await log.type("tea")
        assert log.cursor_text() == "line 93 tea"
        await log.press("N")
        assert log.cursor_text() == "line 83 tea"
        await log.press("n", "n")
        assert log.cursor_text() == "line 3 tea"
        strip = log.view.render_line(
            log.lines().index(next(x for x in log.lines() if "line 3 tea" in x))
        )
        lit = [text for text, style, _ in strip if style and style.reverse]
        assert "tea" in lit
        assert "/tea" in log.status()
        await log.press("escape")
        assert "/tea" not in log.status()

    show(play)


def test_a_search_without_match_says_so() -> None:
    """The reader is told, and stays where he is."""

    async def play(log: LogScreen) -> None:
        log.print("one", "two")
        await log.pass_time()
        await log.press("slash")
        await log.type("three")
        assert "no match of 'three'" in log.toasts()
        assert log.texts() == ["one", "two"]
        await log.press("escape", "n")
        assert "nothing is searched for" in log.toasts()

    show(play)


def test_filter_hides_and_keeps_context_while_lines_come() -> None:
    """Only matching lines with their neighbours, also of what comes later; Esc shows all."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(30)))
        await log.pass_time()
        await log.press("ampersand")
        await log.type("-C 1 5$")
        assert log.texts() == [f"line {n}" for n in (4, 5, 6, 14, 15, 16, 24, 25, 26)]
        log.print("line 31", "line 35", "line 36", "line 37")
        await log.pass_time()
        assert log.texts()[-3:] == ["line 31", "line 35", "line 36"]
        assert "&5$" in log.status()
        await log.press("escape")
        assert log.texts()[-1] == "line 37"

    show(play, size=(100, 20))


def test_filter_by_stream_and_level() -> None:
    """:err and :error choose by what a line is, ! by what it is not."""

    async def play(log: LogScreen) -> None:
        log.print("INFO fine", "ERROR bad")
        log.print("on stderr", err=True)
        await log.pass_time()
        for typed, texts in (
            (":err", ["on stderr"]), (":error", ["ERROR bad"]),
            ("!ERROR", ["INFO fine", "on stderr"]), ("", ["INFO fine", "ERROR bad", "on stderr"]),
        ):  # fmt: skip
            await log.press("ampersand")
            await log.type(typed)
            assert log.texts() == texts
        await log.press("ampersand")
        await log.type("nothing like that")
        assert "no line passes" in log.lines()[0]

    show(play)


def test_errors_are_jumped_to() -> None:
    """E goes to the last error, again to the one before, e forward."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"ERROR {n}" if n % 20 == 7 else f"INFO {n}" for n in range(100)))
        await log.pass_time()
        await log.press("E")
        assert log.cursor_text() == "ERROR 87"
        await log.press("E")
        assert log.cursor_text() == "ERROR 67"
        await log.press("e")
        assert log.cursor_text() == "ERROR 87"

    show(play)


def test_timestamps_turn_through_their_kinds() -> None:
    """Time of day, date and time, time since the line above, none."""

    async def play(log: LogScreen) -> None:
        log.print("one")
        log.source.advance(1.5)
        log.print("two")
        await log.pass_time()
        assert re.match(r" \d\d:\d\d:\d\d\.\d{3} out one", log.lines()[0])
        await log.press("t")
        assert re.match(r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} out one", log.lines()[0])
        await log.press("t")
        assert re.match(r"\s+\+1\.500 out two", log.lines()[1])
        await log.press("t")
        assert log.lines()[1] == " out two"

    show(play)


def test_long_lines_are_cut_or_wrapped() -> None:
    """Cut lines move sideways with the arrows, also while lines come; w wraps them whole."""

    async def play(log: LogScreen) -> None:
        words = " ".join(f"word{n:03}" for n in range(60))
        log.print(words)
        await log.pass_time()
        room = log.view.layout_now.room
        assert log.texts() == [words[:room].rstrip()]
        await log.press("right")
        moved = log.view.layout_now.x
        assert log.texts() == [words[moved : moved + room].rstrip()]
        log.print("x" * 300)
        await log.pass_time()
        assert log.view.layout_now.x == moved
        await log.press("left", "left")
        assert log.view.layout_now.x == 0
        await log.press("w")
        gutter = log.view.layout_now.gutter
        rows = [line[gutter:].ljust(room) for line in log.lines()]
        assert "".join(rows).startswith(words)

    show(play)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 200),
    st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)),
    st.tuples(
        st.sampled_from(["off", "time", "date", "since"]),
        st.sampled_from(["none", "number", "full"]),
        st.booleans(),
        st.booleans(),
    ),
)
def test_rows_are_exactly_as_wide_as_the_pane(width, raw, switches) -> None:
    """At any width and for any bytes, each line of a row fills the width and no more."""
    stamps, names, wrap, pretty = switches
    layout = Layout(width, LOOK, stamps, names, 6, wrap, pretty)
    row = LogLine(KEY, 0, 1_700_000_000_000_000_000, raw)
    lines = lines_of(row, layout, 0, marked=False)
    assert lines
    for line in lines:
        assert line.cell_length == width
        assert cell_len(line.text) == width
        assert all(style is not None for _, style, _ in line)


def test_json_lines_are_spread() -> None:
    """J shows a JSON line a field a row and leaves other lines alone."""

    async def play(log: LogScreen) -> None:
        log.print('{"level": "info", "n": 1}', "plain")
        await log.pass_time()
        await log.press("J")
        assert log.texts() == ["{", '  "level": "info",', '  "n": 1', "}", "plain"]
        await log.press("J")
        assert log.texts() == ['{"level": "info", "n": 1}', "plain"]

    show(play)


def test_marks_are_found_again() -> None:
    """M marks the line under the cursor, the apostrophe goes from mark to mark, m unmarks."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(50)))
        await log.pass_time()
        await log.press("g", "j", "m")
        assert log.lines()[1].startswith(">")
        await log.press("G", "m", "apostrophe")
        assert log.cursor_text() == "line 1"
        await log.press("apostrophe")
        assert log.cursor_text() == "line 49"
        await log.press("g", "j", "m")
        assert not log.lines()[1].startswith(">")

    show(play)


def sent(log: LogScreen) -> list[str]:
    """What the pane writes past the screen."""
    written: list[str] = []
    log.pane.write_to_terminal = written.append  # type: ignore[method-assign]
    return written


def copied(sequence: str) -> str:
    found = re.search(r"52;c;([^\x07]*)\x07", sequence)
    assert found
    return base64.b64decode(found[1]).decode()


def test_selected_lines_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """V and motion select, y copies them as safe text and says how; without a selection the
    line under the cursor."""
    monkeypatch.delenv("TMUX", raising=False)

    async def play(log: LogScreen) -> None:
        written = sent(log)
        log.print(*(f"line {n}" for n in range(5)), "\x1b[31mred\x1b[0m \x1b[2J")
        await log.pass_time()
        await log.press("k", "v", "k", "k")
        assert "3 selected" in log.status()
        await log.press("y")
        assert copied(written[-1]) == "line 2\nline 3\nline 4"
        assert "copied 3 lines" in log.toasts()
        assert "selected" not in log.status()
        await log.press("G", "y")
        assert copied(written[-1]) == "red ^[[2J"

    show(play)


def test_too_long_a_copy_is_told() -> None:
    """What does not fit is said, with what to do."""

    async def play(log: LogScreen) -> None:
        sent(log)
        log.print(*("x" * 1000 for _ in range(100)))
        await log.pass_time()
        await log.press("v", "g", "y")
        assert "only the first" in log.toasts()
        assert "ctrl+s" in log.toasts()

    show(play)


def saved(folder: Path) -> list[Path]:
    return list(folder.glob("monit-*.log"))


def test_lines_are_saved_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+s writes the shown lines byte for byte, readable by the owner only, and says where;
    with nowhere to write it says why."""
    monkeypatch.chdir(tmp_path)

    async def play(log: LogScreen) -> None:
        log.print(b"one \xff\x1b[31m", "two", "three")
        await log.pass_time()
        await log.press("ampersand")
        await log.type("!two")
        await log.press("ctrl+s")
        (path,) = saved(tmp_path)
        assert path.name.startswith(f"monit-{APP}-0-")
        assert path.read_bytes() == b"one \xff\x1b[31m\nthree\n"
        assert path.stat().st_mode & 0o777 == 0o600
        assert f"saved 2 lines to {path}" in log.toasts()
        monkeypatch.setenv("HOME", str(tmp_path / "not-there"))
        monkeypatch.setattr(os, "getcwd", lambda: str(tmp_path / "gone"))
        await log.press("ctrl+s")
        assert "not saved" in log.toasts()

    show(play)


def test_lines_of_many_are_saved_with_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file of several instances each line says when and whose it is."""
    monkeypatch.chdir(tmp_path)

    async def play(log: LogScreen) -> None:
        log.print("zero")
        log.print("one", instance=1, err=True)
        await log.pass_time()
        await log.press("ctrl+s")
        (path,) = saved(tmp_path)
        lines = path.read_text().splitlines()
        assert re.fullmatch(rf"[-\d]+ [\d:.]+ {APP}/0 out zero", lines[0])
        assert re.fullmatch(rf"[-\d]+ [\d:.]+ {APP}/1 err one", lines[1])

    show(play, who=TWO)


def test_clear_empties_the_view_only() -> None:
    """After C only new lines show; what was there can be fetched again."""

    async def play(log: LogScreen) -> None:
        log.print("old")
        await log.pass_time()
        await log.press("C")
        assert log.texts() == [] or "skipped" in log.lines()[0]
        log.print("new")
        await log.pass_time()
        assert log.texts()[-1] == "new"
        assert "old" not in log.texts()
        await log.press("g", "enter")
        await log.until(lambda: "old" in log.texts(), "the old line is back")

    show(play)


def test_narrow_and_tiny_panes_draw() -> None:
    """Down to one cell the pane draws, shows text before anything else, and survives keys."""
    for size in ((1, 1), (2, 3), (10, 4), (24, 5), (60, 8)):

        async def play(log: LogScreen) -> None:
            log.print(*(f"line {n} 茶" for n in range(9)))
            await log.pass_time()
            await log.press("k", "w", "t", "J", "g", "right", "G", "pageup")
            assert all(cell_len(line) <= log.view.size.width for line in log.lines())

        show(play, size=size)


def test_hostile_output_stays_text() -> None:
    """Escape sequences, bidi, markup and megabytes without newline: nothing of it reaches the
    terminal but as text, in every way of showing it."""
    source = scenes.hostile()
    (app,) = source.stage

    async def play(log: LogScreen) -> None:
        log.app.pane.show((Identity(app, 0), Identity(app, 1)), "hostile [/] \x1b[2J")
        for keys in (("g",), ("w",), ("J",), ("t",), ("G",), ("w",), ("right",), ("left",)):
            await log.pass_time(1.0)
            await log.press(*keys)
            shown = "".join(log.lines()) + log.status()
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", shown)
        await log.press("g")
        text = "\n".join(log.lines())
        assert "^[[2J^[[H cleared the screen" in text
        assert "[@click=app.quit]nor a link" in text

    show(play, source=source, who=(Identity(app, 0),), size=(120, 30))


def test_the_mouse_moves_too() -> None:
    """A click puts the cursor there and holds the log still; the wheel scrolls, and at the end
    the log follows again."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(50)))
        await log.pass_time()
        third = log.texts()[3]
        await log.pilot.click("#log-view", offset=(20, 3))
        assert log.cursor_text() == third
        assert "paused" in log.status()
        top = log.texts()[0]
        log.view.post_message(wheel(MouseScrollUp, log))
        await log.pilot.pause()
        assert log.texts()[3] == top
        log.view.post_message(wheel(MouseScrollDown, log))
        await log.until(lambda: log.texts()[0] == top, "back")
        log.view.post_message(wheel(MouseScrollDown, log))
        await log.until(lambda: "follow" in log.status(), "the end is followed")

    show(play)


def wheel(kind: type[MouseScrollUp] | type[MouseScrollDown], log: LogScreen) -> MouseScrollUp:
    return kind(log.view, 5, 5, 0, 0, 0, False, False, False)  # type: ignore[return-value]


def test_a_smaller_pane_keeps_the_cursor_in_view() -> None:
    """When the terminal shrinks the line that is read stays on the screen."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(50)))
        await log.pass_time()
        await log.press("k")
        await log.pilot.resize_terminal(100, 6)
        await log.pilot.pause()
        assert "line 48" in log.texts()

    show(play, size=(100, 20))
