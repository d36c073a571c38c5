"""The keys of the log pane, as a user sees their effects."""

import base64
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.events import MouseScrollDown, MouseScrollUp

from monit_agent.client.logs.rows import LogLine, StreamKey
from monit_agent.replay import scenes
from monit_agent.wire.ids import local_instance
from monit_tui.keys.actions import LOG_ACTIONS
from monit_tui.keys.bindings import make_bindings
from monit_tui.theme import make_look
from monit_tui.widgets.log.commands import COMMANDS
from monit_tui.widgets.log.pane import LogPane
from monit_tui.widgets.log.render import RowLayout, RowState, row_lines
from support.log_screen import APP, ONE, TWO, LogScreen, show

LOOK = make_look(utf8=True, colours=256, no_color=False)
KEY = StreamKey(local_instance("web", 0), "out")


def show_the_end_only(log: LogScreen, *lines: str) -> None:
    """Print lines of which the pane loads only the last 500."""
    log.pane.show((), "")
    log.print(*lines)
    log.pane.show(ONE, "again")


LONG = [f"line {n}{' tea' if n % 1000 == 10 else ''}" for n in range(7000)]


def test_a_narrow_log_has_its_cells_for_the_text() -> None:
    """A time of day has milliseconds where there is room for them; the date always has them."""

    async def play(log: LogScreen) -> None:
        log.print("ready")
        await log.pass_time()
        assert re.fullmatch(r" \d\d:\d\d:\d\d   ready", log.lines()[0])
        await log.press("t")
        assert re.fullmatch(r" [-\d]{10} \d\d:\d\d:\d\d\.\d{3}   ready", log.lines()[0])
        await log.pilot.resize_terminal(100, 20)
        await log.press("t", "t", "t")
        assert re.fullmatch(r" \d\d:\d\d:\d\d\.\d{3} out ready", log.lines()[0])

    show(play, size=(60, 20))


def test_stderr_alone_is_no_alarm() -> None:
    """A line on stderr is marked, but only a line that tells of an error is red."""

    async def play(log: LogScreen) -> None:
        log.print("INFO ready", err=True)
        log.print("ERROR lost", err=True)
        await log.pass_time()
        bad = log.view.row_layout.look.style("bad").color
        red = [[text for text, style, _ in log.view.render_line(y) if style and style.color == bad]
               for y in (0, 1)]  # fmt: skip
        assert "err" in log.lines()[0]
        assert red == [[], ["ERROR lost"]]

    show(play)


def test_every_action_is_bound_and_does_something() -> None:
    """Each action of the registry has a command and each command an action; keys are unique."""
    named = {action.handler.removeprefix("log('").removesuffix("')") for action in LOG_ACTIONS}
    assert named == set(COMMANDS)
    keys = [key for action in LOG_ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert len(make_bindings(LOG_ACTIONS)) == len(LogPane.BINDINGS) == len(keys)


STACK = (
    "Traceback (most recent call last):",
    '  File "/srv/shop.py", line 7, in pay',
    "    raise Timeout('no answer')",
    "shop.Timeout: no answer",
)


def test_keys_answer_whatever_expression_is_searched_for() -> None:
    """`(a+)+$` would take years on one line: typed, searched for and as a filter, it matches
    nothing there, and the next key works."""

    async def play(log: LogScreen) -> None:
        log.print("one cup", "a" * 5000 + "!", "two cups")
        await log.pass_time()
        await log.press("slash")
        await log.type("(a+)+$")
        await log.until(
            lambda: "no match for '(a+)+$'" in log.toasts(), "the whole log is searched"
        )
        await log.press("slash")
        await log.type("one")
        assert log.cursor_text() == "one cup"
        await log.press("ampersand")
        await log.type("(a+)+$")
        assert "no line matches the filter" in log.lines()[0]
        await log.press("ampersand")
        await log.type("cup")
        assert log.texts() == ["one cup", "two cups"]

    show(play)


def test_search_highlights_matches_and_moves_between_them() -> None:
    """A search moves to the last match; n goes to older ones, N to newer ones, and the place among
    all matches, from the newest, is shown. Both continue at the other end and say so. Esc clears
    the search."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}{' tea' if n % 10 == 3 else ''}" for n in range(100)))
        await log.pass_time()
        await log.press("slash")
        await log.type("tea")
        assert log.cursor_text() == "line 93 tea"
        await log.until(lambda: "/tea  1/10" in log.status(), "all matches are counted")
        await log.press("n")
        assert log.cursor_text() == "line 83 tea"
        assert "/tea  2/10" in log.status()
        log.print("more tea", "no match")
        await log.pass_time()
        assert "/tea  3/11" in log.status()
        await log.press("N", "N")
        assert log.cursor_text() == "more tea"
        assert "continued" not in log.toasts()
        await log.press("N")
        assert log.cursor_text() == "line 3 tea"
        assert "no newer match for 'tea'; continued at the oldest one" in log.toasts()
        strip = log.view.render_line(
            log.lines().index(next(x for x in log.lines() if "line 3 tea" in x))
        )
        highlighted = [text for text, style, _ in strip if style and style.reverse]
        assert "tea" in highlighted
        assert "/tea" in log.status()
        await log.press("escape")
        assert "/tea" not in log.status()

    show(play)


def test_a_search_without_match_says_so() -> None:
    """A search without a match shows a notice and does not move the view."""

    async def play(log: LogScreen) -> None:
        log.print("one", "two")
        await log.pass_time()
        await log.press("slash")
        await log.type("three")
        await log.until(lambda: "no match for 'three' in the whole log" in log.toasts(), "a notice")
        assert log.texts() == ["one", "two"]
        await log.press("escape", "n")
        assert "no search yet" in log.toasts()

    show(play)


@pytest.mark.parametrize("key", ["slash", "ampersand"])
def test_escape_closes_the_field(key: str) -> None:
    """Esc closes the field of a search or a filter, and keys work in the log again."""

    async def play(log: LogScreen) -> None:
        log.print("one", "two")
        await log.pass_time()
        await log.press(key, "t", "escape")
        assert not log.pane.prompt.display
        assert "/t" not in log.status()
        await log.press("g")
        assert log.cursor_text() == "one"

    show(play)


def test_filter_shows_matches_with_context() -> None:
    """A filter shows matching lines and their context, also of new lines; Esc clears it."""

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


def test_a_filter_shows_lines_of_the_whole_log() -> None:
    """A filter shows matches with their context also from lines that are not loaded, and no gap
    where everything was searched; scrolling up brings older ones."""

    async def play(log: LogScreen) -> None:
        show_the_end_only(log, *LONG)
        await log.pass_time()
        await log.press("ampersand")
        await log.type("-C 1 tea")
        expected = [
            line
            for n in range(10, 7000, 1000)
            for line in (f"line {n - 1}", f"line {n} tea", f"line {n + 1}")
        ]
        await log.until(lambda: log.texts() == expected, "all matches")
        await log.press("escape", "ampersand")
        await log.type("line")
        await log.press("pageup")
        for _ in range(1000):
            await log.press("pageup")
            await log.pass_time(0.1)
            if log.texts()[0] == "line 0":
                break
        assert log.texts()[:3] == ["line 0", "line 1", "line 2"]
        await log.press("escape", "G", "ampersand")
        await log.type("!line")
        await log.until(lambda: "no line matches the filter" in log.lines()[0], "nothing")

    show(play, size=(100, 40))


def test_filter_by_stream_and_level() -> None:
    """:err filters by stream, :error by level, and ! excludes matches."""

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
        assert "no line matches" in log.lines()[0]

    show(play)


def test_error_keys_move_between_errors() -> None:
    """While following, e goes to the nearest error above and then to older ones, E to newer ones;
    what goes on at the other end says so."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"ERROR {n}" if n % 20 == 7 else f"INFO {n}" for n in range(100)))
        await log.pass_time()
        for key, text in (("e", "ERROR 87"), ("e", "ERROR 67"), ("E", "ERROR 87")):
            await log.press(key)
            await log.until(lambda text=text: log.cursor_text() == text, text)
        assert "continued" not in log.toasts()
        await log.press("E")
        await log.until(lambda: log.cursor_text() == "ERROR 7", "the oldest error")
        assert "no newer error; continued at the oldest one" in log.toasts()

    show(play)


def test_a_search_finds_lines_that_are_not_loaded() -> None:
    """A search is of the whole log: it counts all matches, and each is shown with the lines around
    it, also when it has to be fetched."""

    async def play(log: LogScreen) -> None:
        show_the_end_only(log, *LONG)
        await log.pass_time()
        await log.press("slash")
        await log.type("tea")
        await log.until(lambda: "/tea  1/7" in log.status(), "all are counted")
        assert log.cursor_text() == "line 6010 tea"
        assert "line 6009" in log.texts()
        assert "line 6011" in log.texts()
        for number in range(5, -1, -1):
            await log.press("n")
            text = f"line {number * 1000 + 10} tea"
            await log.until(lambda text=text: log.cursor_text() == text, text)
        assert "7/7" in log.status()
        await log.press("N")
        await log.until(lambda: log.cursor_text() == "line 1010 tea", "the next newer one")

    show(play)


def test_escape_stops_a_search_and_then_forgets_it() -> None:
    """While agents search, the line above the log says so. Esc stops them and keeps what was found;
    the next Esc forgets the search."""

    async def play(log: LogScreen) -> None:
        show_the_end_only(log, *LONG, "more tea")
        await log.pass_time()
        log.source.stage[APP].silent = True
        await log.press("slash")
        await log.type("tea")
        assert log.cursor_text() == "more tea"
        assert "/tea  1/1+  searched 0%" in log.status()
        await log.press("escape")
        log.source.stage[APP].silent = False
        await log.pass_time()
        assert "/tea  1/1+" in log.status()
        assert "searched" not in log.status()
        await log.press("escape")
        assert "/tea" not in log.status()

    show(play)


def test_an_error_is_found_in_the_whole_log() -> None:
    """Key e goes to an error that is not loaded, and says when there is none."""

    async def play(log: LogScreen) -> None:
        show_the_end_only(log, "ERROR long ago", *LONG)
        await log.pass_time()
        await log.press("e")
        await log.until(lambda: log.cursor_text() == "ERROR long ago", "the error")
        log.source.stage[APP].logs[0, "out"].flush()
        await log.press("G", "e")
        await log.until(lambda: "no error in the whole log" in log.toasts(), "a notice")

    show(play)


def test_the_first_and_the_last_line_are_those_of_the_log() -> None:
    """Key g goes to the oldest line that is kept and G to the newest; between them scrolling loads
    what it comes to."""

    async def play(log: LogScreen) -> None:
        show_the_end_only(log, *LONG)
        await log.pass_time()
        await log.press("g")
        await log.until(lambda: log.texts()[0] == "line 0", "the first line")
        assert log.texts() == [f"line {n}" for n in range(10)] + log.texts()[10:]
        for _ in range(1000):
            await log.press("pagedown")
            await log.until(lambda: not any("skipped" in x for x in log.lines()), "no gap")
            if "paused" not in log.status():
                break
        assert log.texts()[-1] == "line 6999"
        merged = log.view.book.merged
        texts = [merged.row(seq).raw.decode() for seq in range(merged.first, merged.end)]
        assert texts == LONG

    show(play, size=(100, 200))


def test_a_time_can_be_gone_to() -> None:
    """Key @ goes to the first line of a time of day, or of some time ago; what is no time, or in
    the future, is refused with an example."""

    async def play(log: LogScreen) -> None:
        log.pane.show((), "")
        for n in range(3000):
            log.print(f"line {n}")
            log.source.advance(1.0)
        log.pane.show(ONE, "again")
        await log.pass_time()
        for typed in (
            "-50m",
            "50m",
            time.strftime("%H:%M:%S", time.localtime(log.source.wall() - 3000)),
        ):
            await log.press("G", "at")
            await log.type(typed)
            await log.until(lambda: "line 0" in log.texts(), typed)
            assert int(log.cursor_text().split()[1]) <= 1
        await log.press("at")
        await log.type("teatime")
        assert "'teatime' is not a time; type for example 14:03" in log.toasts()
        await log.press("at")
        await log.type("2199-01-01")
        assert "'2199-01-01' is in the future" in log.toasts()

    show(play)


def test_errors_per_minute_are_drawn() -> None:
    """The line above the log says how many errors there were in the last minutes, a stack being
    one, with a bar for each minute; without an error it says nothing."""

    async def play(log: LogScreen) -> None:
        log.print("INFO fine")
        await log.pass_time()
        await log.until(lambda: not log.pane.error_rate._flying, "the agent has answered")
        assert "error" not in log.status()
        log.print("ERROR one", *STACK)
        log.source.advance(120.0)
        log.print("ERROR three")
        await log.pass_time(11.0)
        await log.until(lambda: "3 errors in 15 min" in log.status(), "all are counted")
        assert re.search("█ +▄|█ ▄", log.status())

    show(play)


def test_all_errors_of_a_busy_log_are_counted_when_it_is_opened() -> None:
    """The agent searches piece by piece until it has read the last 15 minutes."""

    async def play(log: LogScreen) -> None:
        show_the_end_only(log, *(f"ERROR number {number}" for number in range(5000)))
        await log.until(lambda: "5,000 errors in 15 min" in log.status(), "all are counted")

    show(play)


def test_timestamps_have_four_forms() -> None:
    """Key t switches between time of day, date and time, time since the line above, and none."""

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
    """Right and Left scroll cut lines, also while new lines arrive; w wraps them."""

    async def play(log: LogScreen) -> None:
        words = " ".join(f"word{n:03}" for n in range(60))
        log.print(words)
        await log.pass_time()
        room = log.view.row_layout.room
        assert log.texts() == [words[:room].rstrip()]
        await log.press("right")
        moved = log.view.row_layout.x
        assert log.texts() == [words[moved : moved + room].rstrip()]
        log.print("x" * 300)
        await log.pass_time()
        assert log.view.row_layout.x == moved
        await log.press("left", "left")
        assert log.view.row_layout.x == 0
        await log.press("w")
        gutter = log.view.row_layout.gutter
        rows = [line[gutter:] for line in log.lines()]
        shown = " ".join(row for row in rows if row.startswith("word"))
        assert shown == words  # no word is broken
        assert [line[:gutter].strip() for line in log.lines()[1:3]] == ["└", "└"]

    show(play)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 200),
    st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)),
    st.tuples(
        st.sampled_from(["off", "time", "date", "since"]),
        st.sampled_from(["none", "number", "full"]),
        st.booleans(),
        st.sampled_from(["compact", "fields", "raw"]),
        st.booleans(),
    ),
)
def test_rows_are_exactly_as_wide_as_the_pane(width, raw, switches) -> None:
    """At any width and for any bytes, each line of a row is exactly as wide as the pane."""
    stamps, names, wrap, form, opened = switches
    layout = RowLayout(width, LOOK, stamps, names, 6, wrap, form)
    row = LogLine(KEY, 0, 1_700_000_000_000_000_000, raw)
    lines = row_lines(row, layout, RowState(opened=opened))
    assert lines
    for line in lines:
        assert line.cell_length == width
        assert cell_len(line.text) == width
        assert all(style is not None for _, style, _ in line)


JSON = (
    '{"time": 1773497002000, "level": 30, "msg": "request done", "url": "/tea", "status": 503, '
    '"who": "J. Doe", "user": {"id": 7}, "none": null}'
)


def test_json_lines_are_compact_or_a_field_a_row_or_as_printed() -> None:
    """A JSON line is shown as level, message and key=value; J shows its fields a row each, then the
    line as printed. Without timestamps the time of the app is shown too."""

    async def play(log: LogScreen) -> None:
        log.print(JSON, "plain", '{"no": "message"}')
        await log.pass_time()
        compact = 'INFO  request done  url=/tea status=503 who="J. Doe" user={"id":7} none=null'
        assert log.texts() == [compact, "plain", '{"no": "message"}']
        styles = {text.strip(): style for text, style, _ in log.view.render_line(0)}
        assert styles["503"] != styles["/tea"]
        await log.press("t", "t", "t")
        assert "time=1773497002000" in log.texts()[0]
        await log.press("J")
        assert log.texts()[:3] == ["{", '  "time": 1773497002000,', '  "level": 30,']
        await log.press("J")
        assert log.texts()[0] == JSON[: log.view.row_layout.room].rstrip()

    show(play, size=(120, 20))


def test_a_match_is_visible_in_a_json_line() -> None:
    """A JSON line whose match the compact form would hide is shown as printed."""

    async def play(log: LogScreen) -> None:
        log.print(JSON)
        await log.pass_time()
        await log.press("slash")
        await log.type('"level": 30')
        assert '"level": 30' in log.texts()[0]
        await log.press("escape")
        assert log.texts()[0].startswith("INFO  request done")

    show(play)


def test_enter_opens_and_closes_a_record() -> None:
    """Enter shows the record at the cursor in full: JSON a field a row, a long line wrapped."""

    async def play(log: LogScreen) -> None:
        log.print("x" * 150, JSON, "last")
        await log.pass_time()
        await log.press("k", "enter")
        assert '  "status": 503,' in log.texts()
        assert log.texts()[0] == "x" * log.view.row_layout.room
        await log.press("enter")
        assert '  "status": 503,' not in log.texts()
        await log.press("k", "enter")
        assert "".join(log.texts()[:3]).count("x") == 150

    show(play, size=(80, 20))


def test_stacks_and_equal_lines_are_folded() -> None:
    """A stack is shown as the line that says what went wrong, and lines that differ only in time as
    one with a count. Enter shows all lines of a stack, F all lines; a copy and a saved file always
    have all of them."""

    async def play(log: LogScreen) -> None:
        log.print("INFO start", *STACK, *STACK)
        await log.pass_time()
        assert log.texts() == ["INFO start", "▸ 4 lines \u00d72 shop.Timeout: no answer"]
        strip = log.view.render_line(1)
        assert any(s and s.color and s.color.name == "red" for t, s, _ in strip if "Timeout" in t)
        for second in range(5):
            log.print(f"12:00:0{second} waiting")
        log.print("12:00:09 ready")
        await log.pass_time()
        assert log.texts()[2:] == ["\u00d75 12:00:00 waiting", "12:00:09 ready"]
        await log.press("k", "k", "enter")
        assert log.texts() == [
            "INFO start", *STACK, "\u00d75 12:00:00 waiting", "12:00:09 ready",
        ]  # fmt: skip
        await log.press("enter")
        written = sent(log)
        await log.press("y")
        assert copied(written[-1]) == "\n".join([*STACK, *STACK])
        await log.press("F")
        assert log.texts() == [
            "INFO start", *STACK, *STACK, *(f"12:00:0{n} waiting" for n in range(5)),
            "12:00:09 ready",
        ]  # fmt: skip

    show(play, size=(100, 30))


def test_a_stack_that_comes_in_pieces_is_folded() -> None:
    """Lines that arrive one by one, between those of another instance, are one stack in the end,
    and a match in it opens it."""

    async def play(log: LogScreen) -> None:
        for number, line in enumerate(STACK):
            log.print(line)
            log.print(f"other {number}", instance=1)
            await log.pass_time(0.1)
        await log.pass_time()
        others = [f"other {number}" for number in range(4)]
        assert sorted(log.texts()) == [*others, "▸ 4 lines shop.Timeout: no answer"]
        await log.press("slash")
        await log.type("line 7")
        await log.until(lambda: STACK[1] in log.texts(), "the stack is opened")

    show(play, who=TWO)


def test_stacks_of_two_workers_that_fail_at_once_are_two() -> None:
    """Their lines alternate, and each worker's stack is one line with its own reason."""

    async def play(log: LogScreen) -> None:
        for one, two in zip(STACK, [*STACK[:-1], "shop.Closed: no more tea"], strict=True):
            log.print(one)
            log.print(two, instance=1)
        await log.pass_time()
        assert log.texts() == [
            "▸ 4 lines shop.Timeout: no answer", "▸ 4 lines shop.Closed: no more tea",
        ]  # fmt: skip

    show(play, who=TWO)


def test_the_status_of_an_http_line_is_tinted() -> None:
    """The status of an access line has a colour by its class, other numbers have none."""
    lines = [b'"GET /tea HTTP/1.1" %d 3ms' % status for status in (200, 302, 404, 500)]
    lines.append(b"order 500 of 700")
    colours = []
    for raw in lines:
        row = LogLine(KEY, 0, 0, raw)
        (strip,) = row_lines(row, RowLayout(80, LOOK), RowState())
        (style,) = [style for text, style, _ in strip if re.search("200|302|404|500", text)]
        colours.append(style.color.name if style and style.color else None)
    assert colours == ["green", "cyan", "yellow", "red", None]


def test_instances_of_a_merged_log_have_colours_of_their_own() -> None:
    """In a log of several instances the names of neighbours differ in colour."""
    look = make_look(utf8=True, colours=256, no_color=False, theme="dark")
    seen = []
    for number in range(6):
        key = StreamKey(local_instance("web", number), "out")
        layout = RowLayout(80, look, names="full", name_cells=5)
        (strip,) = row_lines(LogLine(key, 0, 0, b"x"), layout, RowState())
        seen += [style.color.name for text, style, _ in strip if "web" in text]
    assert len(set(seen)) == 6


def test_marks_can_be_visited() -> None:
    """Key m marks or unmarks the line at the cursor, and the apostrophe goes to the next mark."""

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
    """Return the list of what the pane writes directly to the terminal."""
    written: list[str] = []
    log.pane.write_to_terminal = written.append  # type: ignore[method-assign]
    return written


def copied(sequence: str) -> str:
    found = re.search(r"52;c;([^\x07]*)\x07", sequence)
    assert found
    return base64.b64decode(found[1]).decode()


def test_selected_lines_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key v selects lines and y copies them as safe text; without a selection, y copies the line at
    the cursor."""
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


def test_a_copy_that_is_cut_shows_a_notice() -> None:
    """A copy over the limit says how much was copied and how to save everything."""

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
    """ctrl+s writes the shown lines byte for byte, readable by the owner only, and shows the
    path, or the reason when it cannot write."""
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
    """In a file of several instances each line has its time, instance and stream."""
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
    """After C only new lines are shown; older lines can be fetched again."""

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
    """The pane draws and handles keys at any size, down to one cell."""
    for size in ((1, 1), (2, 3), (10, 4), (24, 5), (60, 8)):

        async def play(log: LogScreen) -> None:
            log.print(*(f"line {n} 茶" for n in range(9)))
            await log.pass_time()
            await log.press("k", "w", "t", "J", "g", "right", "G", "pageup")
            assert all(cell_len(line) <= log.view.size.width for line in log.lines())

        show(play, size=size)


def test_hostile_output_stays_text() -> None:
    """Escape sequences, bidi characters, markup and long lines are shown as text in every form."""
    source = scenes.hostile()
    (app,) = source.stage

    async def play(log: LogScreen) -> None:
        log.app.pane.show((local_instance(app, 0), local_instance(app, 1)), "hostile [/] \x1b[2J")
        for keys in (("g",), ("w",), ("J",), ("t",), ("G",), ("w",), ("right",), ("left",)):
            await log.pass_time(1.0)
            await log.press(*keys)
            shown = "".join(log.lines()) + log.status()
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", shown)
        await log.press("g")
        text = "\n".join(log.lines())
        assert "^[[2J^[[H cleared the screen" in text
        assert "[@click=app.quit]nor a link" in text

    show(play, source=source, who=(local_instance(app, 0),), size=(120, 30))


def test_the_mouse_moves_the_cursor_and_scrolls() -> None:
    """A click moves the cursor and pauses; the wheel scrolls, and at the end the log follows
    again."""

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
    """When the terminal shrinks, the line at the cursor stays in view."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(50)))
        await log.pass_time()
        await log.press("k")
        await log.pilot.resize_terminal(100, 6)
        await log.pilot.pause()
        assert "line 48" in log.texts()

    show(play, size=(100, 20))
