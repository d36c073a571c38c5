"""The rules: nine that are on by default, and those of the user. Pure: START HERE TO CHANGE ONE.

State comes before thresholds: a service that gave up or does not answer is a fault, a CPU that
works is none. So there is no rule about CPU, and none about memory without a limit.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from monit_agent.agent.alerts.engine import Hold, Reading
from monit_agent.agent.alerts.facts import Facts, unplanned_exits
from monit_agent.wire.alertrules import (
    HOLD_S,
    OWN,
    RULES,
    BadRuleError,
    MetricRule,
    read_named_rule,
)
from monit_agent.wire.messages import AppRecord
from monit_agent.wire.metrics import drawn, figure

CRASHES, CRASHES_WITHIN_S = 3, 300.0
OUT_OF_MEMORY_S = 600.0
HEALTHY_S = 30.0
STUCK_S, RUNS_S = 5.0, 30.0
LAG_MS, LAG_BACK_MS = 250.0, 200.0
MEMORY_PERCENT, MEMORY_BACK_PERCENT = 90.0, 80.0
FAILED_PERCENT, FAILED_BACK_PERCENT = 5.0, 2.0
FAILED_LEAST = 9.5
"""Ten failed requests; they are counted by rates, whose sum may be a little less."""
FAILED_BACK_S = 120.0
DISK_PERCENT, DISK_BACK_PERCENT = 5.0, 10.0
DISK_BYTES = 200 * 1024 * 1024

Speaks = Literal["always", "settled", "warm"]
"""``always``: also during a reload or a deploy. ``settled``: not then, and not in the time after
it. ``warm``: nor while the worker is younger than that time."""


class Rule(NamedTuple):
    """One rule about instances."""

    name: str
    title: str
    """What its value is, or what is wrong, for people."""
    speaks: Speaks
    hold: Hold
    read: Callable[[Facts], Reading | None]
    unit: str = ""
    """The name of a metric in the same unit; "" where there is no value."""
    threshold: float | None = None
    above: bool = True


class Disk(NamedTuple):
    """The disk that holds the home."""

    free_bytes: int
    size_bytes: int


def _errored(facts: Facts) -> Reading | None:
    record = facts.record
    if record.status == "errored":
        return Reading(1, text=record.reason or "")
    if record.status != "online" or record.started_at is None:
        return None
    return Reading(-1 if facts.wall - record.started_at >= facts.app.policy.min_uptime_s else 0)


def _crash_loop(facts: Facts) -> Reading | None:
    count = unplanned_exits(facts.record, CRASHES_WITHIN_S, facts.wall)
    return Reading(1 if count >= CRASHES else -1 if count == 0 else 0, float(count))


def _out_of_memory(facts: Facts) -> Reading | None:
    at = facts.noted.out_of_memory_at
    if at is None:
        return Reading(-1)
    return Reading(1 if facts.now - at < OUT_OF_MEMORY_S else -1)


def _unhealthy(facts: Facts) -> Reading | None:
    health, why = facts.sample.health, facts.noted.unhealthy
    if health is not None and health.ok:
        return Reading(-1)
    return None if why is None else Reading(1, text=why)


def _stuck(facts: Facts) -> Reading | None:
    seconds = facts.sample.stuck_s
    return None if seconds is None else Reading(1 if seconds > STUCK_S else -1, seconds)


def _loop_lag(facts: Facts) -> Reading | None:
    loop = facts.sample.loop
    lag = None if loop is None else loop.lag_p99_ms
    return _between(lag, LAG_MS, LAG_BACK_MS)


def _memory_percent(facts: Facts) -> float | None:
    limit, used = facts.app.policy.max_memory_bytes, facts.sample.tree.rss_bytes
    return None if not limit or used is None else 100.0 * used / limit


def _memory(facts: Facts) -> Reading | None:
    return _between(_memory_percent(facts), MEMORY_PERCENT, MEMORY_BACK_PERCENT)


def _failed_percent(facts: Facts) -> float | None:
    requests = facts.noted.requests
    return 100.0 * requests.failed / requests.answered if requests.answered > 0.0 else None


def _http_errors(facts: Facts) -> Reading | None:
    reading = _between(_failed_percent(facts), FAILED_PERCENT, FAILED_BACK_PERCENT)
    few = reading is not None and reading.level > 0 and facts.noted.requests.failed < FAILED_LEAST
    return reading._replace(level=0) if reading is not None and few else reading


def read_disk(disk: Disk) -> Reading:
    """Return what the rule ``disk`` finds, which is about the home and not about an instance."""
    percent = 100.0 * disk.free_bytes / disk.size_bytes if disk.size_bytes else 0.0
    if percent < DISK_PERCENT or disk.free_bytes < DISK_BYTES:
        return Reading(1, percent)
    return Reading(-1 if percent >= DISK_BACK_PERCENT else 0, percent)


def _between(value: float | None, threshold: float, back: float) -> Reading | None:
    """Return the reading of a value that is bad above ``threshold``, good below ``back``."""
    if value is None:
        return None
    return Reading(1 if value > threshold else -1 if value < back else 0, value)


def _nothing(_facts: Facts) -> Reading | None:
    return None


_LAG = Hold(60.0, 60.0)
DEFAULTS: tuple[Rule, ...] = (
    Rule("errored", "failed and is not restarted", "always", Hold(), _errored),
    Rule("crash-loop", "unplanned exits within 5 minutes", "always", Hold(), _crash_loop,
         "count", CRASHES - 1),
    Rule("out-of-memory", "killed by the kernel because memory was short", "always", Hold(),
         _out_of_memory),
    Rule("unhealthy", "the health check fails", "settled", Hold(0.0, HEALTHY_S), _unhealthy),
    Rule("stuck", "event loop blocked", "settled", Hold(0.0, RUNS_S), _stuck, "stuck_s", STUCK_S),
    Rule("loop-lag", "event loop lag p99", "warm", _LAG, _loop_lag, "loop_lag_p99_ms", LAG_MS),
    Rule("memory", "memory, of its limit", "warm", _LAG, _memory, "max_memory_percent",
         MEMORY_PERCENT),
    Rule("http-errors", "HTTP requests that failed", "warm", Hold(0.0, FAILED_BACK_S),
         _http_errors, "http_error_percent", FAILED_PERCENT),
)  # fmt: skip

DISK = Rule(
    "disk", "free on the disk of monit's home", "settled", Hold(),
    _nothing, "disk_percent", DISK_PERCENT, above=False,
)  # fmt: skip
"""Its reading is made by `read_disk`."""


class RuleBook:
    """The rules that count for an app."""

    def __init__(self, rules: Iterable[Rule], *, has_disk: bool) -> None:
        self.rules = tuple(rules)
        """Those about instances."""
        self.has_disk = has_disk
        self._by_name = {rule.name: rule for rule in (*self.rules, *([DISK] if has_disk else []))}

    def find(self, name: str) -> Rule | None:
        """Return the rule of that name; None when it does not count any more."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """Return the names of all rules, sorted."""
        return sorted(self._by_name)


def rules_of(app: AppRecord) -> tuple[RuleBook, list[str]]:
    """Return the rules that count for an app, and what cannot be read of the user's: it is of
    another version."""
    own: dict[str, MetricRule | None] = {}
    faults: list[str] = []
    for text in app.alerts.rules[:RULES]:
        try:
            name, rule = read_named_rule(text)
        except BadRuleError as error:
            faults.append(str(error))
        else:
            own[name] = rule
    kept = [
        rule
        for rule in DEFAULTS
        if rule.name not in own
        and (rule.name != "memory" or app.policy.max_memory_bytes)
        and (rule.name != "unhealthy" or app.checks.health_url or app.checks.health_command)
    ]
    added = [_rule_of(name, rule) for name, rule in own.items() if rule is not None]
    return RuleBook((*kept, *added), has_disk=DISK.name not in own), faults


def _rule_of(name: str, rule: MetricRule) -> Rule:
    value = _value_of(rule.metric)

    def read(facts: Facts) -> Reading | None:
        found = value(facts)
        if found is None or not math.isfinite(found):
            return None
        if rule.above:
            level = 1 if found > rule.threshold else -1 if found <= rule.back else 0
        else:
            level = 1 if found < rule.threshold else -1 if found >= rule.back else 0
        return Reading(level, found)

    hold = Hold(rule.hold_s, HOLD_S)
    return Rule(name, rule.metric, "warm", hold, read, rule.metric, rule.threshold, rule.above)


def _value_of(metric: str) -> Callable[[Facts], float | None]:
    if metric == "max_memory_percent":
        return _memory_percent
    if metric == "http_error_percent":
        return _failed_percent
    if not metric.startswith(OWN):
        return lambda facts: figure(facts.sample, metric)
    name = metric.removeprefix(OWN)

    def own(facts: Facts) -> float | None:
        found = facts.sample.metrics.get(name)
        return None if found is None else drawn(found)

    return own
