"""The app: its slots, and what concerns more than one of them.

``decide(app, event, spec) -> (app, actions)``. Slots decide for themselves in `machine` and
`beside`; here are number (scale) and end (delete, leave), the order of a reload is in `roll`.
"""

from monit_agent.supervise import events as e
from monit_agent.supervise import roll as rolls
from monit_agent.supervise.actions import Action, Forget, Leave, Tell
from monit_agent.supervise.appstate import App, Decision, Ending, each, find, is_wanted
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import RESTING, Now, Slot, Wanted, is_at_rest

INSTANCES_MAX = 1000


# ---------------------------------------------------------------- questions


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


def replaceable(app: App, instances: tuple[int, ...]) -> tuple[int, ...]:
    """Give those of ``instances`` that a reload concerns: what is stopped stays so."""
    return tuple(n for n in instances if is_wanted(app, n))


def steady(app: App) -> tuple[int, ...]:
    """Give the slots that are not being scaled away."""
    return tuple(slot.instance for slot in app.slots if not slot.going)


def refusal(app: App, event: e.AppEvent) -> str | None:
    """Say why a request cannot be carried out now, for a person, or give None."""
    if app.ending is Ending.DELETE:
        return "the app is being deleted"
    if app.ending is Ending.LEAVE:
        return "the app's keeper is about to end"
    if isinstance(event, e.ReloadAsked) and rolls.is_under_way(app):
        return (
            "a reload is under way; wait for its end, cancel it (monit reload APP --cancel), "
            "or restart"
        )
    if isinstance(event, e.CancelAsked) and not rolls.is_under_way(app):
        return "there is no reload under way to cancel"
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
        if isinstance(event.event, e.RestartAsked):
            app = rolls.forget_failed(app)
        app, actions = each(app, event, spec)
    elif isinstance(event, e.ReloadAsked):
        now = event.now
        app, actions = rolls.begin(app, event)
    elif isinstance(event, e.CancelAsked):
        now = event.now
        app, actions = rolls.cancel(app, event, spec)
    elif isinstance(event, e.ScaleAsked):
        now = event.now
        app, actions = _scale(app, event, spec)
    else:
        now = event.now
        app, actions = _end(app, event, spec)
    app, more = _settle(app, now, spec)
    return app, (*actions, *more)


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
    app, actions = each(app, start, spec)
    going = tuple(slot.instance for slot in kept if slot.going)
    app, more = each(app, e.Each(going, e.StopAsked(event.now)), spec)
    told = Tell("scaled", None, f"from {before} to {event.size} instances")
    return app, (told, *actions, *more)


def _end(app: App, event: e.DeleteAsked | e.LeaveAsked, spec: AppSpec) -> Decision:
    forget = isinstance(event, e.DeleteAsked)
    app = app._replace(ending=Ending.DELETE if forget else Ending.LEAVE, roll=None)
    everyone = tuple(slot.instance for slot in app.slots)
    return each(app, e.Each(everyone, e.StopAsked(event.now, wish=forget)), spec)


def _settle(app: App, now: Now, spec: AppSpec) -> Decision:
    """Draw the consequences of what the slots have become."""
    gone = tuple(slot for slot in app.slots if slot.going and is_at_rest(slot))
    actions: tuple[Action, ...] = tuple(Forget(slot.instance) for slot in gone)
    app = app._replace(slots=tuple(slot for slot in app.slots if slot not in gone))
    if app.ending is not None:
        if all(is_at_rest(slot) for slot in app.slots):
            actions = (*actions, Leave(forget=app.ending is Ending.DELETE))
        return app, actions
    app, more = rolls.go_on(app, now, spec)
    return app, (*actions, *more)
