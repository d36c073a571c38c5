"""The app: its slots, and what concerns more than one of them.

``decide(app, event, spec) -> (app, actions)``. Slots decide for themselves in `overlap` and
`machine`. Here are the number of slots (scale) and the end (delete, shutdown); the order of a
reload is in `rollout`.
"""

from monit_agent.supervise import events as e
from monit_agent.supervise import rollout as rollouts
from monit_agent.supervise.actions import Action, RecordEvent, RemoveInstance, ShutDown
from monit_agent.supervise.appstate import (
    App,
    AppDecision,
    Ending,
    decide_each,
    find_slot,
    should_run,
)
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import RESTING, DesiredState, Now, Slot, Status, is_at_rest

INSTANCES_MAX = 1000
SHUT_DOWN_S = 5.0
"""A keeper gets SIGTERM at most this long after its workers when the machine shuts down."""


# ---------------------------------------------------------------- questions


def instance_count(app: App) -> int:
    """Return how many slots the app has, without those that are being scaled away."""
    return sum(not slot.removing for slot in app.slots)


def unknown_instances(app: App, instances: tuple[int, ...]) -> tuple[int, ...]:
    """Return those of ``instances`` that the app does not have."""
    return tuple(n for n in instances if (slot := find_slot(app, n)) is None or slot.removing)


def startable_instances(app: App) -> tuple[int, ...]:
    """Return the instances that a start concerns: a running one is not started again."""
    return tuple(
        slot.instance
        for slot in app.slots
        if not slot.removing and (slot.status in RESTING or slot.desired is DesiredState.STOPPED)
    )


def restorable_instances(app: App) -> tuple[int, ...]:
    """Return the instances that start after a reboot: those whose desired state is running, also
    where monit gave up, and not those that have finished."""
    return tuple(
        slot.instance
        for slot in app.slots
        if not slot.removing and slot.desired is DesiredState.RUNNING and not slot.finished
    )


def reloadable_instances(app: App, instances: tuple[int, ...]) -> tuple[int, ...]:
    """Return those of ``instances`` that a reload concerns: a stopped one stays stopped."""
    return tuple(n for n in instances if should_run(app, n))


def kept_instances(app: App) -> tuple[int, ...]:
    """Return the instances that are not being scaled away."""
    return tuple(slot.instance for slot in app.slots if not slot.removing)


def refusal_reason(app: App, event: e.AppEvent) -> str | None:
    """Return why a request cannot be carried out now, for a person, or None."""
    if app.ending is Ending.DELETE:
        return "the app is being deleted"
    if app.ending is Ending.SHUT_DOWN:
        return "the app's keeper is shutting down"
    if isinstance(event, e.ReloadRequested) and rollouts.reload_in_progress(app):
        return (
            "a reload is in progress; wait for it, cancel it (monit reload APP --cancel), "
            "or restart the app"
        )
    if isinstance(event, e.CancelRequested) and not rollouts.reload_in_progress(app):
        return "no reload is in progress"
    if isinstance(event, e.ScaleRequested) and not 0 <= event.size <= INSTANCES_MAX:
        return f"an app has 0 to {INSTANCES_MAX} instances"
    return None


def new_slot_count(app: App, size: int) -> int:
    """Return how many new slots, hence new ids, a scale to ``size`` needs."""
    taken = {slot.instance for slot in app.slots}
    return sum(n not in taken for n in range(size))


def next_deadline(app: App) -> float | None:
    """Return the earliest monotonic second at which a slot must get `DeadlinePassed`."""
    return min((at for slot in app.slots for at in _deadlines(slot)), default=None)


def with_starts_due(app: App, mono: float) -> App:
    """Return the app with the starts due at ``mono`` that wait for room or for an answer."""
    return app._replace(
        slots=tuple(
            slot._replace(deadline=mono) if slot.no_room and slot.status is Status.BACKOFF else slot
            for slot in app.slots
        )
    )


def overdue_instances(app: App, mono: float) -> tuple[int, ...]:
    """Return the instances with a deadline that has passed."""
    return tuple(slot.instance for slot in app.slots if any(at <= mono for at in _deadlines(slot)))


def _deadlines(slot: Slot) -> tuple[float, ...]:
    each = (
        slot.deadline,
        slot.replacement.deadline if slot.replacement else None,
        slot.in_place.deadline if slot.in_place else None,
    )
    return tuple(at for at in each if at is not None)


# ---------------------------------------------------------------- decisions


def decide(app: App, event: e.AppEvent, spec: AppSpec) -> AppDecision:
    """Return the app after ``event`` and what the keeper must do, in order."""
    if isinstance(event, e.EachSlot):
        now = event.event.now
        if isinstance(event.event, e.RestartRequested):
            app = rollouts.clear_failed_reload(app)
        app, actions = decide_each(app, event, spec)
    elif isinstance(event, e.ReloadRequested):
        now = event.now
        app, actions = rollouts.begin_reload(app, event)
    elif isinstance(event, e.CancelRequested):
        now = event.now
        app, actions = rollouts.cancel_reload(app, event, spec)
    elif isinstance(event, e.ScaleRequested):
        now = event.now
        app, actions = _scale(app, event, spec)
    else:
        now = event.now
        app, actions = _stop_everything(app, event, spec)
    app, more = _settle(app, now, spec)
    return app, (*actions, *more)


def _scale(app: App, event: e.ScaleRequested, spec: AppSpec) -> AppDecision:
    have = {slot.instance for slot in app.slots}
    ids = iter(event.ids)
    new = [Slot(n, next(ids)) for n in range(event.size) if n not in have]
    kept = [slot._replace(removing=slot.instance >= event.size) for slot in app.slots]
    back = [slot.instance for slot in app.slots if slot.removing and slot.instance < event.size]
    slots = sorted([*kept, *new], key=lambda slot: slot.instance)
    before = instance_count(app)
    app = app._replace(slots=tuple(slots))
    start = e.EachSlot((*back, *(slot.instance for slot in new)), e.StartRequested(event.now))
    app, actions = decide_each(app, start, spec)
    removed = tuple(slot.instance for slot in kept if slot.removing)
    app, more = decide_each(app, e.EachSlot(removed, e.StopRequested(event.now)), spec)
    scaled = RecordEvent("scaled", None, f"from {before} to {event.size} instances")
    return app, (scaled, *actions, *more)


def _stop_everything(
    app: App, event: e.DeleteRequested | e.ShutdownRequested, spec: AppSpec
) -> AppDecision:
    delete = isinstance(event, e.DeleteRequested)
    app = app._replace(slots=tuple(_interrupted(slot, event.now) for slot in app.slots))
    app = app._replace(ending=Ending.DELETE if delete else Ending.SHUT_DOWN, rollout=None)
    everyone = tuple(slot.instance for slot in app.slots)
    stop = e.StopRequested(event.now, keep_desired=not delete)
    return decide_each(app, e.EachSlot(everyone, stop), spec)


def _interrupted(slot: Slot, now: Now) -> Slot:
    """Return the slot as not finished if its worker has only just exited: a machine that shuts down
    sends SIGTERM to the worker and to the keeper at once, and that worker did not finish."""
    if slot.finished and slot.exits and now.wall - slot.exits[-1].at < SHUT_DOWN_S:
        return slot._replace(finished=False, done=False)
    return slot


def _settle(app: App, now: Now, spec: AppSpec) -> AppDecision:
    """Remove slots, shut down or continue the reload, now that the slots have changed."""
    gone = tuple(slot for slot in app.slots if slot.removing and is_at_rest(slot))
    actions: tuple[Action, ...] = tuple(RemoveInstance(slot.instance) for slot in gone)
    app = app._replace(slots=tuple(slot for slot in app.slots if slot not in gone))
    if app.ending is not None:
        if all(is_at_rest(slot) for slot in app.slots):
            actions = (*actions, ShutDown(delete=app.ending is Ending.DELETE))
        return app, actions
    app, more = rollouts.continue_reload(app, now, spec)
    return app, (*actions, *more)
