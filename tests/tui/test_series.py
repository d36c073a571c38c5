"""History in steps, and the curves drawn of it."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import InstanceRecord, Sample
from monit_tui.series import KINDS, Series, current, listed, probed
from monit_tui.theme import ASCII, Glyphs
from monit_tui.widgets import plot

CPU, MEMORY = KINDS[0], KINDS[1]


def _view(number: int, samples: list[Sample]) -> InstanceView:
    record = InstanceRecord(
        instance=number, id=number, status="online", wanted="running", ready=True, pid=100 + number
    )
    view = InstanceView("web", record)
    for sample in samples:
        view.history.append(sample)
        view.sample = sample
    return view


def test_a_step_holds_its_highest_second() -> None:
    """A peak of one second is not averaged away."""
    samples = [
        Sample(at=1000 + second, cpu_percent=90.0 if second == 7 else 1.0) for second in range(20)
    ]
    series = Series([_view(0, samples)], KINDS, 5.0, 4)
    assert series.values(CPU) == [1.0, 90.0, 1.0, 1.0]


def test_instances_add_up_and_delays_take_the_worst() -> None:
    """CPU of two instances is a sum, their lag the larger."""
    lag = next(kind for kind in KINDS if kind.name == "lag")
    views = [
        _view(n, [Sample(at=1000, cpu_percent=10.0 + n, loop_lag_p95_ms=5.0 * n)]) for n in (0, 1)
    ]
    series = Series(views, KINDS, 5.0, 1)
    assert series.values(CPU) == [21.0]
    assert series.values(lag) == [5.0]
    assert current(CPU, views) == 21.0


def test_what_nobody_measured_is_a_hole() -> None:
    """Unknown stays unknown, in steps and in the newest value."""
    view = _view(0, [Sample(at=1000), Sample(at=1010, cpu_percent=1.0), Sample(at=1020)])
    series = Series([view], KINDS, 5.0, 5)
    assert series.values(CPU) == [None, None, 1.0, None, None]
    assert current(CPU, [view]) is None
    assert not probed([view])
    assert "heap" not in {kind.name for kind in listed(KINDS, [view])}


def test_requests_add_up_and_latencies_take_the_worst() -> None:
    """Two instances answer the sum of their requests; without a server no line speaks of any."""
    kinds = {kind.name: kind for kind in KINDS}
    views = [
        _view(n, [Sample(at=1000, http_rps=10.0 + n, http_p95_ms=5.0 * n, http_in_flight=n)])
        for n in (1, 2)
    ]
    told = {name: kind.text(current(kind, views)) for name, kind in kinds.items()}

    assert (told["http"], told["http open"], told["latency"]) == ("23/s", "3", "10ms")
    assert {"http", "latency"} <= {kind.name for kind in listed(KINDS, views)}
    assert not {"http", "latency"} & {k.name for k in listed(KINDS, [_view(0, [Sample(at=1)])])}


@given(
    st.lists(st.floats(min_value=0, max_value=1000), min_size=1, max_size=200), st.integers(1, 20)
)
def test_counting_as_samples_come_is_the_same_as_counting_all(
    values: list[float], cut: int
) -> None:
    """It does not matter whether samples were there before or came one after another."""
    samples = [Sample(at=1000.0 + at, cpu_percent=value) for at, value in enumerate(values)]
    whole = Series([_view(0, samples)], KINDS, 5.0, 12)
    view = _view(0, samples[:cut])
    grown = Series([view], KINDS, 5.0, 12)
    for sample in samples[cut:]:
        view.history.append(sample)
        grown.take()
    assert grown.values(CPU) == whole.values(CPU)


STEPS = st.lists(st.none() | st.floats(min_value=0, max_value=1e12), max_size=100)


@given(STEPS, STEPS, st.integers(0, 60), st.integers(0, 12), st.sampled_from([Glyphs(), ASCII]))
def test_curves_fit_their_place(
    front: list[float | None], back: list[float | None], width: int, height: int, glyphs: Glyphs
) -> None:
    """Whatever the numbers, a curve has exactly its width and height."""
    high = plot.ceiling([*front, *back])
    rows = plot.area(front, back, (width, height), high, glyphs)
    assert all(sum(len(text) for text, _ in row) == width for row in rows)
    assert len(rows) in {0, height}
    assert len(plot.bars(front, width, high, glyphs)) in {0, width}
    if not glyphs.braille:
        assert all(text.isascii() for row in rows for text, _ in row)


@given(STEPS.filter(lambda steps: any(step is not None for step in steps)))
def test_no_value_is_above_the_ceiling(steps: list[float | None]) -> None:
    """The scale is a round number that holds every value, also in powers of 1024."""
    highest = max(step for step in steps if step is not None)
    assert plot.ceiling(steps) >= highest
    assert plot.ceiling(steps, binary=True) >= highest
    assert plot.ceiling(steps) <= max(10 * highest, 1.0)


def test_a_small_value_is_still_seen() -> None:
    """One percent of the scale shows a bar, nothing measured shows none."""
    assert plot.bars([1.0, None, 0.0], 3, 100.0, Glyphs()) == "▁ ▁"
