"""A reload: instances are replaced, so many at a time, and the next when one of them is done.

Where a slot's worker has a shared port its heir starts beside it (`beside`); everywhere else the
old one is stopped before the new one starts. The first failure ends the reload, and so does whoever
cancels it: nobody else is begun. A cancelled reload sends away the heirs that are not their slots'
workers yet. Where the old worker was told to stop already nothing can be undone: the replacement
is finished, or the slot would have nobody.
"""

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Tell
from monit_agent.supervise.appstate import App, Decision, Rolling, each, find, is_wanted
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import RESTING, Now, Role, Status, Wanted

NUMBERS_TOLD = 20
"""Instances that a sentence names one by one."""


def is_under_way(app: App) -> bool:
    """Tell whether a reload has not come to its end yet."""
    return app.roll is not None and (app.roll.failed is None or bool(app.roll.current))


def heirs(app: App) -> tuple[int, ...]:
    """Give the instances whose new worker would go if the reload were cancelled now."""
    return tuple(n for n in app.roll.current if _has_heir(app, n)) if app.roll else ()


def begin(app: App, event: e.ReloadAsked) -> Decision:
    """Take the order; `go_on` carries it out."""
    instances = tuple(n for n in event.instances if is_wanted(app, n))
    at_once = event.parallel
    manner = "one after another" if at_once == 1 else f"{at_once} at a time"
    started = Tell("reload_started", None, f"{_counted(len(instances))}, {manner}")
    return app._replace(roll=Rolling(instances, parallel=at_once)), (started,)


def cancel(app: App, event: e.CancelAsked, spec: AppSpec) -> Decision:
    """Let the heirs go and begin nobody else."""
    roll = app.roll
    if roll is None or not is_under_way(app):
        return app, ()
    going = heirs(app)
    app, actions = each(app, e.Each(going, e.ReplaceCancelled(event.now)), spec)
    roll = roll._replace(
        waiting=(*going, *roll.waiting), current=tuple(n for n in roll.current if n not in going)
    )
    if roll.failed is None:
        by = f" by {event.by}" if event.by else ""
        roll = roll._replace(failed=f"cancelled{by}", cancelled=True)
    app, told = _close(app, roll)
    return app, (*actions, *told)


def go_on(app: App, now: Now, spec: AppSpec) -> Decision:
    """Go on with the reload as far as it can."""
    actions: list[Action] = []
    while app.roll is not None and is_under_way(app):
        step = _conclude(app, app.roll) or _next(app, app.roll, now, spec) or _end(app, app.roll)
        if step is None:
            break
        app, more = step
        actions += more
    return app, tuple(actions)


def forget_failed(app: App) -> App:
    """Give the app without a reload that failed: it was mended in another way."""
    return app if is_under_way(app) else app._replace(roll=None)


# ---------------------------------------------------------------- steps


def _conclude(app: App, roll: Rolling) -> Decision | None:
    """Take one that has come to an end off those that are being replaced."""
    for instance in roll.current:
        verdict = _verdict(app, instance)
        if verdict is None:
            continue
        roll = roll._replace(current=tuple(n for n in roll.current if n != instance))
        slot = find(app, instance)
        if slot is None or slot.going:
            pass  # scaled away since: nothing to replace
        elif verdict:
            broken = (*roll.broken, (instance, verdict))
            roll = roll._replace(broken=broken, failed=roll.failed or verdict)
        else:
            roll = roll._replace(done=(*roll.done, instance))
        return _close(app, roll)
    return None


def _next(app: App, roll: Rolling, now: Now, spec: AppSpec) -> Decision | None:
    if roll.failed is not None or len(roll.current) >= roll.parallel:
        return None
    instance = next((n for n in roll.waiting if not _is_between(app, n)), None)
    if instance is None:
        return None
    roll = roll._replace(waiting=tuple(n for n in roll.waiting if n != instance))
    if not is_wanted(app, instance):
        return app._replace(roll=roll), ()  # stopped or scaled away since: nothing to replace
    app = app._replace(roll=roll._replace(current=(*roll.current, instance)))
    step = Tell("reload_step", instance, f"{len(roll.waiting)} wait")
    app, actions = each(app, e.Each((instance,), e.ReplaceAsked(now)), spec)
    return app, (step, *actions)


def _end(app: App, roll: Rolling) -> Decision | None:
    if roll.waiting or roll.current:
        return None
    return app._replace(roll=None), (
        Tell("reload_done", None, f"{_counted(len(roll.done))} replaced"),
    )


def _close(app: App, roll: Rolling) -> Decision:
    """Sum up a reload that has failed, when those under way have come to their end."""
    if roll.failed is None or roll.current:
        return app._replace(roll=roll), ()
    whys = [roll.failed, *(why for _, why in roll.broken if why != roll.failed)]
    for word, instances in (("replaced", roll.done), ("not replaced", roll.waiting)):
        if instances:
            whys.append(f"{word}: {_listed(instances)}")
    text = "; ".join(whys)
    only = roll.broken[0][0] if len(roll.broken) == 1 else None
    return app._replace(roll=roll._replace(failed=text)), (Tell("reload_failed", only, text),)


# ---------------------------------------------------------------- questions


def _verdict(app: App, instance: int) -> str | None:
    """Give "" when the new worker is ready, why it will not be, or None as long as it may."""
    slot = find(app, instance)
    if slot is None or slot.going or slot.wanted is Wanted.STOPPED:
        return f"instance {instance} was stopped meanwhile"
    if slot.kept is not None:
        return (
            f"instance {instance}: the new worker did not come up, the old one stays: {slot.kept}"
        )
    if slot.status is Status.ONLINE:
        return "" if slot.beside is None else None
    if slot.status in RESTING:
        return f"instance {instance} did not come up: {slot.reason or 'it ended'}"
    return None


def _is_between(app: App, instance: int) -> bool:
    """Tell whether a fork is under way, or what an earlier replacement left is not gone yet."""
    slot = find(app, instance)
    if slot is None:
        return False
    forks = slot.status is Status.STARTING and slot.worker is None
    return forks or slot.beside is not None


def _has_heir(app: App, instance: int) -> bool:
    slot = find(app, instance)
    return slot is not None and slot.beside is not None and slot.beside.role is Role.HEIR


def _counted(number: int) -> str:
    return "1 instance" if number == 1 else f"{number} instances"


def _listed(instances: tuple[int, ...]) -> str:
    shown = ", ".join(str(n) for n in instances[:NUMBERS_TOLD])
    more = len(instances) - NUMBERS_TOLD
    return f"{shown} and {more} more" if more > 0 else shown
