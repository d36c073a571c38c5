"""An app's own metrics on the screen: as numbers, as text and as plots."""

import pytest

from monit_agent.client.text.format import format_short_number
from monit_agent.client.view import InstanceView
from monit_agent.replay import scenes
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import (
    ActionResult,
    Actions,
    InstanceRecord,
    Metric,
    Offer,
    Refused,
    Sample,
    Trigger,
    TriggerPart,
)
from monit_tui.model.action_lines import answer_lines
from monit_tui.model.charts.app_metrics import (
    AppMetricKind,
    app_metric_kinds,
    metric_details,
    metric_writer,
    text_value,
)
from monit_tui.model.charts.series import chart_kind_of, chart_kinds_of, current_value
from monit_tui.model.charts.steps import choose_window
from monit_tui.model.processes.rows import RowKey
from monit_tui.screens.trigger import ArgumentsPrompt
from monit_tui.widgets.charts.history import ChartHistory
from support.screen import Shown, show


def _views(*metrics: Metric) -> list[InstanceView]:
    views: list[InstanceView] = []
    for number, metric in enumerate(metrics):
        record = InstanceRecord(
            instance=number, id=number, status="online", desired="running", ready=True, pid=9
        )
        views.append(InstanceView(local_app("web"), record))
        views[-1].sample = Sample(at=1.0, metrics={"own": metric})
    return views


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7, "7"), (0.123456, "0.123"), (12.34, "12.3"), (999, "999"), (12345, "12.3k"),
     (4.5e6, "4.5M"), (-0.5, "-0.5"), (0.00012, "0.0001"), (1e15, "1000T"), (999.6, "1k")],
)  # fmt: skip
def test_numbers_of_any_size_are_short(value: float, text: str) -> None:
    """Numbers of any size take at most six letters."""
    assert format_short_number(value) == text
    assert len(text) <= 6


def test_each_kind_is_drawn_with_its_unit() -> None:
    """Counters are drawn per second, bytes as sizes, other values with short units."""
    assert metric_writer(AppMetricKind("n", "counter", "orders", "avg"))(0.4) == "0.4/s"
    assert metric_writer(AppMetricKind("n", "gauge", "bytes", "avg"))(2048) == "2.0K"
    assert metric_writer(AppMetricKind("n", "histogram", "ms", "avg"))(12.3) == "12.3ms"
    assert metric_writer(AppMetricKind("n", "gauge", "baskets", "avg"))(12) == "12"
    assert metric_writer(AppMetricKind("n", "gauge", "", "avg"))(None) == "-"


@pytest.mark.parametrize(
    ("metrics", "drawn", "text"),
    [
        ((Metric(value=4, unit="jobs"), Metric(value=8, unit="jobs")), 6, "own  6 jobs"),
        ((Metric(value=4, agg="sum"), Metric(value=8, agg="sum")), 12, "own  12"),
        ((Metric(value=4, agg="max"), Metric(value=None, agg="max")), 4, "own  4"),
        ((Metric(value=1000, kind="counter", rate=0.5), Metric(value=24, kind="counter", rate=1)),
         1.5, "own  1,024, 1.5/s"),
        ((Metric(value=2, kind="histogram", rate=3, p50=1, p95=5, p99=6, unit="ms"),
          Metric(value=6, kind="histogram", rate=1, p50=2, p95=9, p99=9, unit="ms")),
         9, "own  mean 3 ms  p50 2 ms  p95 9 ms  p99 9 ms  4/s"),
        ((Metric(value=None, kind="histogram", rate=0),), None, "own  0/s"),
        ((Metric(value=None),), None, "own  -"),
    ],
)  # fmt: skip
def test_instances_combine_as_the_metric_says(
    metrics: tuple[Metric, ...], drawn: float | None, text: str
) -> None:
    """Counters are added, gauges combined by their aggregate, and of percentiles the highest is
    shown."""
    views = _views(*metrics)
    (own,) = app_metric_kinds(views)

    assert current_value(chart_kind_of(own), views) == drawn
    assert metric_details(own, views) == text


def test_texts_are_shown_as_text() -> None:
    """A text metric has no number, and an escape sequence in it is shown as text."""
    views = _views(*(Metric(value=None, kind="text", text=text) for text in ("day", "\x1b[2J")))
    (own,) = app_metric_kinds(views)

    assert current_value(chart_kind_of(own), views) is None
    text = text_value(own, views)
    assert text is not None
    assert text.startswith("day, ")
    assert "\x1b" not in text


def test_kinds_stay_equal_while_values_change() -> None:
    """The kinds of an app's metrics stay equal, so that series are not made again."""
    source = scenes.healthy()
    source.advance(1)
    before = chart_kinds_of(list(source.fleet.apps[local_app("web")].instances.values()))
    source.advance(3)

    assert chart_kinds_of(list(source.fleet.apps[local_app("web")].instances.values())) == before


def test_the_past_of_own_metrics_is_drawn() -> None:
    """Steps have the values of past seconds, although past samples do not have them."""
    source = scenes.healthy()
    source.advance(20)
    views = [source.fleet.apps[local_app("web")].instances[0]]
    kinds = chart_kinds_of(views)
    history = ChartHistory(source, lambda: None)
    history.add_samples(views, kinds, 1)
    (orders,) = (kind for kind in kinds if kind.label == "orders")
    window = choose_window(60, source.wall(), source.wall(), 60)
    (table,) = history.tables(views, 1)

    known = [step.mean for step in table.steps(orders.column, window.first, window.end) if step]
    assert len(known) >= 15
    assert all(0 < value < 5 for value in known)
    assert current_value(orders, views) == pytest.approx(known[-1])


@pytest.mark.parametrize("size", [(80, 24), (120, 35), (200, 50)])
def test_own_metrics_come_after_the_common_ones_and_can_be_plotted(size: tuple[int, int]) -> None:
    """Own metrics are last in the list, and the line above the plot shows their numbers."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        await shown.pass_time(1)
        await shown.press("3", "left_square_bracket")
        assert "▸ orders" in shown.text()
        assert "orders  25," in shown.text()
        await shown.press("left_square_bracket", "left_square_bracket")
        assert "checkout  mean" in shown.text()
        await shown.press("left_square_bracket")
        assert "2026-03 spring" in shown.text()

    show(play, scenes.healthy(), size=size)


async def _choose(shown: Shown, action: str) -> None:
    """Select an action of the app in the palette."""
    title = f"trigger {action}"
    await shown.search_palette(title)
    await shown.until(lambda: f"{title}  (" in shown.text(), "it is listed")
    await shown.press("enter")
    await _wait_for_arguments(shown)


async def _wait_for_arguments(shown: Shown) -> None:
    await shown.until(
        lambda: isinstance(shown.app.screen, ArgumentsPrompt) and "Enter runs it" in shown.text(),
        "the dialog for arguments",
    )


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
def test_an_action_is_triggered_from_the_palette(size: tuple[int, int]) -> None:
    """The palette lists the app's actions, asks for arguments and shows the answers."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        await _choose(shown, "clear")
        await shown.press(*"'a", "space", *"b", "enter")
        assert "No closing quotation" in shown.text()
        await shown.press("apostrophe", "enter")
        await shown.until(lambda: "2 of 3 succeeded" in shown.text(), "the answers are shown")
        text = shown.text()
        assert "web/1 (pid 4004): failed: BlockingIOError: prices.json is locked" in text
        assert '"words": ["a b"]' in text
        assert text.index("web/1 (pid") < text.index("web/0 (pid")
        await shown.press("escape")
        assert shown.app.screen is shown.app.overview
        assert (
            local_app("web"),
            Trigger(action="clear", args=("a b",), timeout_s=30.0),
        ) in shown.recorder.requests

    show(play, scenes.healthy(), size=size)


def test_actions_are_found_while_the_answer_is_pending() -> None:
    """A search that was typed before the agent answered lists the actions after the answer."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        shown.source.stage["web"].silent = True
        await shown.search_palette("trigger clear")
        shown.source.stage["web"].silent = False
        await shown.until(lambda: "trigger clear  (" in shown.text(), "it is listed")

    show(play, scenes.healthy())


def test_an_action_on_an_instance_row_runs_in_that_instance() -> None:
    """On the row of web/2 the action runs in web/2 only, and Esc runs nothing."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 2)
        await _choose(shown, "stacks")
        await shown.until(lambda: "stacks in web/2 (1 process)?" in shown.text(), "the dialog")
        await shown.press("escape")
        assert not [one for _, one in shown.recorder.requests if isinstance(one, Trigger)]
        await _choose(shown, "stacks")
        await shown.until(lambda: "Trigger stacks" in shown.text(), "the dialog again")
        await shown.press("enter")
        await shown.until(lambda: "app/orders.py:41 checkout" in shown.text(), "the stack is shown")

    show(play, scenes.healthy())


def test_answers_after_the_dialog_was_closed_are_a_notice() -> None:
    """When the dialog is closed before the answers arrive, a notice shows the result."""

    async def play(shown: Shown) -> None:
        key = RowKey(local_app("web"))
        offer = Offer(name="clear", processes=3)
        shown.app.overview.actions.trigger_action(key, offer)
        await _wait_for_arguments(shown)
        shown.source.stage["web"].silent = True
        await shown.press("enter")
        await shown.until(lambda: "waiting for answers" in shown.text(), "it waits")
        await shown.press("escape")
        shown.source.stage["web"].silent = False
        await shown.until(lambda: "clear in web: 2 of 3 succeeded" in shown.toasts(), "the notice")

    show(play, scenes.healthy())


def test_read_only_offers_no_actions() -> None:
    """With --read-only the palette does not list the actions of apps."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        await shown.search_palette("trigger")
        await shown.until(lambda: "No matches found" in shown.text(), "the search is over")
        assert not [one for _, one in shown.recorder.requests if isinstance(one, Actions)]

    show(play, scenes.healthy(), read_only=True)


def test_names_of_actions_are_data() -> None:
    """Markup and escape sequences in names and help of actions are shown as text."""

    async def play(shown: Shown) -> None:
        offer = Offer(name="[bold]x[/]\x1b[2J", help="[red]y\u202e")
        shown.app.overview.actions.trigger_action(RowKey(local_app("web")), offer)
        await _wait_for_arguments(shown)
        assert "[bold]x[/]^[[2J in web" in shown.text()
        assert "[red]y\\u202e" in shown.text()
        await shown.press("enter")
        await shown.until(lambda: "no process of web offers this" in shown.text(), "it is answered")

    show(play, scenes.healthy())


def test_failed_results_are_listed_first() -> None:
    """Failed results are above the others; a refusal and an empty answer have a text."""
    part = TriggerPart(results=(
        ActionResult(instance=0, pid=7, ok=True, value='{"n": 1}'),
        ActionResult(instance=1, pid=8, ok=False, value="ValueError: no"),
        ActionResult(instance=2, pid=9, ok=True, value="null"),
    ))  # fmt: skip
    assert answer_lines("web", "clear", part) == [
        "2 of 3 succeeded", "", "web/1 (pid 8): failed: ValueError: no",
        'web/0 (pid 7): {"n": 1}', "web/2 (pid 9): done",
    ]  # fmt: skip
    assert answer_lines("web", "clear", Refused(kind="refused", message="busy")) == ["busy"]
    assert answer_lines("web", "clear", TriggerPart()) == ["no process of web offers this action"]
