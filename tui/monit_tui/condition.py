"""The one thing about a row that matters most, as a glyph, a word and a tone. Pure."""

from typing import Literal, NamedTuple

from monit_agent.client.replacing import step_of
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.limits import STUCK_SHOWN_S
from monit_agent.wire.messages import InstanceRecord, Roll, Status
from monit_tui.format import milliseconds, span
from monit_tui.theme import Tone

GlyphName = Literal["online", "stopped", "busy", "warn", "error", "unknown", "waiting"]

LOOPING = 3
"""Workers that ended unasked within a minute which make a crash loop: a single crash that
autorestart mends is not one, and a worker that dies every 15 s is."""

NEAR_LIMIT = 0.9
"""Part of ``max_memory_restart`` from which the row warns."""

BLOCKED_MS = 1000.0
"""An event loop that stood still this long within the last second is blocked."""


class Now(NamedTuple):
    """One moment on both clocks, in seconds."""

    wall: float
    monotonic: float


class Condition(NamedTuple):
    """What a row's state column says. ``severity``: higher is worse, 0 is as it should be."""

    glyph: GlyphName
    word: str
    tone: Tone
    severity: int


_PLAIN: dict[Status, Condition] = {
    "online": Condition("online", "online", "good", 0),
    "starting": Condition("busy", "starting", "busy", 2),
    "draining": Condition("busy", "draining", "busy", 2),
    "stopping": Condition("busy", "stopping", "busy", 2),
    "stopped": Condition("stopped", "stopped", "muted", 1),
    "backoff": Condition("waiting", "backoff", "warn", 6),
    "errored": Condition("error", "errored", "bad", 9),
}


def instance_condition(app: AppView, view: InstanceView, now: Now) -> Condition:
    """Give the worst that is true of an instance."""
    return link_condition(app, now) or _worker_condition(app, view, now)


def _worker_condition(app: AppView, view: InstanceView, now: Now) -> Condition:
    record = view.record
    crashes = view.restarts_within(60.0, now.wall)
    if record.status == "errored":
        return _PLAIN["errored"]
    if crashes >= LOOPING and record.wanted == "running":
        return Condition("warn", f"crash {crashes}/m", "bad", 8)
    if record.status == "backoff":
        return _backoff(view, now)
    if record.status != "online":
        return _PLAIN[record.status]
    return _replaced(app.roll, record) or _idle(view) or _strained(app, view) or _PLAIN["online"]


def app_condition(app: AppView, now: Now) -> Condition:
    """Give the worst of an app's instances, and how many are online."""
    lost = link_condition(app, now)
    if lost is not None:
        return lost
    total = len(app.instances)
    if app.roll is not None:
        return _rolling(app.roll)
    each = [instance_condition(app, view, now) for view in app.instances.values()]
    worst = max(each, key=lambda one: one.severity, default=_PLAIN["stopped"])
    online = sum(view.record.status == "online" for view in app.instances.values())
    word = f"{online}/{total} online" if total < 10 else f"{online}/{total} up"
    if worst.severity == 0:
        return Condition("online", word, "good", 0)
    if online == 0 and worst.severity == 1:
        return _PLAIN["stopped"]
    return worst._replace(word=word)


def link_condition(app: AppView, now: Now) -> Condition | None:
    """Give how the app is out of reach, with the age of what is shown; None when it is live."""
    if app.link == "live":
        return None
    if app.link == "connecting":
        return Condition("unknown", "connecting", "muted", 3)
    if app.link == "gone":
        return Condition("unknown", "not running", "muted", 3)
    age = app.age_s(now.monotonic)
    return Condition("unknown", "stale" if age is None else f"stale {span(age)}", "warn", 7)


def _backoff(view: InstanceView, now: Now) -> Condition:
    due = view.record.next_start_at
    if due is None:
        return _PLAIN["backoff"]
    left = span(max(0.0, due - now.wall + 0.5))  # half a second on: rounded, not cut
    return _PLAIN["backoff"]._replace(word=f"backoff {left}")


def _rolling(roll: Roll) -> Condition:
    total = len(roll.done) + len(roll.waiting) + len(roll.current) + len(roll.broken)
    if roll.cancelled:
        return Condition("warn", "cancelled", "warn", 4)
    if roll.failed:
        return Condition("error", "bad reload", "bad", 5)
    return Condition("busy", f"reload {len(roll.done)}/{total}", "busy", 2)


def _replaced(roll: Roll | None, record: InstanceRecord) -> Condition | None:
    """Give how far the replacement of an online instance is, or that it failed."""
    step = step_of(record)
    if step is not None:
        return Condition("busy", step.short, "busy", 2)
    if roll is not None and record.instance in roll.current:
        return Condition("busy", "reloading", "busy", 2)
    if roll is not None and record.instance in dict(roll.broken):
        return Condition("error", "old stays", "bad", 5)
    return None


def _idle(view: InstanceView) -> Condition | None:
    """Give why a worker that is online does no work."""
    sample = view.sample
    if sample is None or sample.pid != view.record.pid:
        return None
    if sample.stuck_s is not None and sample.stuck_s >= STUCK_SHOWN_S:
        return Condition("warn", f"stuck {span(sample.stuck_s)}", "bad", 7)
    if sample.health is not None and sample.health.ok is False:
        return Condition("warn", "unhealthy", "bad", 7)
    return None


def _strained(app: AppView, view: InstanceView) -> Condition | None:
    sample = view.sample
    limit = app.record.limits.max_memory_bytes if app.record else None
    if sample is None:
        return None
    if limit and sample.rss_bytes is not None and sample.rss_bytes >= limit * NEAR_LIMIT:
        return Condition("warn", f"mem {sample.rss_bytes * 100 // limit}%", "warn", 4)
    lag = sample.loop_lag_max_ms
    if lag is not None and lag >= BLOCKED_MS:
        return Condition("warn", f"stuck {milliseconds(lag)}", "warn", 4)
    return None
