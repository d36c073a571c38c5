"""An app's own metrics on the screen: in words, and drawn."""

import pytest

from monit_agent.client import scenes
from monit_agent.client.view import InstanceView
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
from monit_tui.answers import told
from monit_tui.format import brief
from monit_tui.own import OwnKind, details, own_kinds, said_text, writer
from monit_tui.rows import RowKey
from monit_tui.screens.trigger import ArgumentsPrompt
from monit_tui.series import Series, current, kind_of, kinds_of
from screening import Shown, show


def _views(*metrics: Metric) -> list[InstanceView]:
    views: list[InstanceView] = []
    for number, metric in enumerate(metrics):
        record = InstanceRecord(
            instance=number, id=number, status="online", wanted="running", ready=True, pid=9
        )
        views.append(InstanceView("web", record))
        views[-1].sample = Sample(at=1.0, metrics={"own": metric})
    return views


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7, "7"), (0.123456, "0.123"), (12.34, "12.3"), (999, "999"), (12345, "12.3k"),
     (4.5e6, "4.5M"), (-0.5, "-0.5"), (0.00012, "0.0001"), (1e15, "1000T"), (999.6, "1k")],
)  # fmt: skip
def test_numbers_of_any_size_are_short(value: float, text: str) -> None:
    """Six letters at most."""
    assert brief(value) == text
    assert len(text) <= 6


def test_each_kind_is_drawn_with_its_unit() -> None:
    """A counter per second, bytes as bytes, short units behind the number."""
    assert writer(OwnKind("n", "counter", "orders", "avg"))(0.4) == "0.4/s"
    assert writer(OwnKind("n", "gauge", "bytes", "avg"))(2048) == "2K"
    assert writer(OwnKind("n", "histogram", "ms", "avg"))(12.3) == "12.3ms"
    assert writer(OwnKind("n", "gauge", "baskets", "avg"))(12) == "12"
    assert writer(OwnKind("n", "gauge", "", "avg"))(None) == "-"


@pytest.mark.parametrize(
    ("metrics", "drawn", "said"),
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
    metrics: tuple[Metric, ...], drawn: float | None, said: str
) -> None:
    """An app's row adds counters up, averages gauges unless they say otherwise, and takes the
    worst percentile."""
    views = _views(*metrics)
    (own,) = own_kinds(views)

    assert current(kind_of(own), views) == drawn
    assert details(own, views) == said


def test_words_are_shown_as_words() -> None:
    """A text has no number; an escape sequence in it is written out."""
    views = _views(*(Metric(value=None, kind="text", text=text) for text in ("day", "\x1b[2J")))
    (own,) = own_kinds(views)

    assert current(kind_of(own), views) is None
    said = said_text(own, views)
    assert said is not None
    assert said.startswith("day, ")
    assert "\x1b" not in said


def test_kinds_stay_equal_while_the_metrics_do() -> None:
    """The picture is counted up, not counted anew each second."""
    source = scenes.healthy()
    source.advance(1)
    before = kinds_of(list(source.fleet.apps["web"].instances.values()))
    source.advance(3)

    assert kinds_of(list(source.fleet.apps["web"].instances.values())) == before


def test_the_past_is_drawn_from_what_came() -> None:
    """Values of the seconds before stand in the steps, although no sample holds them."""
    source = scenes.healthy()
    source.advance(20)
    views = [source.fleet.apps["web"].instances[0]]
    kinds = kinds_of(views)
    series = Series(views, kinds, 1.0, 60)
    (orders,) = (kind for kind in kinds if kind.label == "orders")

    known = [value for value in series.values(orders) if value is not None]
    assert len(known) >= 15
    assert all(0 < value < 5 for value in known)
    assert current(orders, views) == pytest.approx(known[-1])


@pytest.mark.parametrize("size", [(80, 24), (120, 35), (200, 50)])
def test_own_metrics_come_after_the_common_ones_and_can_be_plotted(size: tuple[int, int]) -> None:
    """[ goes from the first one to the last, which is the app's own; its line says what it is."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web")
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
    """Find an action of the app in the palette, and choose it."""
    title = f"trigger {action}"
    await shown.search_palette(title)
    await shown.until(lambda: f"{title}  (" in shown.text(), "it is listed")
    await shown.press("enter")
    await _asked_for_words(shown)


async def _asked_for_words(shown: Shown) -> None:
    await shown.until(
        lambda: isinstance(shown.app.screen, ArgumentsPrompt) and "Enter runs it" in shown.text(),
        "words are asked for",
    )


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
def test_an_action_is_triggered_from_the_palette(size: tuple[int, int]) -> None:
    """The palette lists what the app can do; its words are asked for, its answers are shown."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web")
        await _choose(shown, "clear")
        await shown.press(*"'a", "space", *"b", "enter")
        assert "No closing quotation" in shown.text()
        await shown.press("apostrophe", "enter")
        await shown.until(lambda: "2 of 3 did it" in shown.text(), "the answers are shown")
        text = shown.text()
        assert "web/1 (pid 4004): failed: BlockingIOError: prices.json is locked" in text
        assert '"words": ["a b"]' in text
        assert text.index("web/1 (pid") < text.index("web/0 (pid")
        await shown.press("escape")
        assert shown.app.screen is shown.app.overview
        assert (
            "web",
            Trigger(action="clear", args=("a b",), timeout_s=30.0),
        ) in shown.recorder.asked

    show(play, scenes.healthy(), size=size)


def test_who_types_before_the_agent_has_answered_finds_all_the_same() -> None:
    """The palette searches again with each key, and needs no other key when the answer comes."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web")
        shown.source.stage["web"].silent = True
        await shown.search_palette("trigger clear")
        shown.source.stage["web"].silent = False
        await shown.until(lambda: "trigger clear  (" in shown.text(), "it is listed")

    show(play, scenes.healthy())


def test_an_instances_action_is_of_this_instance() -> None:
    """On the row of web/2 the palette means web/2, and Esc runs nothing."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 2)
        await _choose(shown, "stacks")
        await shown.until(lambda: "stacks in web/2, 1 process?" in shown.text(), "it asks")
        await shown.press("escape")
        assert not [one for _, one in shown.recorder.asked if isinstance(one, Trigger)]
        await _choose(shown, "stacks")
        await shown.until(lambda: "Trigger stacks" in shown.text(), "it is asked")
        await shown.press("enter")
        await shown.until(lambda: "app/orders.py:41 checkout" in shown.text(), "the stack is shown")

    show(play, scenes.healthy())


def test_answers_that_come_after_their_dialog_was_closed_are_told() -> None:
    """Who closes the dialog still hears how it went."""

    async def play(shown: Shown) -> None:
        key = RowKey("web")
        offer = Offer(name="clear", processes=3)
        shown.app.overview.acting.trigger(key, offer)
        await _asked_for_words(shown)
        shown.source.stage["web"].silent = True
        await shown.press("enter")
        await shown.until(lambda: "waiting for the answers" in shown.text(), "it waits")
        await shown.press("escape")
        shown.source.stage["web"].silent = False
        await shown.until(lambda: "clear in web: 2 of 3 did it" in shown.toasts(), "it is told")

    show(play, scenes.healthy())


def test_read_only_offers_no_actions() -> None:
    """With --read-only the palette has nothing of an app's to run."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web")
        await shown.search_palette("trigger")
        await shown.until(lambda: "No matches found" in shown.text(), "the search is over")
        assert not [one for _, one in shown.recorder.asked if isinstance(one, Actions)]

    show(play, scenes.healthy(), read_only=True)


def test_names_of_actions_are_data() -> None:
    """Markup and escape sequences in a name or an answer are shown as they are."""

    async def play(shown: Shown) -> None:
        offer = Offer(name="[bold]x[/]\x1b[2J", help="[red]y\u202e")
        shown.app.overview.acting.trigger(RowKey("web"), offer)
        await _asked_for_words(shown)
        assert "[bold]x[/]^[[2J in web" in shown.text()
        assert "[red]y\\u202e" in shown.text()
        await shown.press("enter")
        await shown.until(lambda: "no process of web offers it" in shown.text(), "it is answered")

    show(play, scenes.healthy())


def test_what_was_answered_is_told_failures_first() -> None:
    """Errors stand above what went well; a refusal and nobody are said."""
    part = TriggerPart(results=(
        ActionResult(instance=0, pid=7, ok=True, value='{"n": 1}'),
        ActionResult(instance=1, pid=8, ok=False, value="ValueError: no"),
        ActionResult(instance=2, pid=9, ok=True, value="null"),
    ))  # fmt: skip
    assert told("web", "clear", part) == [
        "2 of 3 did it", "", "web/1 (pid 8): failed: ValueError: no",
        'web/0 (pid 7): {"n": 1}', "web/2 (pid 9): done",
    ]  # fmt: skip
    assert told("web", "clear", Refused(kind="refused", message="busy")) == ["busy"]
    assert told("web", "clear", TriggerPart()) == ["no process of web offers it any more"]
