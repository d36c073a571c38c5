"""The keys of the overview, as a user sees their effects."""

import pytest

from monit_agent.replay import scenes, shop
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import Reload, Restart, Scale, SendSignal, Start, Stop
from monit_tui.keys.actions import REGISTRY, SCOPE_TITLES
from monit_tui.model.processes.rows import RowKey
from support.screen import Shown, show


def test_the_first_frame_has_data() -> None:
    """The first frame has rows with numbers."""

    async def play(shown: Shown) -> None:
        assert "2/2 online" in shown.row("api")
        assert "%" in shown.row("worker")

    show(play, scenes.healthy())


def test_motion_goes_both_ways() -> None:
    """Vi keys, arrows, pages and ends move the cursor and stop at the ends."""

    async def play(shown: Shown) -> None:
        rows = shown.table.rows
        for keys, place in [
            (("j", "down"), 2), (("k",), 1), (("up", "up", "up"), 0), (("G",), len(rows) - 1),
            (("down",), len(rows) - 1), (("g",), 0), (("end",), len(rows) - 1), (("home",), 0),
            (("ctrl+d",), len(rows) - 1), (("ctrl+u",), 0), (("pagedown",), len(rows) - 1),
            (("pageup",), 0),
        ]:  # fmt: skip
            await shown.press(*keys)
            assert shown.table.cursor == rows[place], keys

    show(play, scenes.healthy())


def test_the_panes_follow_the_cursor() -> None:
    """Metrics, metadata and logs show the row under the cursor once it rests there."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        text = shown.text()

        assert "Metrics ─ web/1, 5 min" in text
        assert "4004" in text, "its pid"

    show(play, scenes.healthy())


@pytest.mark.parametrize(
    ("key", "pane"),
    [("1", "processes"), ("2", "logs"), ("3", "metrics"), ("4", "metadata"), ("5", "events"),
     ("6", "blocked"),
     ("enter", "logs"), ("l", "logs"), ("i", "metadata"), ("tab", "logs"),
     ("shift+tab", "blocked")],
)  # fmt: skip
@pytest.mark.parametrize("size", [(120, 35), (90, 24), (60, 15)], ids=["wide", "medium", "small"])
def test_keys_go_to_panes(key: str, pane: str, size: tuple[int, int]) -> None:
    """Each pane has a key, in every layout, which gives its body the focus."""

    async def play(shown: Shown) -> None:
        await shown.press(key)

        assert shown.focused() == pane
        pane_widget = shown.app.overview.panes[pane]
        assert pane_widget.display
        assert shown.app.focused is not None
        assert pane_widget in shown.app.focused.ancestors_with_self

    show(play, scenes.healthy(), size=size)


def test_q_goes_back_and_then_quits() -> None:
    """Key q unzooms, then goes to the list, then quits; no app changes."""

    async def play(shown: Shown) -> None:
        await shown.press("3", "z")
        await shown.press("q")
        assert shown.app.overview.zoomed is None
        await shown.press("q")
        assert shown.focused() == "processes"
        assert not shown.app._exit
        await shown.press("q")
        assert shown.app._exit
        assert shown.recorder.commands() == []

    show(play, scenes.healthy())


def test_escape_clears_step_by_step_and_never_quits() -> None:
    """Esc clears filter, selection and zoom, then goes to the list, then does nothing."""

    async def play(shown: Shown) -> None:
        await shown.press("space", "slash", *"web", "enter", "z")
        assert shown.table.arrangement.filter == "web"
        await shown.press("escape")
        assert shown.table.arrangement.filter == ""
        assert shown.app.overview.zoomed == "processes"
        await shown.press("escape", "escape", "escape", "escape")
        assert shown.app.overview.zoomed is None
        assert not shown.app._exit

    show(play, scenes.healthy())


def test_ctrl_c_quits_the_viewer_from_anywhere() -> None:
    """ctrl+c quits, also from a dialog, without confirming it."""

    async def play(shown: Shown) -> None:
        await shown.press("x")
        await shown.press("ctrl+c")
        assert shown.app._exit
        assert shown.recorder.commands() == []

    show(play, scenes.healthy())


def test_zoom_shows_one_pane() -> None:
    """Key z fills the screen with the pane that has the focus; z again restores all."""

    async def play(shown: Shown) -> None:
        await shown.press("3", "z")
        panes = shown.app.overview.panes
        assert [name for name, pane in panes.items() if pane.display] == ["metrics"]
        assert panes["metrics"].region.width == 120
        await shown.press("z")
        assert sum(pane.display for pane in panes.values()) == 4

    show(play, scenes.healthy())


def test_the_filter_narrows_while_it_is_typed() -> None:
    """/ filters by name, state and namespace; Enter keeps it, and the title shows it."""

    async def play(shown: Shown) -> None:
        await shown.press("slash", *"errored")
        assert shown.table.rows == (RowKey(local_app("newsletter"), 0),)
        await shown.press("enter")
        assert "/errored" in shown.text()
        assert shown.focused() == "processes"
        await shown.press("slash", *("backspace",) * 7, *"!api", "enter")
        assert local_app("api") not in {key.app for key in shown.table.rows}

    show(play, scenes.trouble())


def test_an_unmatched_filter_says_so() -> None:
    """An empty list says that a filter is set and how to clear it."""

    async def play(shown: Shown) -> None:
        await shown.press("slash", *"nonsense", "enter")
        assert "No row matches" in shown.text()
        await shown.press("escape")
        assert "worker" in shown.text()

    show(play, scenes.healthy())


def test_an_empty_home_shows_the_start_command() -> None:
    """Without apps the list shows the command that starts one."""

    async def play(shown: Shown) -> None:
        assert "monit start" in shown.text()
        await shown.press("r", "x", "s", "S", "X", "space", "asterisk", "enter", "q")

    show(play, scenes.empty())


def test_sorting_puts_the_highest_first() -> None:
    """> and the menu choose the column, and O reverses the order."""

    async def play(shown: Shown) -> None:
        await shown.press("t", "o", "down", "down", "enter")
        assert shown.table.arrangement.sort == "cpu"
        fleet = shown.source.fleet
        cpu = [
            fleet.apps[k.app].instances[k.instance].sample.tree.cpu_percent
            for k in shown.table.rows
        ]
        assert cpu == sorted(cpu, reverse=True)
        await shown.press("O")
        cpu = [
            fleet.apps[k.app].instances[k.instance].sample.tree.cpu_percent
            for k in shown.table.rows
        ]
        assert cpu == sorted(cpu)
        await shown.press("greater_than_sign")
        assert shown.table.arrangement.sort == "memory"
        await shown.press("less_than_sign", "less_than_sign")
        assert shown.table.arrangement.sort == "state"

    show(play, scenes.healthy())


def test_the_cursor_stays_on_its_instance_when_rows_move() -> None:
    """The cursor stays on its instance when order, grouping or filter changes."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        await shown.press("o", "end", "enter")
        assert shown.table.cursor == RowKey(local_app("web"), 1)
        await shown.press("t")
        assert shown.table.cursor == RowKey(local_app("web"), 1)
        await shown.press("slash", *"web", "enter")
        assert shown.table.cursor == RowKey(local_app("web"), 1)

    show(play, scenes.healthy())


def test_folding_hides_the_instances() -> None:
    """Left folds an app and moves the cursor to its row; Right unfolds it."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        await shown.press("left")
        assert shown.table.cursor == RowKey(local_app("web"))
        assert RowKey(local_app("web"), 1) not in shown.table.rows
        await shown.press("right")
        assert RowKey(local_app("web"), 1) in shown.table.rows

    show(play, scenes.healthy())


def test_n_finds_the_next_problem() -> None:
    """Key n goes to the next row with a problem, N to the previous one; both wrap around."""

    async def play(shown: Shown) -> None:
        assert shown.table.cursor == RowKey(local_app("newsletter"), 0)
        await shown.press("n")
        assert shown.table.cursor == RowKey(local_app("api"), 0)
        await shown.press("n", "n")
        assert shown.table.cursor == RowKey(local_app("worker"), 0)
        await shown.press("N")
        assert shown.table.cursor == RowKey(local_app("api"), 1)
        await shown.press("N", "N", "N")
        assert shown.table.cursor == RowKey(local_app("web"), 2)

    show(play, scenes.trouble())


# ------------------------------------------------------------------ keys that change apps


@pytest.mark.parametrize(
    ("key", "expected"),
    [("r", Restart(instances=(1,))), ("R", Reload(instances=(0, 1, 2))),
     ("x", Stop(instances=(1,))),
     ("X", SendSignal(signal="SIGKILL", instances=(1,), group=True))],
)  # fmt: skip
def test_changes_are_confirmed(key: str, expected: object) -> None:
    """The dialog names the target, Cancel has the focus, and only y sends the request."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        await shown.press(key)
        assert "web/1" in shown.text() or "3 instances" in shown.text()
        assert shown.app.focused is not None
        assert shown.app.focused.id == "no"
        await shown.press("enter")
        assert shown.recorder.commands() == []
        for refuse in ("n", "escape", "q"):
            await shown.press(key, refuse)
            assert shown.recorder.commands() == []
            assert shown.app.screen is shown.app.overview
        await shown.press(key, "y")
        assert shown.recorder.commands() == [(local_app("web"), expected)]
        await shown.until(lambda: "web:" in shown.toasts(), "a notice of the result")

    show(play, scenes.healthy())


@pytest.mark.parametrize("keys", [("l", "enter"), ("tab", "enter"), ("right", "enter")])
def test_yes_can_be_reached_by_keys(keys: tuple[str, ...]) -> None:
    """l, Tab and Right go from Cancel to the other button."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        await shown.press("x", *keys)
        assert len(shown.recorder.commands()) == 1

    show(play, scenes.healthy())


def test_killing_a_whole_app_requires_its_name() -> None:
    """Y alone does not kill all of an app; its name must be typed first."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        await shown.press("X", "y", "enter")
        assert shown.recorder.commands() == []
        await shown.press("escape", "X", *"web", "enter", "enter")
        [(app, request)] = shown.recorder.commands()
        assert app == local_app("web")
        assert request == SendSignal(signal="SIGKILL", instances=(0, 1, 2), group=True)

    show(play, scenes.healthy())


def test_a_worker_that_was_replaced_meanwhile_is_not_killed() -> None:
    """If the worker exits before the confirmation, nothing is sent, and the question is asked again
    for the next worker."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        await shown.press("X")
        shown.source.stage["web"].crash(1)
        await shown.pass_time(0)
        await shown.press("y")
        assert shown.recorder.commands() == []
        pid = shown.source.fleet.apps[local_app("web")].instances[1].record.pid
        assert f"Changed meanwhile: web/1 is pid {pid} now." in shown.text()
        await shown.press("y")
        assert [type(one) for _, one in shown.recorder.commands()] == [SendSignal]

    show(play, scenes.healthy())


def test_a_question_is_asked_again_when_its_app_was_stopped_meanwhile() -> None:
    """A restart that was asked about while the app ran does not start it after somebody stopped it,
    unless the user says yes to that too."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        await shown.press("r")
        assert "Restart worker?" in shown.text()
        shown.source.send_request(local_app("worker"), Stop(), lambda _: None)
        await shown.pass_time(5)
        shown.recorder.requests.clear()
        await shown.press("y")
        assert shown.recorder.commands() == []
        assert "Changed meanwhile: worker/0 is stopped now." in shown.text()
        await shown.press("y")
        assert [type(one) for _, one in shown.recorder.commands()] == [Restart]

    show(play, scenes.healthy())


def test_escape_acts_where_the_focus_is() -> None:
    """Esc in a zoomed log leaves the filter of the list alone, and restores the panes."""

    async def play(shown: Shown) -> None:
        await shown.press("slash", *"web", "enter")
        assert shown.table.arrangement.filter == "web"
        await shown.press("2", "z", "escape")
        assert shown.table.arrangement.filter == "web"
        assert shown.app.overview.zoomed is None
        await shown.press("escape")
        assert shown.focused() == "processes"
        assert shown.table.arrangement.filter == "web"
        await shown.press("escape")
        assert shown.table.arrangement.filter == ""

    show(play, scenes.healthy())


def test_start_starts_only_stopped_instances() -> None:
    """Key s on a running row shows a notice; on a stopped row it starts the instance at once."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        await shown.press("s")
        assert "x stops, r restarts" in shown.toasts()
        assert shown.recorder.commands() == []

        def says(word: str) -> bool:
            shown.source.advance(0.1)
            return word in shown.row("web", 1)

        await shown.press("x", "y")
        await shown.until(lambda: says("stopped"), "the row says stopped")
        await shown.press("s")
        assert shown.recorder.commands()[-1] == (local_app("web"), Start(instances=(1,)))
        await shown.until(lambda: says("online"), "the row says online")

    show(play, scenes.healthy())


def test_a_key_applies_to_all_selected_rows() -> None:
    """Space selects rows of several apps, and one dialog confirms all of them."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 2)
        await shown.press("space", "space")
        assert "2 selected" in shown.text()
        await shown.press("x")
        assert "Stop 2 instances?" in shown.text()
        await shown.press("y")
        assert sorted(shown.recorder.commands()) == [
            (local_app("web"), Stop(instances=(2,))), (local_app("worker"), Stop(instances=(0,))),
        ]  # fmt: skip

    show(play, scenes.healthy())


def test_asterisk_selects_all_and_none() -> None:
    """* selects every instance, then none."""

    async def play(shown: Shown) -> None:
        await shown.press("asterisk")
        assert len(shown.table.picked) == 6
        await shown.press("asterisk")
        assert shown.table.picked == frozenset()

    show(play, scenes.healthy())


def test_only_scaling_down_is_confirmed() -> None:
    """Key S asks for a number, and for confirmation only when instances are removed."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        await shown.press("S", "plus", "enter")
        assert shown.recorder.commands() == [(local_app("web"), Scale(count=4))]
        await shown.pass_time(5)
        await shown.press("S", *("backspace",) * 3, "1", "enter")
        assert "down to 1" in shown.text()
        await shown.press("y")
        assert shown.recorder.commands()[-1] == (local_app("web"), Scale(count=1))

    show(play, scenes.healthy())


def test_a_refusal_is_shown() -> None:
    """A refused request is shown with its reason."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        shown.source.stage["worker"].silent = True
        await shown.press("r", "y")
        await shown.pass_time(20)
        await shown.until(lambda: "does not answer" in shown.toasts(), "the refusal")

    show(play, scenes.healthy())


def test_a_reload_shows_its_progress() -> None:
    """The app's row shows the number of replaced workers."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        await shown.press("R", "y")
        seen: set[str] = set()

        def done() -> bool:
            shown.source.advance(0.1)
            state = shown.row("web")
            seen.update(word for word in ("0/3", "1/3", "2/3") if f"reload {word}" in state)
            return "reload finished" in shown.toasts()

        await shown.until(done, "the reload is done")
        assert len(seen) >= 2

    show(play, scenes.healthy())


def test_read_only_removes_the_keys_that_change_apps() -> None:
    """With --read-only, actions that change apps are not in keys, footer, help or palette."""

    async def play(shown: Shown) -> None:
        assert "restart" not in shown.lines()[-1]
        assert "read-only" in shown.lines()[0]
        await shown.press("r", "R", "x", "s", "S", "X")
        assert shown.app.screen is shown.app.overview
        assert shown.recorder.commands() == []
        titles = [command.title for command in shown.app.get_system_commands(shown.app.screen)]
        assert not [title for title in titles if title.startswith(("restart", "stop", "kill"))]
        await shown.press("question_mark")
        assert "Restart:" not in shown.text()

    show(play, scenes.healthy(), read_only=True)


def test_freezing_stops_the_display() -> None:
    """Key p freezes the numbers and the header says so; p again shows the present ones."""

    async def play(shown: Shown) -> None:
        await shown.press("p")
        before = shown.row("worker")
        assert "FROZEN" in shown.lines()[0]
        shown.source.stage["worker"].crash(0)
        await shown.pass_time(3)
        await shown.press("down", "up")
        assert shown.row("worker") == before
        await shown.press("p")
        assert shown.row("worker") != before
        assert "FROZEN" not in shown.text()

    show(play, scenes.healthy())


def test_the_palette_does_what_a_key_does() -> None:
    """ctrl+p finds an action by its name and runs it."""

    async def play(shown: Shown) -> None:
        await shown.search_palette("freeze")
        await shown.until(lambda: "Freeze the display" in shown.text(), "the hit is listed")
        await shown.press("enter")
        await shown.until(lambda: shown.app.feed.frozen, "the display is frozen")

    show(play, scenes.healthy())


def test_the_palette_begins_with_the_pane_in_focus() -> None:
    """The palette lists the actions of the pane with the focus first, then those of everywhere."""

    async def play(shown: Shown) -> None:
        await shown.press("3", "ctrl+p")
        await shown.until(lambda: "zoom in  (Metrics: +)" in shown.text(), "the list")
        text = shown.text()
        assert text.index("zoom in  (Metrics: +)") < text.index("zoom out  (Metrics: -)")
        assert "(Process list" not in text
        titles = [one.title for one in shown.app.get_system_commands(shown.app.screen)]
        scopes = [title.partition("(")[2].partition(":")[0] for title in titles]
        order = [scope for scope in dict.fromkeys(scopes) if scope]
        assert order[:2] == ["Metrics", "Everywhere"]

    show(play, scenes.healthy())


def test_metrics_zoom_in_time_and_choose_what_is_plotted() -> None:
    """+ - and = change the time span of the plots, ] and [ the metric."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 0)
        await shown.press("3", "plus")
        assert "web/0, 1 min" in shown.text()
        await shown.press("minus", "minus", "minus")
        assert "web/0, 1 h" in shown.text()
        await shown.press("minus", "minus", "minus", "minus", "minus")
        assert "web/0, 30 days" in shown.text()
        await shown.press("equals_sign")
        assert "web/0, 5 min" in shown.text()
        assert "of one core" in shown.text()
        await shown.press("right_square_bracket")
        assert "of all its processes" in shown.text()
        await shown.press("left_square_bracket")
        assert "of one core" in shown.text()

    show(play, scenes.healthy())


def test_without_a_probe_no_zeros_are_shown() -> None:
    """The metrics of a worker without a probe say so, and have no heap and no event-loop lag."""

    async def play(shown: Shown) -> None:
        key = shown.table.rows[1]
        await shown.move_to(key.app.app, key.instance)
        text = shown.text()
        assert "no probe" in text
        assert "heap used" not in text

    show(play, scenes.many(20))


def test_targets_limit_what_is_shown() -> None:
    """Targets limit the rows, and the header shows them."""

    async def play(shown: Shown) -> None:
        instances = {key for key in shown.table.rows if key.instance is not None}
        assert instances == {RowKey(local_app("web"), 1), RowKey(local_app("worker"), 0)}
        assert "web/1" in shown.lines()[0]

    show(play, scenes.healthy(), targets=("web/1", "worker"))


def test_a_lost_agent_turns_its_rows_stale_with_an_age() -> None:
    """The rows of an agent that is silent become stale with an age, and live again with it."""

    async def play(shown: Shown) -> None:
        shown.source.stage["worker"].silent = True
        await shown.pass_time(4)
        assert "stale" in shown.row("worker")
        await shown.pass_time(70)
        assert "stale 1m" in shown.row("worker")
        assert "1 stale" in shown.lines()[0]
        shown.source.stage["worker"].silent = False
        await shown.pass_time(2)
        assert "online" in shown.row("worker")

    show(play, scenes.healthy())


def test_apps_come_and_go_while_it_runs() -> None:
    """New apps appear and deleted ones disappear; the cursor moves to a row that exists."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        shown.source.stage["worker"].shut_down(delete=True)
        await shown.pass_time(1)
        assert "worker" not in {key.app for key in shown.table.rows}
        assert shown.table.cursor == shown.table.rows[-1]
        shown.source.enter(shop.newsletter())
        await shown.pass_time(1)
        assert "errored" in shown.row("newsletter")

    show(play, scenes.healthy())


# ------------------------------------------------------------------ mouse


def test_the_mouse_sorts_and_presses_the_footers_keys() -> None:
    """A click on a title sorts by its column, a second one reverses; a click on a label of the
    footer does what its key does; a click on a second line moves to its row."""

    async def play(shown: Shown) -> None:
        head = shown.table._painted[0].text
        await shown.pilot.click("#process-table", offset=(head.index("mem") + 1, 0))
        assert (shown.table.arrangement.sort, shown.table.arrangement.reverse) == ("memory", False)
        await shown.pilot.click("#process-table", offset=(head.index("mem") + 1, 0))
        assert shown.table.arrangement.reverse
        await shown.pilot.click("#process-table", offset=(10, 4))
        assert shown.table.cursor == RowKey(local_app("api"))
        foot = shown.lines()[-1]
        await shown.pilot.click("#footer", offset=(foot.index("stop"), 0))
        await shown.pilot.pause()
        assert "Stop 2 instances?" in shown.text()

    show(play, scenes.trouble())


@pytest.mark.parametrize(("width", "columns"), [(80, 1), (200, 2), (300, 4)])
def test_the_help_has_as_many_columns_as_fit(width: int, columns: int) -> None:
    """On a wide screen the sections of the help stand side by side; none is divided."""

    async def play(shown: Shown) -> None:
        await shown.press("question_mark")
        lines = [line.text for line in shown.app.screen.query_one("#help-lines").lines(width)]
        assert "Process list" in lines[0]
        heads = [title for title in SCOPE_TITLES.values() if f" {title}  " in lines[0]]
        commands = "Commands; each action" in lines[0]
        assert len(heads) + commands == columns
        for scope, title in SCOPE_TITLES.items():
            texts = [one.help for one in REGISTRY if one.scope == scope]
            row = next(number for number, line in enumerate(lines) if f" {title}  " in line)
            place = lines[row].index(f" {title}  ")
            assert texts[0].split()[0] in lines[row + 1][place : place + 40]

    show(play, scenes.healthy(), size=(width, 24))
