"""The state of a row: its worst problem or its status, as glyph, word and tone. Pure."""

from typing import TYPE_CHECKING, Literal, NamedTuple

from monit_agent.client.commands.replacement import step_of
from monit_agent.client.text.format import format_ms, format_uptime
from monit_agent.client.text.manager import manager_warning
from monit_agent.client.text.watch import watch_warning
from monit_agent.client.view import AppView, Fleet, InstanceView
from monit_agent.wire.limits import STUCK_SHOWN_S
from monit_tui.palettes import Tone

if TYPE_CHECKING:
    from monit_agent.wire.messages import AlertRecord, InstanceRecord, Rollout, Status

GlyphName = Literal["online", "stopped", "busy", "warn", "error", "unknown", "waiting"]

LOOPING = 3
"""Unrequested exits within a minute that count as a crash loop: a worker that exits every 15 s
does, a single crash does not."""

TROUBLE = 4
"""The severity from which a row stands above the healthy ones and is counted in the header."""

EXPLAINED = 5
"""The severity from which a row has a second line that says why."""

OLD_S = 3.0
"""From here on, figures of a process tree that is read less often than once a second say their age.
The tree of 2,500 processes is read once a second, that of 10,000 once in four."""

NEAR_LIMIT = 0.9
"""Fraction of ``max_memory_restart`` from which the row shows a warning."""

BLOCKED_MS = 1000.0
"""Longest delay of an event loop within a sample from which the row shows ``stuck``."""


class ClockReading(NamedTuple):
    """The time of both clocks, in seconds."""

    wall: float
    monotonic: float


class Condition(NamedTuple):
    """What a row's state column shows. ``severity``: higher is worse, 0 is healthy, and from
    `TROUBLE` on it is somebody's job."""

    glyph: GlyphName
    word: str
    tone: Tone
    severity: int
    kind: str = ""
    """What the header counts it as, when that is not the word: ``memory`` for ``mem 96%``."""

    is_up: bool = False
    """Whether an instance does its work: online, and not failing again and again."""

    @property
    def counted_as(self) -> str:
        """Return the word under which the header counts it."""
        return self.kind or self.word


_PLAIN: "dict[Status, Condition]" = {
    "online": Condition("online", "online", "good", 0),
    "starting": Condition("busy", "starting", "busy", 2),
    "draining": Condition("busy", "draining", "busy", 2),
    "stopping": Condition("busy", "stopping", "busy", 2),
    "stopped": Condition("stopped", "stopped", "muted", 1),
    "backoff": Condition("waiting", "backoff", "warn", 6),
    "errored": Condition("error", "errored", "bad", 9),
}

DONE = "done"

_DONE = Condition("stopped", DONE, "muted", 1)
"""An app that runs once has finished its work: it is not down."""


def instance_condition(app: AppView, view: InstanceView, now: ClockReading) -> Condition:
    """Return the worst problem of an instance, or its status."""
    lost = link_condition(app, now)
    if lost is not None:
        return lost
    worker, warning = _worker_condition(app, view, now), manager_warning(app)
    keeper = Condition("warn", warning, "warn", 7 if warning else 0, "keeper")
    return max(worker, keeper, key=lambda each: each.severity)


def _worker_condition(app: AppView, view: InstanceView, now: ClockReading) -> Condition:
    record = view.record
    if record.status == "errored":
        return _PLAIN["errored"]
    if is_crashing(app, view, now.wall):
        return Condition("warn", "crashing", "bad", 8)
    if record.status == "backoff":
        return _backoff(view, now)
    if app.is_done(record):
        return _DONE
    if record.status != "online":
        return _PLAIN[record.status]
    return (
        _replaced(app.rollout, record)
        or _idle(view)
        or _alerting(app, record)
        or _strained(app, view)
        or _watched(app, now)
        or _PLAIN["online"]
    )


def is_crashing(app: AppView, view: InstanceView, wall: float) -> bool:
    """Return whether an instance is in a crash loop: it exits again and again now, or its alert
    about that still fires, so that waits between the exits have no name of their own."""
    if view.record.desired != "running":
        return False
    return view.restarts_within(60.0, wall) >= LOOPING or any(
        alert.rule == "crash-loop" for alert in alerts_of(app, view.record.instance)
    )


def stuck_for(view: InstanceView) -> float | None:
    """Return for how many seconds the event loop of an online worker has been blocked; None below
    `STUCK_SHOWN_S`."""
    record, sample = view.record, view.sample
    if record.status != "online" or sample is None or sample.pid != record.pid:
        return None
    seconds = sample.stuck_s
    return None if seconds is None or seconds < STUCK_SHOWN_S else seconds


def app_condition(app: AppView, now: ClockReading) -> Condition:
    """Return the condition of an app: the worst of its instances, and how many are online."""
    lost = link_condition(app, now)
    if lost is not None:
        return lost
    if app.rollout is not None:
        return _rolling(app.rollout)
    each = [instance_condition(app, view, now) for view in app.instances.values()]
    worst = max(each, key=lambda one: one.severity, default=_PLAIN["stopped"])
    online = sum(
        view.record.status == "online" and one.counted_as != "crashing"
        for one, view in zip(each, app.instances.values(), strict=True)
    )
    total = len(each)
    word = f"{online}/{total} online" if total < 10 else f"{online}/{total} up"
    if worst.severity == 0:
        return Condition("online", word, "good", 0)
    if online == 0 and worst.severity == 1:
        return _DONE if all(one.word == DONE for one in each) else _PLAIN["stopped"]
    if worst.severity >= EXPLAINED and total > 1:
        return worst._replace(word=f"{online}/{total} {worst.counted_as}")
    return worst._replace(word=word)


def fleet_conditions(fleet: Fleet, now: ClockReading) -> list[Condition]:
    """Return the conditions of all instances; an app without any counts as one."""
    found: list[Condition] = []
    for app in fleet.apps.values():
        lost = link_condition(app, now)
        if lost is not None:
            found += [lost] * max(1, len(app.instances))
            continue
        for view in app.instances.values():
            one = instance_condition(app, view, now)
            online = view.record.status == "online" and one.counted_as != "crashing"
            found.append(one._replace(is_up=online))
    return found


def link_condition(app: AppView, now: ClockReading) -> Condition | None:
    """Return why the app is out of reach, with the age of its data; None when it is live."""
    if app.link == "live":
        return None
    if app.link == "connecting":
        return Condition("unknown", "connecting", "muted", 3)
    if app.link == "gone" and any(view.record.pid for view in app.instances.values()):
        return Condition("warn", "no keeper", "warn", 7)
    if app.link == "gone":
        return Condition("unknown", "not running", "muted", 3)
    age = app.age_s(now.monotonic)
    text = "stale" if age is None else f"stale {format_uptime(age)}"
    return Condition("unknown", text, "warn", 7, "stale")


def figures_age_s(app: AppView, view: InstanceView, now: ClockReading) -> float | None:
    """Return the age of the figures of an instance's process tree; None while they are new, and for
    an app out of reach, whose condition has an age."""
    sample = view.sample
    if app.link != "live" or sample is None or view.record.pid is None:
        return None
    age = now.monotonic - view.read_at
    return age if age >= OLD_S else None


def age_text(age_s: float) -> str:
    """Return why figures are old."""
    return f"figures {format_uptime(age_s)} old: the process tree is too large for every second"


def _backoff(view: InstanceView, now: ClockReading) -> Condition:
    due = view.record.next_start_at
    if due is None:
        return _PLAIN["backoff"]
    left = format_uptime(max(0.0, due - now.wall + 0.5))  # rounds
    return _PLAIN["backoff"]._replace(word=f"backoff {left}", kind="backoff")


def _rolling(rollout: "Rollout") -> Condition:
    total = len(rollout.done) + len(rollout.waiting) + len(rollout.current) + len(rollout.failures)
    if rollout.cancelled:
        return Condition("warn", "cancelled", "warn", 4)
    if rollout.failed:
        return Condition("error", "bad reload", "bad", 5, "reload failed")
    return Condition("busy", f"reload {len(rollout.done)}/{total}", "busy", 2)


def _replaced(rollout: "Rollout | None", record: "InstanceRecord") -> Condition | None:
    """Return the step of an online instance's replacement, or that it failed."""
    step = step_of(record)
    if step is not None:
        return Condition("busy", step.short, "busy", 2)
    if rollout is not None and record.instance in rollout.current:
        return Condition("busy", "reloading", "busy", 2)
    if rollout is not None and record.instance in dict(rollout.failures):
        return Condition("error", "old stays", "bad", 5, "reload failed")
    return None


def _idle(view: InstanceView) -> Condition | None:
    """Return the problem of an online worker that does no work."""
    sample = view.sample
    if sample is None or sample.pid != view.record.pid:
        return None
    stuck_s = stuck_for(view)
    if stuck_s is not None:
        return Condition("warn", f"stuck {format_uptime(stuck_s)}", "bad", 7, "stuck")
    if sample.health is not None and sample.health.ok is False:
        return Condition("warn", "unhealthy", "bad", 7)
    return None


def _alerting(app: AppView, record: "InstanceRecord") -> Condition | None:
    """Return the rule of the alert that fires for an instance the longest; a muted one is
    nobody's job."""
    alert = next(iter(alerts_of(app, record.instance)), None)
    return None if alert is None else Condition("warn", alert.rule, "warn", EXPLAINED, "alert")


def alerts_of(app: AppView, instance: int) -> "list[AlertRecord]":
    """Return the alerts that fire for an instance or for its whole app, and are not muted."""
    return [
        alert
        for alert in app.alerts
        if alert.instance in (instance, None) and alert.silent != "muted"
    ]


def _watched(app: AppView, now: ClockReading) -> Condition | None:
    """Return that changed files restart the app too often, or cannot be noticed."""
    watch = app.record.watch if app.record else None
    if watch is None or not watch_warning(app.record, now.wall):
        return None
    return Condition(
        "warn", "watch slow" if watch.problem is None else "watch fail", "warn", 4, "watch"
    )


def _strained(app: AppView, view: InstanceView) -> Condition | None:
    sample = view.sample
    limit = app.record.policy.max_memory_bytes if app.record else None
    if sample is None:
        return None
    rss = sample.tree.rss_bytes
    if limit and rss is not None and rss >= limit * NEAR_LIMIT:
        return Condition("warn", f"mem {rss * 100 // limit}%", "warn", 4, "memory")
    lag = sample.loop.lag_max_ms if sample.loop else None
    if lag is not None and lag >= BLOCKED_MS:
        return Condition("warn", f"stuck {format_ms(lag)}", "warn", 4, "stuck")
    return None
