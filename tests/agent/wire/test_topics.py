"""Topics name what they are built from, and prefixes select exactly what they should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.wire import topics

APPS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(APPS, st.integers(0, 9999), st.sampled_from(["out", "err"]))
def test_a_log_topic_is_taken_apart_again(app: str, instance: int, stream: str) -> None:
    """App names may hold dots and digits: the topic still says which is which."""
    assert topics.parse_log(topics.log(app, instance, stream)) == (app, instance, stream)


@given(APPS, st.integers(0, 9999))
def test_a_metrics_topic_is_taken_apart_again(app: str, instance: int) -> None:
    """The same for samples."""
    assert topics.parse_metrics(topics.metrics(app, instance)) == (app, instance)


@given(APPS, APPS, st.integers(0, 99), st.integers(0, 99))
def test_a_prefix_selects_only_its_instance(a: str, b: str, m: int, n: int) -> None:
    """Subscribing to ``web/1`` brings nothing of ``web/10`` or ``web1``."""
    brings = topics.log(b, n, "out").startswith(topics.instance_logs(a, m))

    assert brings == ((a, m) == (b, n))


@pytest.mark.parametrize("raw", [b"", b"log", b"log.web", b"log.web.x.out", b"log..1.out", b"\xff"])
def test_what_is_no_log_topic_is_a_value_error(raw: bytes) -> None:
    """A foreign topic is refused, not misread."""
    with pytest.raises(ValueError):  # noqa: PT011 (its subclasses are equally good)
        topics.parse_log(raw)


@pytest.mark.parametrize("raw", [b"", b"metrics", b"metrics.1", b"metrics.web.x", b"log.web.1"])
def test_what_is_no_metrics_topic_is_a_value_error(raw: bytes) -> None:
    """A foreign topic is refused, not misread."""
    with pytest.raises(ValueError):  # noqa: PT011
        topics.parse_metrics(raw)
