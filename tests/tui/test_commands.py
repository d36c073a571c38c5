"""Commands typed after a colon, in the running screen."""

from monit_agent.replay import scenes
from monit_agent.wire.messages import Restart, Scale, Stop
from monit_tui.model.processes.rows import RowKey
from monit_tui.widgets.command_line import HINT
from support.screen import Shown, identity, show

KEYS = {" ": "space", "/": "slash", ".": "full_stop", ":": "colon", "+": "plus", "-": "minus"}


async def type_command(shown: Shown, line: str, *, enter: bool = True) -> None:
    """Type a command, and wait until it is carried out."""
    await shown.press("colon", *(KEYS.get(char, char) for char in line))
    if enter:
        await shown.press("enter")
        await shown.until(lambda: not shown.app.overview.command_line.display, "it is closed")
        await shown.until(lambda: shown.app.overview.footer.display, "it is carried out")
        await shown.pilot.pause()


async def says(shown: Shown, text: str) -> None:
    """Wait until a notice stands in the footer's line."""
    await shown.until(lambda: text in "".join(shown.lines()[-2:]), f"{text!r} in the footer's line")


def cursor(shown: Shown) -> tuple[str, int | None]:
    key = shown.table.cursor
    assert isinstance(key, RowKey)
    return str(key.app), key.instance


def test_a_pane_is_shown_of_a_row() -> None:
    """A pane's command goes to the pane and to the row that is named."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "logs web/1")
        assert shown.focused() == "logs"
        assert cursor(shown) == ("web", 1)
        assert shown.app.overview.details.logs.who == (identity("web", 1),)
        await type_command(shown, "metrics api")
        assert shown.focused() == "metrics"
        assert cursor(shown) == ("api", None)
        await type_command(shown, "list worker")
        assert (shown.focused(), cursor(shown)) == ("processes", ("worker", 0))

    async def play_crashes(shown: Shown) -> None:
        await type_command(shown, "crashes api")
        await shown.until(lambda: shown.app.screen is not shown.app.overview, "the crash view")

    show(play, scenes.healthy())
    show(play_crashes, scenes.trouble())  # where it has crashed


def test_the_logs_of_several_rows_are_merged() -> None:
    """Several names select their rows, whose logs are shown together."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "logs web/0 worker")
        logs = shown.app.overview.details.logs
        assert set(logs.who) == {identity("web", 0), identity("worker", 0)}
        await type_command(shown, "logs web/0")
        assert logs.who == (identity("web", 0),)

    show(play, scenes.healthy())


def test_actions_ask_as_their_keys_do() -> None:
    """restart, stop and kill ask with the focus on Cancel, also where rows are named."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "restart api web/0")
        assert "Restart 3 instances?" in shown.text()
        assert shown.recorder.commands() == []
        await shown.press("y")
        assert [one for _, one in shown.recorder.commands()] == [
            Restart(instances=(0, 1)), Restart(instances=(0,)),
        ]  # fmt: skip
        await type_command(shown, "kill api")
        assert "Type api to confirm" in shown.text()
        await shown.press("escape")
        await shown.move_to("web", 2)
        await type_command(shown, "stop")
        await shown.press("y")
        assert shown.recorder.commands()[-1][1] == Stop(instances=(2,))

    show(play, scenes.healthy())


def test_an_app_is_scaled() -> None:
    """``scale`` takes app and number, a number for the row under the cursor, or asks."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "scale api 4")
        await shown.until(shown.recorder.commands, "the request is sent")
        assert shown.recorder.commands()[-1] == (shown.recorder.commands()[-1][0], Scale(count=4))
        await shown.move_to("web")
        await type_command(shown, "scale 1")
        assert "Scale web down to 1?" in shown.text()
        await shown.press("escape")
        await type_command(shown, "scale web")
        assert "How many instances of web?" in shown.text()

    show(play, scenes.healthy())


def test_the_list_is_sorted_filtered_and_gets_columns() -> None:
    """sort, filter and columns do what their keys do."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "sort memory reverse")
        assert shown.table.title_info("processes") == "by memory, reversed"
        await type_command(shown, "filter web")
        assert {key.app.app for key in shown.table.rows} == {"web"}
        await type_command(shown, "filter")
        assert len({key.app for key in shown.table.rows}) == 3
        await type_command(shown, "columns pid cpu")
        assert shown.table._painted[0].text.split() == ["name", "state", "pid", "cpu"]
        await type_command(shown, "columns +uptime -pid")
        assert shown.table._painted[0].text.split() == ["name", "state", "cpu", "up"]
        await type_command(shown, "columns all")
        assert not shown.table.hidden_columns
        await type_command(shown, "columns")
        assert "Space shows or hides" in shown.text()

    show(play, scenes.healthy())


def test_times_are_chosen() -> None:
    """``at`` shows a moment in log and charts, now the present; span and metric the charts."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "at 5m")
        assert shown.focused() == "logs"
        times = shown.app.overview.details.metrics.times
        assert times.cursor == shown.source.wall() - 300
        await type_command(shown, "at now")
        assert times.cursor is None
        await type_command(shown, "span 24h")
        assert shown.focused() == "metrics"
        assert times.seconds == 86400
        await type_command(shown, "metric memory")
        assert "of all its processes" in shown.text()

    show(play, scenes.healthy())


def test_the_log_is_filtered_and_searched() -> None:
    """In the logs, filter is theirs; search goes there from everywhere."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "search GET")
        assert shown.focused() == "logs"
        view = shown.app.overview.details.logs.view
        assert view.found is not None
        await type_command(shown, "filter GET")
        assert view.filtered
        await type_command(shown, "filter")
        assert not view.filtered

    show(play, scenes.healthy())


def test_errors_stand_in_the_footer_line() -> None:
    """What is not understood is named in the footer's line, with the nearest right word."""

    async def play(shown: Shown) -> None:
        for line, text in {
            "srot cpu": "there is no command 'srot'; did you mean sort?",
            "sort cpuu": "'cpuu' is no column to sort by; did you mean cpu?",
            "sort": "usage: sort COLUMN [reverse]",
            "logs appi": "nothing is called 'appi'; did you mean api",
            "columns pidd": "'pidd' is no column; did you mean pid?",
            "columns pid +cpu": "write all columns with a sign",
            "at yesterday": "'yesterday' is not a time",
            "span 90d": "'90d' is no span; choose from 1m",
            "metric cpus": "'cpus' is no metric of this row; did you mean cpu?",
            "scale appi 3": "'appi' is no app; did you mean api?",
            "search": "type what to search for",
        }.items():
            await type_command(shown, line)
            await says(shown, text)
        await type_command(shown, "filter nothing")
        await shown.press("colon", "escape")
        await type_command(shown, "logs web")
        await says(shown, "web is not in the list; its filter hides it")

    show(play, scenes.healthy(), size=(200, 35))


def test_tab_completes_and_goes_through_the_candidates() -> None:
    """Tab completes what is clear, then takes one candidate after the other; the line above lists
    them. Up brings earlier commands back; deleting the colon closes the field."""

    async def play(shown: Shown) -> None:
        line = shown.app.overview.command_line
        await type_command(shown, "", enter=False)
        assert HINT in shown.lines()[-2]
        await shown.press(*"sor")
        assert "sort COLUMN [reverse]" in shown.lines()[-2]
        await shown.press("tab", "c", "tab")
        assert line.value == ":sort cpu "
        assert "reverse" in shown.lines()[-2]
        await shown.press("enter")
        await shown.until(lambda: not line.display, "it is carried out")
        await type_command(shown, "logs w", enter=False)
        assert "web web/0 web/1 web/2 worker" in shown.lines()[-2]
        seen = []
        for key in ("tab", "tab", "tab", "shift+tab"):
            await shown.press(key)
            seen.append(line.value)
        assert seen == [":logs web", ":logs web/0", ":logs web/1", ":logs web/0"]
        await shown.press("up")
        assert line.value == ":sort cpu"
        await shown.press("down")
        assert line.value == ":"
        await shown.press("backspace")
        await shown.until(lambda: not line.display, "it is closed")
        assert shown.focused() == "processes"
        assert not line.hint.display

    show(play, scenes.healthy())


def test_escape_closes_the_field_and_nothing_else() -> None:
    """Esc in the field leaves filter and pane as they are."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "filter web")
        await shown.press("2")
        await shown.press("colon", "x", "escape")
        await shown.until(lambda: not shown.app.overview.command_line.display, "it is closed")
        assert shown.focused() == "logs"
        assert shown.table.arrangement.filter == "web"
        assert "q quit" in shown.lines()[-1]

    show(play, scenes.healthy())


def test_every_action_of_a_key_can_be_typed() -> None:
    """The id of an action is a command: zoom, logs.wrap."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "zoom")
        assert shown.app.overview.zoomed == "processes"
        before = shown.app.overview.details.logs.view.row_layout.wrap
        await type_command(shown, "logs.wrap")
        assert shown.app.overview.details.logs.view.row_layout.wrap is not before

    show(play, scenes.healthy())


def test_read_only_has_no_commands_that_change_apps() -> None:
    """With --read-only, commands that change apps are refused in words, and not offered."""

    async def play(shown: Shown) -> None:
        await type_command(shown, "restart api")
        await says(shown, "restart changes apps, and this screen is read-only")
        await type_command(shown, "list.stop")
        await says(shown, "there is no command 'list.stop'")
        assert shown.app.screen is shown.app.overview
        await type_command(shown, "st", enter=False)
        assert "stop" not in shown.lines()[-2]

    show(play, scenes.healthy(), read_only=True)


def test_the_palette_has_commands_that_take_words() -> None:
    """A command of the palette that takes words opens the field with its name."""

    async def play(shown: Shown) -> None:
        await shown.search_palette("scale app")
        await shown.until(lambda: ":scale APP N" in shown.text(), "the hit is listed")
        await shown.press("enter")
        line = shown.app.overview.command_line
        await shown.until(lambda: line.display and line.has_focus, "the field is open")
        assert line.value == ":scale "

    show(play, scenes.healthy())


def test_q_closes_the_screen() -> None:
    """:q closes the screen."""

    async def play(shown: Shown) -> None:
        await shown.press("colon", "q", "enter")
        await shown.until(lambda: shown.app._exit, "the screen closes")

    show(play, scenes.healthy())
