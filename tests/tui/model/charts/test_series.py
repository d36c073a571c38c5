"""History in steps, and its plots."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monit_agent.client.view import InstanceView
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import (
    HttpFigures,
    InstanceRecord,
    LoopFigures,
    Sample,
    TreeFigures,
)
from monit_agent.wire.metrics import FIGURES, SHORT_NAMES
from monit_tui.model.charts.series import (
    KINDS,
    combined_steps,
    current_value,
    has_probe,
    listed_kinds,
    threshold,
)
from monit_tui.model.charts.steps import MetricStep
from monit_tui.palettes import ASCII, Glyphs
from monit_tui.widgets.charts import plot

CPU, MEMORY = KINDS[0], KINDS[1]


def _used(at: float, cpu: float | None) -> Sample:
    return Sample(at=at, tree=TreeFigures(cpu_percent=cpu))


def _served(rps: float, p95_ms: float, in_flight: int) -> Sample:
    http = HttpFigures(requests_per_s=rps, p95_ms=p95_ms, in_flight=in_flight)
    return Sample(at=1000, http=http)


def _view(number: int, samples: list[Sample]) -> InstanceView:
    record = InstanceRecord(
        instance=number, id=number, status="online", desired="running", ready=True, pid=100 + number
    )
    view = InstanceView(local_app("web"), record)
    for sample in samples:
        view.history.append(sample)
        view.sample = sample
    return view


def test_instances_are_added_and_of_delays_the_longest_counts() -> None:
    """The CPU of two instances is a sum, their lag the longer one."""
    lag = next(kind for kind in KINDS if kind.name == "lag")
    views = [
        _view(n, [replace(_used(1000, 10.0 + n), loop=LoopFigures(lag_p95_ms=5.0 * n))])
        for n in (0, 1)
    ]
    assert current_value(CPU, views) == 21.0
    assert current_value(lag, views) == 5.0
    one, other = MetricStep(1.0, 4.0, 2.0), MetricStep(2.0, 3.0, 2.5)
    assert combined_steps(CPU, [[one, one, None], [other, None, None]]) == [
        MetricStep(3.0, 7.0, 4.5), one, None,
    ]  # fmt: skip
    assert combined_steps(lag, [[one], [other]]) == [MetricStep(2.0, 4.0, 2.5)]


def test_what_is_unknown_has_no_number() -> None:
    """An unknown value is None, and a metric of a probe has no line unless it was known."""
    view = _view(0, [Sample(at=1000), _used(1010, 1.0), Sample(at=1020)])
    assert current_value(CPU, [view]) is None
    assert not has_probe([view])
    assert "heap" not in {kind.name for kind in listed_kinds(KINDS, [view])}
    assert "heap" in {kind.name for kind in listed_kinds(KINDS, [view], {"heap_used_bytes"})}


def test_the_limit_of_an_app_is_that_of_all_its_instances() -> None:
    """The memory of three instances may reach three times the limit of one."""
    views = [_view(n, [_used(1000, 1.0)]) for n in range(3)]
    assert threshold(MEMORY, views, 100) == (300.0, "max memory")
    assert threshold(MEMORY, views, None) is None
    assert threshold(CPU, views, 100) is None


def test_requests_are_added_and_of_latencies_the_longest_counts() -> None:
    """HTTP rates are added, latencies not; without an HTTP server they have no lines."""
    kinds = {kind.name: kind for kind in KINDS}
    views = [_view(n, [_served(10.0 + n, 5.0 * n, n)]) for n in (1, 2)]
    texts = {name: kind.text(current_value(kind, views)) for name, kind in kinds.items()}

    assert (texts["http"], texts["http open"], texts["latency"]) == ("23/s", "3", "10ms")
    assert {"http", "latency"} <= {kind.name for kind in listed_kinds(KINDS, views)}
    assert not {"http", "latency"} & {
        k.name for k in listed_kinds(KINDS, [_view(0, [Sample(at=1)])])
    }


STEPS = st.lists(st.none() | st.floats(min_value=0, max_value=1e12), max_size=100)


def _step(value: float | None) -> MetricStep | None:
    return None if value is None else MetricStep(value / 2, value, value)


@given(STEPS, STEPS, st.integers(0, 60), st.integers(0, 12), st.sampled_from([Glyphs(), ASCII]))
def test_plots_have_their_size(
    front: list[float | None], back: list[float | None], width: int, height: int, glyphs: Glyphs
) -> None:
    """A plot of any numbers has exactly the given width and height."""
    high = plot.round_up([*front, *back])
    curves = ([_step(value) for value in front], [_step(value) for value in back])
    overlay = plot.Overlay(cursor=3, events={5: "grid"}, threshold=high / 2)
    rows = plot.draw_area(curves, (width, height), high, glyphs, overlay)
    assert all(sum(len(text) for text, _ in row) == width for row in rows)
    assert len(rows) in {0, height}
    assert len(plot.draw_bars(front, width, high, glyphs)) in {0, width}
    if not glyphs.braille:
        assert all(text.isascii() for row in rows for text, _ in row)


@given(STEPS.filter(lambda steps: any(step is not None for step in steps)))
def test_no_value_is_above_the_ceiling(steps: list[float | None]) -> None:
    """The top of the scale is a round number not below any value, also in powers of 1024."""
    highest = max(step for step in steps if step is not None)
    assert plot.round_up(steps) >= highest
    assert plot.round_up(steps, binary=True) >= highest
    assert plot.round_up(steps) <= max(10 * highest, 1.0)


def test_gaps_and_bands_are_seen() -> None:
    """A gap stays empty; between its lowest and its highest value a step is dimmer."""
    steps = [MetricStep(2.0, 8.0, 5.0), MetricStep(2.0, 8.0, 5.0), None, None]
    rows = plot.draw_area((steps, []), (2, 4), 8.0, Glyphs())
    assert [row[0] for row in rows] == [("⣿ ", "band")] * 3 + [("⣿ ", "curve")]


def test_what_is_over_the_threshold_is_bad() -> None:
    """The area above a threshold is drawn as bad, and the line where nothing is drawn."""
    high, low = MetricStep(8.0, 8.0, 8.0), MetricStep(1.0, 1.0, 1.0)
    overlay = plot.Overlay(threshold=4.0)
    rows = plot.draw_area(([high, high, low, low], []), (2, 4), 8.0, Glyphs(), overlay)
    assert rows[0][0] == ("⣿ ", "bad")
    assert rows[1] == [("⣿", "bad"), ("╌", "warn")]
    assert rows[3][0][1] == "curve"


def test_a_small_value_is_visible() -> None:
    """One percent of the scale has a bar, an unknown value has none."""
    assert plot.draw_bars([1.0, None, 0.0], 3, 100.0, Glyphs()) == "▁ ▁"


def test_monit_history_knows_the_names_of_the_charts() -> None:
    """What `:metric` calls a metric is the same one for `monit history`."""
    named = {kind.name: SHORT_NAMES.get(kind.name, kind.name) for kind in KINDS}
    assert named == {kind.name: kind.figure for kind in KINDS}
    assert set(SHORT_NAMES.values()) <= FIGURES.keys()
