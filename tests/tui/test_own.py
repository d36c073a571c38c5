"""An app's own metrics on the screen: in words, and drawn."""

import pytest

from monit_agent.client import scenes
from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import InstanceRecord, Metric, Sample
from monit_tui.format import brief
from monit_tui.own import OwnKind, details, own_kinds, said_text, writer
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
