"""What a client remembers of an app's own metrics."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.metric_history import MetricHistory
from monit_agent.wire.limits import METRICS, RING_S
from monit_agent.wire.messages import Metric


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
