"""How what agents say becomes what a client knows: pure folding into an `AppView`.

Times called ``now`` are monotonic seconds and come with the calls. A snapshot says how far
it reaches (``event_seq``); events up to there are in it already and are ignored, so that
whoever subscribes first and asks for the snapshot second misses nothing.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.limits import STALE_S
from monit_agent.wire.messages import (
    AppChanged,
    AppSnapshot,
    Bye,
    Event,
    Happened,
    InstanceChanged,
    InstanceGone,
    InstanceRecord,
    LogEnd,
    MetricsPart,
    Sample,
    Stream,
)

Outcome = Literal["applied", "ignored", "needs_snapshot", "bye"]
"""``needs_snapshot``: something was missed, or another agent speaks: ask for everything anew.
``bye``: the app was deleted and leaves the fleet."""


def apply_snapshot(app: AppView, snapshot: AppSnapshot, now: float) -> None:
    """Make ``app`` what the snapshot says; the samples collected so far are kept."""
    app.record = snapshot.app
    app.roll = snapshot.roll
    app.epoch = snapshot.epoch
    app.event_seq = snapshot.event_seq
    app.agent_pid = snapshot.agent_pid
    app.agent_version = snapshot.agent_version
    app.keeper_alive = snapshot.keeper_alive
    app.logs = {(end.instance, end.stream): end for end in snapshot.logs}
    app.happenings.clear()
    app.happenings.extend(snapshot.happenings)
    set_instances(app, snapshot.instances)
    for number, sample in snapshot.samples.items():
        view = app.instances.get(number)
        if view is not None:
            _add_sample(view, sample)
    hear(app, now)


def set_instances(app: AppView, records: Iterable[InstanceRecord]) -> None:
    """Make the slots of ``app`` exactly these, in order of their numbers."""
    before = app.instances
    app.instances = {}
    for record in sorted(records, key=lambda one: one.instance):
        view = before.get(record.instance) or InstanceView(app.name, record)
        view.record = record
        app.instances[record.instance] = view


def apply_event(app: AppView, epoch: int, seq: int, event: Event, now: float) -> Outcome:
    """Fold one event; ``epoch`` and ``seq`` are those of its header."""
    hear(app, now)
    if app.epoch != epoch:
        return "needs_snapshot"
    if seq <= app.event_seq:
        return "ignored"
    if seq > app.event_seq + 1:
        return "needs_snapshot"
    app.event_seq = seq
    return _change(app, event)


def _change(app: AppView, event: Event) -> Outcome:
    match event:
        case AppChanged():
            app.record = event.app
            app.roll = event.roll
            # an agent that lost its keeper says so by a record without one
            app.keeper_alive = event.app.keeper_pid is not None
        case InstanceChanged():
            _change_instance(app, event.instance)
        case InstanceGone():
            app.instances.pop(event.instance, None)
            app.logs = {key: end for key, end in app.logs.items() if key[0] != event.instance}
        case Happened():
            app.happenings.append(event.happening)
        case Bye():
            return "bye"
    return "applied"


def _change_instance(app: AppView, record: InstanceRecord) -> None:
    view = app.instances.get(record.instance)
    if view is not None:
        view.record = record
        return
    others = [each.record for each in app.instances.values()]
    set_instances(app, [*others, record])


def apply_sample(app: AppView, epoch: int, instance: int, sample: Sample, now: float) -> Outcome:
    """Fold one sample; one of a slot that is not known (any more) is ignored."""
    hear(app, now)
    if app.epoch != epoch:
        return "needs_snapshot"
    view = app.instances.get(instance)
    if view is None:
        return "ignored"
    _add_sample(view, sample)
    return "applied"


def apply_beat(app: AppView, epoch: int, event_seq: int, now: float) -> Outcome:
    """Take note that the agent lives and that its events have come to ``event_seq``.

    An event that was missed with none after it shows here.
    """
    hear(app, now)
    missed = app.epoch != epoch or event_seq > app.event_seq
    return "needs_snapshot" if missed else "applied"


def extend_log(app: AppView, instance: int, stream: Stream, end: int) -> None:
    """Take note that a stream reaches to logical offset ``end``."""
    known = app.logs.get((instance, stream))
    if known is None:
        app.logs[instance, stream] = LogEnd(instance=instance, stream=stream, begin=0, end=end)
    elif end > known.end:
        app.logs[instance, stream] = LogEnd(
            instance=instance,
            stream=stream,
            begin=known.begin,
            end=end,
            lost_bytes=known.lost_bytes,
        )


def merge_history(view: InstanceView, part: MetricsPart) -> None:
    """Put what an agent remembers among what came since; one sample a moment is kept."""
    merged = {sample.at: sample for sample in part.samples}
    view.own.merge([sample.at for sample in part.samples], part.own)
    merged.update((sample.at, sample) for sample in view.history)
    view.history.clear()
    view.history.extend(merged[at] for at in sorted(merged))
    if view.sample is None and view.history:
        view.sample = view.history[-1]


def _add_sample(view: InstanceView, sample: Sample) -> None:
    view.sample = sample
    if not view.history or sample.at > view.history[-1].at:
        # an hour of process trees and metrics would take a hundred times the memory of the rest
        bare = sample.metrics or sample.processes
        view.history.append(replace(sample, metrics={}, processes=()) if bare else sample)
        view.own.add(sample.at, sample.metrics)


def hear(app: AppView, now: float) -> bool:
    """Take note that the agent spoke; True when that changed the link."""
    changed = app.link != "live"
    app.heard_at = now
    app.link = "live"
    if changed:
        app.problem = None
    return changed


def mark_silence(app: AppView, now: float) -> bool:
    """Turn a live app stale when its agent was silent for `STALE_S`; True if it did."""
    if app.link != "live" or app.heard_at is None or now - app.heard_at < STALE_S:
        return False
    app.link = "stale"
    app.problem = (
        f"{app.name}: its agent has gone silent and what is shown may be old; "
        "a keeper starts a dead agent again by itself"
    )
    return True


def mark_bad(app: AppView, why: str) -> None:
    """Count a message that could not be read; the rest of the app goes on."""
    app.bad_messages += 1
    app.problem = (
        f"{app.name}: cannot read what its agent says ({app.bad_messages} messages so far, "
        f"the last: {why}); was it started by another version of monit?"
    )
