"""A reload: instances are replaced, ``parallel`` at a time, and the next when one of them is done.

Where a slot's worker has a shared port, or listens nowhere, the incoming worker starts beside it
(`overlap`). A worker with a port of its own is stopped before the new one starts. Where the program
can reload itself, no worker is replaced (`in_place`). The first failure ends the reload, and so
does a cancel: no further replacement is begun. A cancelled reload stops the incoming workers that
are not their slots' workers yet, and the reload commands. Where the old worker was already sent the
stop signal, nothing can be undone: the replacement is finished, because otherwise the slot would be
empty.
"""

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, RecordEvent
from monit_agent.supervise.appstate import (
    App,
    AppDecision,
    Rollout,
    decide_each,
    find_slot,
    should_run,
)
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import RESTING, AfterStop, DesiredState, Now, Role, Status

_STOPPED_FIRST = "the old worker was stopped first, because each opens its port itself"

NUMBERS_LISTED = 20
"""Instances that a sentence names one by one."""


def reload_in_progress(app: App) -> bool:
    """Return whether a reload has not ended yet."""
    return app.rollout is not None and (app.rollout.failed is None or bool(app.rollout.current))


def incoming_instances(app: App) -> tuple[int, ...]:
    """Return the instances whose new worker, or reload command, would end if the reload were
    cancelled now."""
    return tuple(n for n in app.rollout.current if _can_be_ended(app, n)) if app.rollout else ()


def begin_reload(app: App, event: e.ReloadRequested) -> AppDecision:
    """Accept the request; `continue_reload` carries it out."""
    instances = tuple(n for n in event.instances if should_run(app, n))
    parallel = event.parallel
    manner = "one after another" if parallel == 1 else f"{parallel} at a time"
    text = f"{_counted(len(instances))}, {manner}"
    if event.in_place:
        all_of_them = {*instances} <= {*event.in_place}
        text += ", in place" if all_of_them else f"; in place: {_listed(event.in_place)}"
    started = RecordEvent("reload_started", None, text)
    rollout = Rollout(instances, parallel=parallel, beside=event.beside, in_place=event.in_place)
    return app._replace(rollout=rollout), (started,)


def cancel_reload(app: App, event: e.CancelRequested, spec: AppSpec) -> AppDecision:
    """Stop the incoming workers and begin no further replacement."""
    rollout = app.rollout
    if rollout is None or not reload_in_progress(app):
        return app, ()
    stopping = incoming_instances(app)
    app, actions = decide_each(app, e.EachSlot(stopping, e.ReplaceCancelled(event.now)), spec)
    rollout = rollout._replace(
        waiting=(*stopping, *rollout.waiting),
        current=tuple(n for n in rollout.current if n not in stopping),
    )
    if rollout.failed is None:
        by = f" by {event.by}" if event.by else ""
        rollout = rollout._replace(failed=f"cancelled{by}", cancelled=True)
    app, more = _summarize_failure(app, rollout)
    return app, (*actions, *more)


def continue_reload(app: App, now: Now, spec: AppSpec) -> AppDecision:
    """Take the next steps of the reload, as far as it can go now."""
    actions: list[Action] = []
    while app.rollout is not None and reload_in_progress(app):
        rollout = app.rollout
        step = _finish_one(app, rollout) or _begin_one(app, rollout, now, spec)
        step = step or _succeed(app, rollout)
        if step is None:
            break
        app, more = step
        actions += more
    return app, tuple(actions)


def clear_failed_reload(app: App) -> App:
    """Return the app without a reload that failed: a restart replaced it."""
    return app if reload_in_progress(app) else app._replace(rollout=None)


# ---------------------------------------------------------------- steps


def _finish_one(app: App, rollout: Rollout) -> AppDecision | None:
    """Record the result of one replacement that has ended; None when none has."""
    for instance in rollout.current:
        problem = _replacement_problem(app, instance)
        if problem is None:
            continue
        rollout = rollout._replace(current=tuple(n for n in rollout.current if n != instance))
        slot = find_slot(app, instance)
        if slot is None or slot.removing:
            pass  # scaled away since: nothing to replace
        elif problem:
            failures = (*rollout.failures, (instance, problem))
            rollout = rollout._replace(failures=failures, failed=rollout.failed or problem)
            if slot.reload_output:
                output = (*rollout.output, (instance, slot.reload_output))
                rollout = rollout._replace(output=output)
        else:
            rollout = rollout._replace(done=(*rollout.done, instance))
        return _summarize_failure(app, rollout)
    return None


def _begin_one(app: App, rollout: Rollout, now: Now, spec: AppSpec) -> AppDecision | None:
    if rollout.failed is not None or len(rollout.current) >= rollout.parallel:
        return None
    instance = next((n for n in rollout.waiting if not _is_changing(app, n)), None)
    if instance is None:
        return None
    rollout = rollout._replace(waiting=tuple(n for n in rollout.waiting if n != instance))
    if not should_run(app, instance):
        return app._replace(rollout=rollout), ()  # stopped or scaled away since
    app = app._replace(rollout=rollout._replace(current=(*rollout.current, instance)))
    step = RecordEvent("reload_step", instance, f"{len(rollout.waiting)} waiting")
    replace = e.ReplaceRequested(
        now, beside=instance in rollout.beside, in_place=instance in rollout.in_place
    )
    slot = find_slot(app, instance)
    was_online = slot is not None and slot.status is Status.ONLINE
    app, actions = decide_each(app, e.EachSlot((instance,), replace), spec)
    if was_online:
        app = _note_stopped(app, instance)
    return _without_replaced(app, instance), (step, *actions)


def _note_stopped(app: App, instance: int) -> App:
    """Return the app, which knows now whether a worker that was online is to stop before the new
    one starts."""
    slot, rollout = find_slot(app, instance), app.rollout
    if rollout is None or slot is None or slot.after_stop is not AfterStop.START_AGAIN:
        return app
    stopped = (*rollout.stopped_first, instance)
    return app._replace(rollout=rollout._replace(stopped_first=stopped))


def _without_replaced(app: App, instance: int) -> App:
    """Return the app with an instance that had no worker to reload among those that are
    replaced."""
    slot, rollout = find_slot(app, instance), app.rollout
    if rollout is None or slot is None or slot.in_place is not None:
        return app
    left = tuple(n for n in rollout.in_place if n != instance)
    return app._replace(rollout=rollout._replace(in_place=left))


def _succeed(app: App, rollout: Rollout) -> AppDecision | None:
    if rollout.waiting or rollout.current:
        return None
    in_place = sum(n in rollout.in_place for n in rollout.done)
    texts = [f"{_counted(in_place)} reloaded in place"] if in_place else []
    if len(rollout.done) > in_place or not in_place:
        texts.append(f"{_counted(len(rollout.done) - in_place)} replaced")
    done = RecordEvent("reload_done", None, ", ".join(texts))
    return app._replace(rollout=None), (done,)


def _summarize_failure(app: App, rollout: Rollout) -> AppDecision:
    """Record the failure of a reload once no replacement is in progress any more."""
    if rollout.failed is None or rollout.current:
        return app._replace(rollout=rollout), ()
    reasons = [rollout.failed, *(why for _, why in rollout.failures if why != rollout.failed)]
    what = "reloaded" if rollout.in_place else "replaced"
    for word, instances in ((what, rollout.done), (f"not {what}", rollout.waiting)):
        if instances:
            reasons.append(f"{word}: {_listed(instances)}")
    text = "; ".join(reasons)
    only = rollout.failures[0][0] if len(rollout.failures) == 1 else None
    failed = RecordEvent("reload_failed", only, text)
    return app._replace(rollout=rollout._replace(failed=text)), (failed,)


# ---------------------------------------------------------------- questions


def _replacement_problem(app: App, instance: int) -> str | None:
    """Return "" when the new worker is ready, why it will not be, or None as long as it may."""
    slot = find_slot(app, instance)
    if slot is None or slot.removing or slot.desired is DesiredState.STOPPED:
        return f"instance {instance} was stopped during the reload"
    if slot.replace_failure is not None:
        in_place = app.rollout is not None and instance in app.rollout.in_place
        what = (
            f"instance {instance} was not reloaded"
            if in_place
            else f"instance {instance}: the new worker failed, so the old one keeps running"
        )
        return f"{what}: {slot.replace_failure}"
    if slot.status is Status.ONLINE:
        return "" if slot.replacement is None and slot.in_place is None else None
    if slot.done:
        return ""  # it had nothing more to do
    if slot.status in RESTING:
        text = f"instance {instance} did not start: {slot.reason or 'it exited'}"
        stopped = app.rollout is not None and instance in app.rollout.stopped_first
        return f"{text}; {_STOPPED_FIRST}" if stopped else text
    return None


def _is_changing(app: App, instance: int) -> bool:
    """Return whether a fork is in progress, or the worker that was replaced before still runs."""
    slot = find_slot(app, instance)
    if slot is None:
        return False
    forks = slot.status is Status.STARTING and slot.worker is None
    return forks or slot.replacement is not None


def _can_be_ended(app: App, instance: int) -> bool:
    slot = find_slot(app, instance)
    if slot is None:
        return False
    other = slot.replacement
    return slot.in_place is not None or (other is not None and other.role is Role.INCOMING)


def _counted(number: int) -> str:
    return "1 instance" if number == 1 else f"{number} instances"


def _listed(instances: tuple[int, ...]) -> str:
    shown = ", ".join(str(n) for n in instances[:NUMBERS_LISTED])
    more = len(instances) - NUMBERS_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
