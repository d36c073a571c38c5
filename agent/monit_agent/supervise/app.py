"""The app: its slots, and what concerns more than one of them.

``decide(app, event, spec) -> (app, actions)``. Slots decide for themselves in `machine` and
`beside`; here are number (scale), order (reload) and end (delete, leave).
"""

from enum import Enum

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Forget, Leave, Tell
from monit_agent.supervise.beside import decide as decide_slot
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import RESTING, Now, Slot, Status, Wanted, is_at_rest
from monit_agent.supervise.typed import NamedTuple

INSTANCES_MAX = 1000


class Ending(Enum):
    """Why everything stops."""

    DELETE = "delete"
    LEAVE = "leave"


class Rolling(NamedTuple):
    """A reload, under way or failed. Over when ``current`` is None."""

    waiting: tuple[int, ...]
    current: int | None
    done: tuple[int, ...] = ()
    failed: str | None = None


class App(NamedTuple):
    """All that decisions depend on, besides the spec. Slots are in order of their number."""

    slots: tuple[Slot, ...] = ()
    roll: Rolling | None = None
    ending: Ending | None = None


Decision = tuple[App, tuple[Action, ...]]


# ---------------------------------------------------------------- questions


def find(app: App, instance: int) -> Slot | None:
    """Give the slot with this number."""
    return next((slot for slot in app.slots if slot.instance == instance), None)


def size(app: App) -> int:
    """Give how many slots the app has, without those that are being scaled away."""
    return sum(not slot.going for slot in app.slots)


def unknown(app: App, instances: tuple[int, ...]) -> tuple[int, ...]:
    """Give those of ``instances`` that the app does not have."""
    return tuple(n for n in instances if (slot := find(app, n)) is None or slot.going)


def startable(app: App) -> tuple[int, ...]:
    """Give the slots that a start concerns: a running one is not started again."""
    return tuple(
        slot.instance
        for slot in app.slots
        if not slot.going and (slot.status in RESTING or slot.wanted is Wanted.STOPPED)
    )


def steady(app: App) -> tuple[int, ...]:
    """Give the slots that are not being scaled away."""
    return tuple(slot.instance for slot in app.slots if not slot.going)


def refusal(app: App, event: e.AppEvent) -> str | None:
    """Say why a request cannot be carried out now, for a person, or give None."""
    if app.ending is Ending.DELETE:
        return "the app is being deleted"
    if app.ending is Ending.LEAVE:
        return "the app's keeper is about to end"
    if isinstance(event, e.ReloadAsked) and _rolls(app):
        return "a reload is under way; wait for its end, or restart"
    if isinstance(event, e.ScaleAsked) and not 0 <= event.size <= INSTANCES_MAX:
        return f"an app has 0 to {INSTANCES_MAX} instances"
    return None


def missing(app: App, wanted: int) -> int:
    """Give how many new slots, hence new ids, a scale to ``wanted`` makes."""
    taken = {slot.instance for slot in app.slots}
    return sum(n not in taken for n in range(wanted))


def next_wake(app: App) -> float | None:
    """Give the earliest monotonic second at which a slot wants `TimeCame`."""
    return min((at for slot in app.slots for at in _wakes(slot)), default=None)


def due(app: App, mono: float) -> tuple[int, ...]:
    """Give the slots whose time has come."""
    return tuple(slot.instance for slot in app.slots if any(at <= mono for at in _wakes(slot)))


def _wakes(slot: Slot) -> tuple[float, ...]:
    both = (slot.wake_at, slot.beside.wake_at if slot.beside else None)
    return tuple(at for at in both if at is not None)


# ---------------------------------------------------------------- decisions


def decide(app: App, event: e.AppEvent, spec: AppSpec) -> Decision:
    """Give the app after ``event`` and what the keeper shall do, in order."""
    if isinstance(event, e.Each):
        now = event.event.now
        app, actions = _each(app, event, spec)
    elif isinstance(event, e.ReloadAsked):
        now = event.now
        app, actions = _reload(app, event)
    elif isinstance(event, e.ScaleAsked):
        now = event.now
        app, actions = _scale(app, event, spec)
    else:
        now = event.now
        app, actions = _end(app, event, spec)
    app, more = _settle(app, now, spec)
    return app, (*actions, *more)


def _each(app: App, event: e.Each, spec: AppSpec) -> Decision:
    actions: list[Action] = []
    for instance in event.instances:
        slot = find(app, instance)
        if slot is not None:
            decided, more = decide_slot(slot, event.event, spec)
            app = _with(app, decided)
            actions += more
    return app, tuple(actions)


def _reload(app: App, event: e.ReloadAsked) -> Decision:
    instances = tuple(n for n in event.instances if _wanted(app, n))
    started = Tell("reload_started", None, f"{len(instances)} instances, one after another")
    return app._replace(roll=Rolling(instances, None)), (started,)


def _scale(app: App, event: e.ScaleAsked, spec: AppSpec) -> Decision:
    have = {slot.instance for slot in app.slots}
    ids = iter(event.ids)
    new = [Slot(n, next(ids)) for n in range(event.size) if n not in have]
    kept = [slot._replace(going=slot.instance >= event.size) for slot in app.slots]
    back = [slot.instance for slot in app.slots if slot.going and slot.instance < event.size]
    slots = sorted([*kept, *new], key=lambda slot: slot.instance)
    before = size(app)
    app = app._replace(slots=tuple(slots))
    start = e.Each((*back, *(slot.instance for slot in new)), e.StartAsked(event.now))
    app, actions = _each(app, start, spec)
    going = tuple(slot.instance for slot in kept if slot.going)
    app, more = _each(app, e.Each(going, e.StopAsked(event.now)), spec)
    told = Tell("scaled", None, f"from {before} to {event.size} instances")
    return app, (told, *actions, *more)


def _end(app: App, event: e.DeleteAsked | e.LeaveAsked, spec: AppSpec) -> Decision:
    forget = isinstance(event, e.DeleteAsked)
    app = app._replace(ending=Ending.DELETE if forget else Ending.LEAVE, roll=None)
    everyone = tuple(slot.instance for slot in app.slots)
    return _each(app, e.Each(everyone, e.StopAsked(event.now, wish=forget)), spec)


def _settle(app: App, now: Now, spec: AppSpec) -> Decision:
    """Draw the consequences of what the slots have become."""
    gone = tuple(slot for slot in app.slots if slot.going and is_at_rest(slot))
    actions: tuple[Action, ...] = tuple(Forget(slot.instance) for slot in gone)
    app = app._replace(slots=tuple(slot for slot in app.slots if slot not in gone))
    if app.ending is not None:
        if all(is_at_rest(slot) for slot in app.slots):
            actions = (*actions, Leave(forget=app.ending is Ending.DELETE))
        return app, actions
    app, more = _roll_on(app, now, spec)
    return app, (*actions, *more)


# ---------------------------------------------------------------- reload


def _roll_on(app: App, now: Now, spec: AppSpec) -> Decision:
    """Go on with the reload as far as it can: one instance at a time."""
    actions: list[Action] = []
    while app.roll is not None and _rolls(app):
        if app.roll.current is not None:
            verdict = _verdict(app, app.roll.current)
            if verdict is None:
                break
            app, tells = _conclude(app, app.roll, app.roll.current, verdict)
            actions += tells
        elif app.roll.waiting:
            if _is_between(app, app.roll.waiting[0]):
                break
            app, more = _next(app, app.roll, now, spec)
            actions += more
        else:
            actions.append(Tell("reload_done", None, f"{len(app.roll.done)} instances replaced"))
            app = app._replace(roll=None)
    return app, tuple(actions)


def _next(app: App, roll: Rolling, now: Now, spec: AppSpec) -> Decision:
    instance, *rest = roll.waiting
    roll = roll._replace(waiting=tuple(rest))
    if not _wanted(app, instance):
        return app._replace(roll=roll), ()  # stopped or scaled away since: nothing to replace
    app = app._replace(roll=roll._replace(current=instance))
    step = Tell("reload_step", instance, f"{len(rest)} wait")
    app, actions = _each(app, e.Each((instance,), e.ReplaceAsked(now)), spec)
    return app, (step, *actions)


def _is_between(app: App, instance: int) -> bool:
    """Tell whether a fork is under way, or what an earlier replacement left is not gone yet."""
    slot = find(app, instance)
    if slot is None:
        return False
    forks = slot.status is Status.STARTING and slot.worker is None
    return forks or slot.beside is not None


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


def _conclude(app: App, roll: Rolling, instance: int, failure: str) -> Decision:
    roll = roll._replace(current=None)
    if not failure:
        return app._replace(roll=roll._replace(done=(*roll.done, instance))), ()
    left = f"; {len(roll.waiting)} not replaced" if roll.waiting else ""
    tell = Tell("reload_failed", instance, failure + left)
    return app._replace(roll=roll._replace(failed=failure)), (tell,)


def _rolls(app: App) -> bool:
    return app.roll is not None and app.roll.failed is None


def _wanted(app: App, instance: int) -> bool:
    slot = find(app, instance)
    return slot is not None and not slot.going and slot.wanted is Wanted.RUNNING


def _with(app: App, slot: Slot) -> App:
    return app._replace(
        slots=tuple(slot if old.instance == slot.instance else old for old in app.slots)
    )
