"""Rules of alerts as a user writes them: read here, for config files and for the agent. Pure.

``METRIC > NUMBER [for TIME]`` or ``METRIC < NUMBER [for TIME]``, or ``off``. The number at which an
alert is cleared is derived from the one that is written: people who write both swap them.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from monit_agent.wire.metrics import FIGURES, WITHOUT_HISTORY
from monit_agent.wire.quantities import bytes_of, seconds_of

HOLD_S = 60.0
"""How long a value must be beyond the threshold where the rule does not say it, and how long it
must be back before the alert is cleared."""

HOLD_MAX_S = 86400.0

BACK = 0.8
"""A value is back when it has this part of the threshold: 200 for 250. Below a threshold it is the
other way round: 10 for 8."""

DERIVED = {
    "max_memory_percent": "memory, of what max-memory allows",
    "http_error_percent": "HTTP requests answered with a status of 500 and above, in a minute",
}
"""What only rules know, besides the figures of ``wire/metrics.py``."""

OWN = "metrics."
"""Stands before the name of one of the app's own metrics."""

DEFAULT_RULES = (
    "errored", "crash-loop", "out-of-memory", "unhealthy", "stuck", "loop-lag", "memory",
    "http-errors", "disk",
)  # fmt: skip
"""The rules that are on where a user writes nothing; what they are is in ``agent/alerts``."""

RULES = 50
"""Rules of one app: each is read once a second for each instance."""

_NOT_NUMBERS = {"pid", "ppid", "user", "revision", "heap_src", "loop_type", "loop_pid"}
METRICS = (*(name for name in (*FIGURES, *WITHOUT_HISTORY) if name not in _NOT_NUMBERS), *DERIVED)
"""What a rule may be about, besides the app's own metrics."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_RULE = re.compile(r"(\S.*?)\s*([<>])\s*(\S+?)(?:\s+for\s+(\S+))?")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_FORM = "write METRIC > NUMBER for TIME, such as 'rss_bytes > 500M for 2m', or off"


class BadRuleError(ValueError):
    """The text is no rule; the message says why and what to write."""


class MetricRule(NamedTuple):
    """A rule about one metric."""

    metric: str
    """A name of `METRICS`, or that of one of the app's own after `OWN`."""
    above: bool
    """Whether the alert fires above the threshold; else below it."""
    threshold: float
    hold_s: float = HOLD_S

    @property
    def back(self) -> float:
        """Return where the value is back: nearer to what is good than the threshold by a fifth."""
        part = 1.0 - BACK if self.above else 1.0 / BACK - 1.0
        return self.threshold + (-part if self.above else part) * abs(self.threshold)


def read_rule(text: str) -> MetricRule | None:
    """Return the rule; None for ``off``. Raise `BadRuleError`."""
    plain = " ".join(text.split())
    if plain.lower() == "off":
        return None
    found = _RULE.fullmatch(plain)
    if found is None:
        raise BadRuleError(f"{text!r} is not a rule; {_FORM}")
    metric, sign, number, hold = found.groups()
    _check_metric(metric)
    return MetricRule(metric, sign == ">", _number(number, metric), _hold(hold))


def read_named_rule(text: str) -> tuple[str, MetricRule | None]:
    """Return name and rule of ``NAME=RULE``, the form of flags and of the spec."""
    name, equals, rule = text.partition("=")
    if not equals:
        raise BadRuleError(f"{text!r} is not NAME=RULE; write 'slow=http_p95_ms > 500 for 1m'")
    check_rule_name(name.strip())
    return name.strip(), read_rule(rule)


def check_rule_name(name: str) -> None:
    """Raise `BadRuleError` for what cannot name a rule."""
    if not _NAME.fullmatch(name):
        raise BadRuleError(
            f"{name!r} cannot name a rule; use letters, digits, '-' and '_', at most 40"
        )


def hint_for_off(name: str) -> str | None:
    """Return what is wrong with switching off the rule ``name``; None where that is possible."""
    if name in DEFAULT_RULES:
        return None
    near = _nearest(name, DEFAULT_RULES)
    hint = f"; did you mean {near!r}?" if near else f"; there are {', '.join(DEFAULT_RULES)}"
    return f"there is no rule {name!r} to switch off{hint}"


def _check_metric(metric: str) -> None:
    if metric in METRICS or (metric.startswith(OWN) and metric != OWN):
        return
    near = _nearest(metric.replace("-", "_"), METRICS)
    text = f"there is no metric {metric!r}; one of the app's own is written {OWN}{metric}"
    raise BadRuleError(text + (f"; did you mean {near!r}?" if near else ""))


def _nearest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 (0.2 MB, and names are seldom misspelt)

    return next(iter(get_close_matches(name, [*known], n=1, cutoff=0.6)), None)


def _number(text: str, metric: str) -> float:
    """Return a threshold in the unit of the metric: ``500M``, ``2s``, ``90%`` or a plain number."""
    if _NUMBER.fullmatch(text):
        return float(text)
    if metric.endswith("_bytes") and (size := bytes_of(text)) is not None:
        return float(size)
    seconds = seconds_of(text)
    if metric.endswith("_ms") and seconds is not None:
        return seconds * 1000.0
    if metric.endswith("_s") and not metric.endswith("_per_s") and seconds is not None:
        return seconds
    if metric.endswith("_percent") and _NUMBER.fullmatch(text.removesuffix("%")):
        return float(text.removesuffix("%"))
    raise BadRuleError(f"{text!r} is not a number that {metric} can have")


def _hold(text: str | None) -> float:
    if text is None:
        return HOLD_S
    seconds = 0.0 if text == "0" else seconds_of(text)
    if seconds is None:
        raise BadRuleError(f"{text!r} is not a duration; write for example 30s or 5m")
    if seconds > HOLD_MAX_S:
        raise BadRuleError(f"{text!r} is longer than a day")
    return seconds
