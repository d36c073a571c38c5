"""What the keys of the overview do, as a user sees it."""

import pytest

from monit_agent.client import scenes
from monit_agent.wire.messages import Reload, Restart, Scale, SendSignal, Start, Stop
from monit_tui.rows import RowKey
from screening import Shown, show


def test_the_first_frame_has_data() -> None:
    """Rows with numbers stand there before any time has passed."""

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
        await shown.stand_on("web", 1)
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
def test_keys_lead_to_panes(key: str, pane: str, size: tuple[int, int]) -> None:
    """Each pane has its key, in every layout, and its body gets the focus."""

    async def play(shown: Shown) -> None:
        await shown.press(key)

        assert shown.focused() == pane
        pane_widget = shown.app.overview.panes[pane]
        assert pane_widget.display
        assert shown.app.focused is not None
        assert pane_widget in shown.app.focused.ancestors_with_self

    show(play, scenes.healthy(), size=size)


def test_q_goes_back_and_then_quits() -> None:
    """Q leaves zoom, then the pane, then the program; the apps are not touched."""

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
    """Esc takes away filter, selection, zoom, pane, in this order, and then does nothing."""

    async def play(shown: Shown) -> None:
        await shown.press("space", "slash", *"web", "enter", "z")
        assert shown.table.how.filter == "web"
        await shown.press("escape")
        assert shown.table.how.filter == ""
        assert shown.app.overview.zoomed == "processes"
        await shown.press("escape", "escape", "escape", "escape")
        assert shown.app.overview.zoomed is None
        assert not shown.app._exit

    show(play, scenes.healthy())


def test_ctrl_c_quits_the_viewer_from_anywhere() -> None:
    """ctrl+c leaves, also out of a dialog, without saying yes to it."""

    async def play(shown: Shown) -> None:
        await shown.press("x")
        await shown.press("ctrl+c")
        assert shown.app._exit
        assert shown.recorder.commands() == []

    show(play, scenes.healthy())


def test_zoom_gives_a_pane_the_whole_screen() -> None:
    """Z fills the screen with the pane that has the focus; z again restores all."""

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
        assert shown.table.rows == (RowKey("newsletter", 0),)
        await shown.press("enter")
        assert "/errored" in shown.text()
        assert shown.focused() == "processes"
        await shown.press("slash", *("backspace",) * 7, *"!api", "enter")
        assert "api" not in {key.app for key in shown.table.rows}

    show(play, scenes.trouble())


def test_an_unmatched_filter_says_so() -> None:
    """An empty list tells why it is empty and how to get the rows back."""

    async def play(shown: Shown) -> None:
        await shown.press("slash", *"nonsense", "enter")
        assert "Nothing matches" in shown.text()
        await shown.press("escape")
        assert "worker" in shown.text()

    show(play, scenes.healthy())


def test_an_empty_home_says_how_to_begin() -> None:
    """Without apps the list shows the command that starts one."""

    async def play(shown: Shown) -> None:
        assert "monit start" in shown.text()
        await shown.press("r", "x", "s", "S", "X", "space", "asterisk", "enter", "q")

    show(play, scenes.empty())


def test_sorting_puts_the_highest_first() -> None:
    """> and the menu choose the column, O turns it round, and the header shows which."""

    async def play(shown: Shown) -> None:
        await shown.press("t", "o", "down", "down", "enter")
        assert shown.table.how.sort == "cpu"
        fleet = shown.source.fleet
        cpu = [fleet.apps[k.app].instances[k.instance].sample.cpu_percent for k in shown.table.rows]
        assert cpu == sorted(cpu, reverse=True)
        await shown.press("O")
        cpu = [fleet.apps[k.app].instances[k.instance].sample.cpu_percent for k in shown.table.rows]
        assert cpu == sorted(cpu)
        await shown.press("greater_than_sign")
        assert shown.table.how.sort == "memory"
        await shown.press("less_than_sign", "less_than_sign")
        assert shown.table.how.sort == "state"

    show(play, scenes.healthy())


def test_the_cursor_stays_on_its_instance_when_rows_move() -> None:
    """Another order, a filter, a new app: the bar stays on the same worker."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 1)
        await shown.press("o", "end", "enter")
        assert shown.table.cursor == RowKey("web", 1)
        await shown.press("t")
        assert shown.table.cursor == RowKey("web", 1)
        await shown.press("slash", *"web", "enter")
        assert shown.table.cursor == RowKey("web", 1)

    show(play, scenes.healthy())


def test_folding_hides_the_instances() -> None:
    """Left folds an app to its row and the cursor stays on it, right unfolds."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 1)
        await shown.press("left")
        assert shown.table.cursor == RowKey("web")
        assert RowKey("web", 1) not in shown.table.rows
        await shown.press("right")
        assert RowKey("web", 1) in shown.table.rows

    show(play, scenes.healthy())


def test_n_finds_the_next_problem() -> None:
    """N goes to the next row that is not as it should be, and round to the first."""

    async def play(shown: Shown) -> None:
        await shown.press("n")
        assert shown.table.cursor == RowKey("api", 0)
        await shown.press("n", "n")
        assert shown.table.cursor == RowKey("newsletter", 0)
        await shown.press("N")
        assert shown.table.cursor == RowKey("api", 1)

    show(play, scenes.trouble())


# ------------------------------------------------------------------ keys that act


@pytest.mark.parametrize(
    ("key", "expected"),
    [("r", Restart(instances=(1,))), ("R", Reload(instances=(0, 1, 2))),
     ("x", Stop(instances=(1,))),
     ("X", SendSignal(signal="SIGKILL", instances=(1,), group=True))],
)  # fmt: skip
def test_what_acts_asks_first(key: str, expected: object) -> None:
    """The dialog names the target, Cancel has the focus, and only y sends the request."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 1)
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
        assert shown.recorder.commands() == [("web", expected)]
        await shown.until(lambda: "web:" in shown.toasts(), "a word about how it went")

    show(play, scenes.healthy())


@pytest.mark.parametrize("keys", [("l", "enter"), ("tab", "enter"), ("right", "enter")])
def test_yes_can_be_reached_by_motion(keys: tuple[str, ...]) -> None:
    """l, Tab and the arrow go from Cancel to the other button."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 1)
        await shown.press("x", *keys)
        assert len(shown.recorder.commands()) == 1

    show(play, scenes.healthy())


def test_killing_a_whole_app_wants_its_name() -> None:
    """Y alone does not kill all of an app; its name must be typed first."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web")
        await shown.press("X", "y", "enter")
        assert shown.recorder.commands() == []
        await shown.press("escape", "X", *"web", "enter", "enter")
        [(app, request)] = shown.recorder.commands()
        assert app == "web"
        assert request == SendSignal(signal="SIGKILL", instances=(0, 1, 2), group=True)

    show(play, scenes.healthy())


def test_a_worker_that_was_replaced_meanwhile_is_not_killed() -> None:
    """Between question and answer the worker dies: its successor is spared, and that is said."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 1)
        await shown.press("X")
        shown.source.stage["web"].change(1, pid=99999)
        await shown.pass_time(0)
        await shown.press("y")
        assert shown.recorder.commands() == []
        assert "not there any more" in shown.toasts()

    show(play, scenes.healthy())


def test_start_explains_on_a_running_row_and_starts_a_stopped_one() -> None:
    """S never restarts anything; on what is stopped it acts at once."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 1)
        await shown.press("s")
        assert "x stops, r restarts" in shown.toasts()
        assert shown.recorder.commands() == []

        def says(word: str) -> bool:
            shown.source.advance(0.1)
            return word in shown.row("web", 1)

        await shown.press("x", "y")
        await shown.until(lambda: says("stopped"), "the row says stopped")
        await shown.press("s")
        assert shown.recorder.commands()[-1] == ("web", Start(instances=(1,)))
        await shown.until(lambda: says("online"), "the row says online")

    show(play, scenes.healthy())


def test_several_rows_are_acted_on_together() -> None:
    """Space selects rows of several apps, and one question covers them all."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 2)
        await shown.press("space", "space")
        assert "2 selected" in shown.text()
        await shown.press("x")
        assert "Stop 2 instances?" in shown.text()
        await shown.press("y")
        assert sorted(shown.recorder.commands()) == [
            ("web", Stop(instances=(2,))), ("worker", Stop(instances=(0,))),
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


def test_scaling_down_asks_and_up_does_not() -> None:
    """S takes a number; only when instances go it asks again."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web")
        await shown.press("S", "plus", "enter")
        assert shown.recorder.commands() == [("web", Scale(count=4))]
        await shown.pass_time(5)
        await shown.press("S", *("backspace",) * 3, "1", "enter")
        assert "down to 1" in shown.text()
        await shown.press("y")
        assert shown.recorder.commands()[-1] == ("web", Scale(count=1))

    show(play, scenes.healthy())


def test_a_refusal_is_shown() -> None:
    """What the agent refuses is said, with its reason."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("worker", 0)
        shown.source.stage["worker"].silent = True
        await shown.press("r", "y")
        await shown.pass_time(20)
        await shown.until(lambda: "does not answer" in shown.toasts(), "the refusal")

    show(play, scenes.healthy())


def test_a_reload_shows_how_far_it_is() -> None:
    """The app's row counts the workers that are done."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web")
        await shown.press("R", "y")
        seen: set[str] = set()

        def done() -> bool:
            shown.source.advance(0.1)
            state = shown.row("web")
            seen.update(word for word in ("0/3", "1/3", "2/3") if f"reload {word}" in state)
            return "reload done" in shown.toasts()

        await shown.until(done, "the reload is done")
        assert len(seen) >= 2

    show(play, scenes.healthy())


def test_read_only_takes_the_acting_keys_away() -> None:
    """With --read-only nothing that acts is in footer, help or palette, nor has it a key."""

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


def test_freezing_holds_the_display() -> None:
    """P stops the numbers and says so; p again shows what happened meanwhile."""

    async def play(shown: Shown) -> None:
        await shown.press("p")
        before = shown.row("worker")
        assert "FROZEN" in shown.lines()[0]
        shown.source.stage["worker"].change(0, restarts=77)
        await shown.pass_time(3)
        await shown.press("down", "up")
        assert shown.row("worker") == before
        await shown.press("p")
        assert " 77 " in shown.row("worker")
        assert "FROZEN" not in shown.text()

    show(play, scenes.healthy())


def test_the_palette_does_what_a_key_does() -> None:
    """: finds an action by its name and runs it in its place."""

    async def play(shown: Shown) -> None:
        await shown.search_palette("freeze")
        await shown.until(lambda: "Hold the display" in shown.text(), "the hit is listed")
        await shown.press("enter")
        await shown.until(lambda: shown.app.feed.frozen, "the display is frozen")

    show(play, scenes.healthy())


def test_metrics_zoom_in_time_and_choose_what_is_plotted() -> None:
    """+ - = change the time that the plots show, ] goes to the next metric."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 0)
        await shown.press("3", "plus")
        assert "web/0, 1 min" in shown.text()
        await shown.press("minus", "minus", "minus", "minus")
        assert "web/0, 1 h" in shown.text()
        await shown.press("equals_sign")
        assert "web/0, 5 min" in shown.text()
        assert "of one core" in shown.text()
        await shown.press("right_square_bracket")
        assert "resident" in shown.text()
        await shown.press("left_square_bracket")
        assert "of one core" in shown.text()

    show(play, scenes.healthy())


def test_without_a_probe_nothing_pretends() -> None:
    """A worker without probe has no heap and no loop lag: it says so and shows no 0."""

    async def play(shown: Shown) -> None:
        key = shown.table.rows[1]
        await shown.stand_on(key.app, key.instance)
        text = shown.text()
        assert "no probe" in text
        assert "heap used" not in text

    show(play, scenes.many(20))


def test_targets_limit_what_is_shown() -> None:
    """Monit web/1 worker shows these, and the header says so."""

    async def play(shown: Shown) -> None:
        instances = {key for key in shown.table.rows if key.instance is not None}
        assert instances == {RowKey("web", 1), RowKey("worker", 0)}
        assert "web/1" in shown.lines()[0]

    show(play, scenes.healthy(), targets=("web/1", "worker"))


def test_a_lost_agent_turns_its_rows_stale_with_an_age() -> None:
    """Within seconds the row says so, its numbers fade, its age grows, and it comes back."""

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
    """A new app appears by itself, a deleted one leaves, and the cursor is somewhere sensible."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("worker", 0)
        shown.source.stage["worker"].leave()
        await shown.pass_time(1)
        assert "worker" not in {key.app for key in shown.table.rows}
        assert shown.table.cursor == shown.table.rows[-1]
        other = scenes.trouble().stage["newsletter"]
        shown.source.enter(other)
        await shown.pass_time(1)
        assert "errored" in shown.row("newsletter")

    show(play, scenes.healthy())
