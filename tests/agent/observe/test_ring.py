"""An hour of samples in little memory."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.observe.ring import Ring
from monit_agent.wire.messages import Sample

MAYBE = st.none() | st.integers(0, 2**22)
SAMPLES = st.lists(
    st.builds(
        Sample,
        at=st.integers(0, 10**9).map(float),
        pid=MAYBE, threads=MAYBE, fds=MAYBE, children=MAYBE, ppid=MAYBE,
        rss_bytes=st.none() | st.integers(0, 2**50),
        heap_size_bytes=st.none() | st.integers(0, 2**50),
        cpu_percent=st.none() | st.integers(0, 6400).map(lambda n: n / 4),
    )
)  # fmt: skip


@given(SAMPLES, st.integers(1, 7))
def test_the_newest_samples_come_back_in_order(samples: list[Sample], capacity: int) -> None:
    """A ring gives the last samples, oldest first, every value as it was put in."""
    ring = Ring(capacity)

    for sample in samples:
        ring.append(sample)

    assert ring.since(0.0) == tuple(samples[-capacity:])
    assert len(ring) == min(len(samples), capacity)


def test_only_samples_of_the_asked_time_come() -> None:
    """Who asks for the last minute gets no more than that."""
    ring = Ring(100)
    for at in range(50):
        ring.append(Sample(at=float(at)))

    assert [sample.at for sample in ring.since(47.0)] == [47.0, 48.0, 49.0]
