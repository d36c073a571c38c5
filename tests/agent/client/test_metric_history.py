"""What a client remembers of an app's own metrics."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client import fold
from monit_agent.client.metric_history import MetricHistory
from monit_agent.client.view import InstanceView
from monit_agent.wire.ids import local_app
from monit_agent.wire.limits import METRICS, RING_S
from monit_agent.wire.messages import InstanceRecord, Metric, MetricsPart, OwnHistory


def _gauge(value: float | None) -> dict[str, Metric]:
    return {"queue": Metric(value=value)}


@given(st.lists(st.none() | st.integers(-1000, 1000), max_size=30))
def test_every_value_comes_back_at_its_moment(values: list[int | None]) -> None:
    """What was reported at a moment is found there, and nothing between moments."""
    past = MetricHistory()
    for at, value in enumerate(values):
        past.add(float(at), _gauge(value))

    assert [past.value("queue", float(at)) for at in range(len(values))] == values
    assert past.value("queue", 0.5) is None
    assert past.value("other", 0.0) is None


def test_what_the_agent_remembers_goes_before_what_came_since() -> None:
    """Merged, the past of both is there; what was received counts where both know."""
    past = MetricHistory()
    past.add(3.0, _gauge(30))
    past.add(4.0, {**_gauge(40), "hits": Metric(value=9, kind="counter", rate=0.5)})
    past.merge([1.0, 2.0, 3.0], {
        "queue": OwnHistory(values=(10.0, None, 99.0)), "old": OwnHistory(values=(1.0, 2.0, 3.0)),
    })  # fmt: skip

    assert [past.value("queue", at) for at in (1.0, 2.0, 3.0, 4.0)] == [10, None, 30, 40]
    assert [past.value("old", at) for at in (2.0, 4.0)] == [2, None]
    assert past.value("hits", 4.0) == 0.5


def test_no_flood_of_names_or_moments_grows_without_end() -> None:
    """Names that change all the time find no room beyond the limit; an old moment is dropped."""
    past = MetricHistory()
    for at in range(RING_S * 2):
        past.add(float(at), {f"name {at // 700}": Metric(value=at)})
    assert past.value("name 0", 0.0) is None
    assert past.value("name 10", RING_S * 2 - 1.0) == RING_S * 2 - 1
    crowd = MetricHistory()
    for at in range(3 * METRICS):
        crowd.add(float(at), {f"name {at}": Metric(value=at)})
    known = [at for at in range(3 * METRICS) if crowd.value(f"name {at}", float(at)) is not None]
    assert len(known) == METRICS


def test_answers_that_do_not_fit_hurt_nobody() -> None:
    """An agent of another version may send too few values, or ones that no column holds."""
    past = MetricHistory()
    past.merge(
        [1.0, 2.0], {"short": OwnHistory(values=(5.0,)), "huge": OwnHistory(values=(1e300,))}
    )
    assert (past.value("short", 1.0), past.value("short", 2.0)) == (5, None)
    assert past.value("huge", 1.0) is None


def test_samples_of_the_past_do_not_hold_the_metrics_again() -> None:
    """The newest sample has them, the history has them in columns only."""
    record = InstanceRecord(instance=0, id=0, status="online", desired="running", ready=True)
    view = InstanceView(local_app("web"), record)
    fold.merge_history(view, MetricsPart(
        instance=0, at=(1.0,), own={"queue": OwnHistory(values=(7.0,))},
    ))  # fmt: skip

    assert view.own.value("queue", 1.0) == 7
    assert [sample.metrics for sample in view.history] == [{}]
