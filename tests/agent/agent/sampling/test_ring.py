"""An hour of samples in little memory."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.sampling.ring import Ring, RoomForMetrics
from monit_agent.wire.messages import (
    HeapFigures,
    Metric,
    MetricsPart,
    OwnHistory,
    Sample,
    TreeFigures,
)
from support.samples import samples_of

MAYBE = st.none() | st.integers(0, 2**22)
SAMPLES = st.lists(
    st.builds(
        Sample,
        at=st.integers(0, 10**9).map(float),
        pid=MAYBE, ppid=MAYBE,
        tree=st.builds(
            TreeFigures,
            threads=MAYBE, fds=MAYBE, children=MAYBE,
            rss_bytes=st.none() | st.integers(0, 2**50),
            cpu_percent=st.none() | st.integers(0, 6400).map(lambda n: n / 4),
        ),
        heap=st.none() | st.builds(HeapFigures, size_bytes=st.integers(0, 2**50)),
    )
)  # fmt: skip


def _samples(ring: Ring, since: float) -> list[Sample]:
    past = ring.since(since)
    return samples_of(MetricsPart(instance=0, at=past.at, figures=past.figures))


@given(SAMPLES, st.integers(1, 7))
def test_the_newest_samples_come_back_in_order(samples: list[Sample], capacity: int) -> None:
    """A ring gives the last samples, oldest first, every value as it was put in."""
    ring = Ring(capacity)

    for sample in samples:
        ring.append(sample)

    assert _samples(ring, 0.0) == samples[-capacity:]
    assert len(ring) == min(len(samples), capacity)


def test_only_samples_of_the_requested_time_come() -> None:
    """Who asks for the last minute gets no more than that."""
    ring = Ring(100)
    for at in range(50):
        ring.append(Sample(at=float(at)))

    assert ring.since(47.0).at == (47.0, 48.0, 49.0)


def _own(at: int, **values: float | None) -> Sample:
    metrics = {name: Metric(value=value, unit="jobs") for name, value in values.items()}
    return Sample(at=float(at), metrics=metrics)


def test_own_metrics_have_a_past_of_their_own() -> None:
    """Each sample's value comes back, unknown where it was not reported; the samples carry none."""
    ring = Ring(4)
    for at in range(1, 7):
        ring.append(_own(at, queue=at) if at != 5 else _own(at))
    ring.append(Sample(at=7.0, metrics={"hits": Metric(value=9, kind="counter", rate=2.5)}))

    past = ring.since(0.0).own
    assert past["queue"] == OwnHistory(unit="jobs", values=(4.0, None, 6.0, None))
    assert past["hits"] == OwnHistory(kind="counter", values=(None, None, None, 2.5))
    assert all(not sample.metrics for sample in _samples(ring, 0.0))
    assert ring.since(7.0).own.keys() == {"hits"}


def test_own_metrics_share_the_room_and_leave_it_when_they_are_gone() -> None:
    """What finds no room has no past; one that was not reported for a minute makes room."""
    room = RoomForMetrics(2)
    first, second = Ring(200, room), Ring(200, room)
    first.append(_own(1, a=1, b=1))
    second.append(_own(1, c=1))
    assert (sorted(first.since(0).own), sorted(second.since(0).own)) == (["a", "b"], [])
    first.append(_own(100, b=2, d=3))
    assert sorted(first.since(0).own) == ["b", "d"]
    first.clear()
    second.append(_own(101, c=5))

    assert second.since(0).own["c"].values == (None, 5.0)
    assert room.columns == 1
