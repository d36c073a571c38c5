"""Rules of alerts as a user writes them."""

import pytest

from monit_agent.agent.alerts.rules import DEFAULTS, DISK
from monit_agent.wire.alertrules import (
    DEFAULT_RULES,
    BadRuleError,
    MetricRule,
    read_named_rule,
    read_rule,
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("rss_bytes > 500M for 2m", MetricRule("rss_bytes", True, 500 * 1024**2, 120.0)),
        ("http_p95_ms>500", MetricRule("http_p95_ms", True, 500.0, 60.0)),
        ("loop_lag_p99_ms > 2s for 0", MetricRule("loop_lag_p99_ms", True, 2000.0, 0.0)),
        ("  http_rps  <  0.5  for  90s ", MetricRule("http_rps", False, 0.5, 90.0)),
        ("max_memory_percent > 95%", MetricRule("max_memory_percent", True, 95.0, 60.0)),
        ("metrics.queue length > 10", MetricRule("metrics.queue length", True, 10.0, 60.0)),
        ("metrics.balance < -3 for 1h", MetricRule("metrics.balance", False, -3.0, 3600.0)),
        ("stuck_s > 30s", MetricRule("stuck_s", True, 30.0, 60.0)),
        ("off", None),
    ],
)
def test_a_rule_is_read(text: str, rule: MetricRule | None) -> None:
    """Metric, direction, number with its unit, and hold."""
    assert read_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http_p95 > 5", "did you mean 'http_p95_ms'?"),
        ("requests > 5", "one of the app's own is written metrics.requests"),
        ("rss_bytes = 5", "write METRIC > NUMBER"),
        ("rss_bytes > lots", "'lots' is not a number that rss_bytes can have"),
        ("cpu_percent > 5M", "is not a number"),
        ("rss_bytes > 1M for 60", "is not a duration"),
        ("rss_bytes > 1M for 2d", "longer than a day"),
        ("rss_bytes > 1M for 1m or so", "is not a rule"),
        ("", "is not a rule"),
        ("metrics. > 3", "there is no metric"),
        ("rss_bytes > nan", "is not a number"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_to_write(text: str, why: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(BadRuleError) as error:
        read_rule(text)
    assert why in str(error.value)


@pytest.mark.parametrize("text", ["rss_bytes > 5", "=off", "a b=off", "x" * 41 + "=off"])
def test_a_rule_has_a_plain_name(text: str) -> None:
    """A name is a word of at most 40 characters."""
    with pytest.raises(BadRuleError):
        read_named_rule(text)


@pytest.mark.parametrize(
    ("rule", "back"),
    [
        (MetricRule("a", True, 250.0), 200.0),
        (MetricRule("a", True, 0.0), 0.0),
        (MetricRule("a", True, -10.0), -12.0),
        (MetricRule("a", False, 8.0), 10.0),
        (MetricRule("a", False, -8.0), -6.0),
    ],
)
def test_the_number_at_which_it_is_over_is_derived(rule: MetricRule, back: float) -> None:
    """It is on the good side of the threshold, never on the bad one."""
    assert rule.back == pytest.approx(back)
    assert rule.back <= rule.threshold if rule.above else rule.back >= rule.threshold


def test_the_names_of_the_default_rules_are_those_that_the_agent_has() -> None:
    """What can be switched off is what is on."""
    assert tuple(rule.name for rule in (*DEFAULTS, DISK)) == DEFAULT_RULES
    assert len(DEFAULT_RULES) == 9
