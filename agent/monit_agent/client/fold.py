"""Fold the messages of an agent into an `AppView`. Pure.

Times called ``now`` are monotonic seconds and are passed by the caller. A snapshot contains every
update up to its ``event_seq``; those are ignored when they arrive. A client that subscribes first
and requests the snapshot second therefore misses nothing.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from monit_agent.client.metric_history import MetricHistory
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.limits import STALE_S
from monit_agent.wire.messages import (
    AlertsChanged,
    AppChanged,
    AppDeleted,
    AppSnapshot,
    EventAdded,
    InstanceChanged,
    InstanceRecord,
    InstanceRemoved,
    LogEnd,
    Sample,
    Stream,
    Update,
)

CLOCK_BACK_S = 2.0
"""A sample that is older than the last one by more is not late: the clock was set back."""

Outcome = Literal["applied", "ignored", "needs_snapshot", "deleted"]
"""``needs_snapshot``: an update was missed or the agent was restarted; request a snapshot.
``deleted``: the app was deleted and must leave the fleet."""


def apply_snapshot(app: AppView, snapshot: AppSnapshot, now: float) -> None:
    """Replace the state of ``app`` by a snapshot; its collected samples are kept."""
    app.record = snapshot.app
    app.rollout = snapshot.rollout
    app.epoch = snapshot.epoch
    app.event_seq = snapshot.event_seq
    app.agent_pid = snapshot.agent_pid
    app.agent_version = snapshot.agent_version
    app.keeper_alive = snapshot.keeper_alive
    app.alerts, app.mutes, app.hooks = snapshot.alerts, snapshot.mutes, snapshot.hooks
    app.logs = {(end.instance, end.stream): end for end in snapshot.logs}
    app.events.clear()
    app.events.extend(snapshot.events)
    app.sample = snapshot.app_sample
    set_instances(app, snapshot.instances)
    for number, sample in snapshot.samples.items():
        view = app.instances.get(number)
        if view is not None:
            _add_sample(view, sample, now)
    mark_heard(app, now)


def set_instances(app: AppView, records: Iterable[InstanceRecord]) -> None:
    """Set the instances of ``app`` to exactly these, sorted by number."""
    before = app.instances
    app.instances = {}
    for record in sorted(records, key=lambda one: one.instance):
        view = before.get(record.instance) or InstanceView(app.id, record)
        view.record = record
        app.instances[record.instance] = view


def apply_update(app: AppView, epoch: int, seq: int, update: Update | None, now: float) -> Outcome:
    """Fold one update; ``epoch`` and ``seq`` are from its header. None is one of a kind that only
    another version knows: it counts, and changes nothing."""
    mark_heard(app, now)
    if app.epoch != epoch:
        return "needs_snapshot"
    if seq <= app.event_seq:
        return "ignored"
    if seq > app.event_seq + 1:
        return "needs_snapshot"
    app.event_seq = seq
    return "applied" if update is None else _apply(app, update)


def _apply(app: AppView, update: Update) -> Outcome:
    match update:
        case AppChanged():
            app.record = update.app
            app.rollout = update.rollout
            # an agent that lost its keeper publishes a record without its pid
            app.keeper_alive = update.app.keeper_pid is not None
        case InstanceChanged():
            _change_instance(app, update.instance)
        case InstanceRemoved():
            app.instances.pop(update.instance, None)
            app.logs = {key: end for key, end in app.logs.items() if key[0] != update.instance}
        case EventAdded():
            app.events.append(update.event)
        case AlertsChanged():
            app.alerts, app.mutes, app.hooks = update.alerts, update.mutes, update.hooks
        case AppDeleted():
            return "deleted"
    return "applied"


def _change_instance(app: AppView, record: InstanceRecord) -> None:
    view = app.instances.get(record.instance)
    if view is not None:
        view.record = record
        return
    others = [each.record for each in app.instances.values()]
    set_instances(app, [*others, record])


def apply_sample(app: AppView, epoch: int, instance: int, sample: Sample, now: float) -> Outcome:
    """Fold one sample; that of an unknown instance is ignored."""
    mark_heard(app, now)
    if app.epoch != epoch:
        return "needs_snapshot"
    view = app.instances.get(instance)
    if view is None:
        return "ignored"
    _add_sample(view, sample, now)
    return "applied"


def apply_app_sample(app: AppView, epoch: int, sample: Sample, now: float) -> Outcome:
    """Fold the figures of the app as a whole."""
    mark_heard(app, now)
    if app.epoch != epoch:
        return "needs_snapshot"
    app.sample = sample
    return "applied"


def apply_beat(app: AppView, epoch: int, event_seq: int, now: float) -> Outcome:
    """Note that the agent is alive and has published updates up to ``event_seq``.

    This detects a missed update that no other one followed.
    """
    mark_heard(app, now)
    missed = app.epoch != epoch or event_seq > app.event_seq
    return "needs_snapshot" if missed else "applied"


def extend_log(app: AppView, instance: int, stream: Stream, end: int) -> None:
    """Note that a stream reaches to logical offset ``end``."""
    log = app.logs.get((instance, stream))
    if log is None:
        app.logs[instance, stream] = LogEnd(instance=instance, stream=stream, begin=0, end=end)
    elif end > log.end:
        app.logs[instance, stream] = replace(log, end=end)


def _add_sample(view: InstanceView, sample: Sample, now: float) -> None:
    if view.sample is None or view.sample.at != sample.at:
        view.read_at = now
    view.sample = sample
    if view.history and sample.at < view.history[-1].at - CLOCK_BACK_S:
        _forget_future(view, sample.at)
    if not view.history or sample.at > view.history[-1].at:
        # an hour of process trees and metrics would take a hundred times the memory of the rest
        bare = sample.metrics or sample.processes
        view.history.append(replace(sample, metrics={}, processes=()) if bare else sample)
        view.own.add(sample.at, sample.metrics)


def _forget_future(view: InstanceView, at: float) -> None:
    """Drop what was sampled before the clock was set back to ``at``, and has a later time: the
    charts would stand still until the clock is there again."""
    while view.history and view.history[-1].at >= at:
        view.history.pop()
    view.own = MetricHistory()


def mark_heard(app: AppView, now: float) -> bool:
    """Note that the agent sent a message; return whether that changed the link."""
    changed = app.link != "live"
    app.heard_at = now
    app.link = "live"
    if changed:
        app.problem = None
    return changed


def mark_silence(app: AppView, now: float) -> bool:
    """Mark a live app stale after `STALE_S` of silence; return whether it was marked."""
    if app.link != "live" or app.heard_at is None or now - app.heard_at < STALE_S:
        return False
    app.link = "stale"
    app.problem = (
        f"{app.name}: its agent is silent and the values shown may be old; "
        "its keeper restarts an agent that exited"
    )
    return True


def count_unreadable(app: AppView, why: str) -> None:
    """Count a message that could not be read; it has no other effect."""
    app.bad_messages += 1
    app.problem = (
        f"{app.name}: cannot read its agent's messages ({app.bad_messages} so far, "
        f"the last: {why}); was it started by another version of monit?"
    )
