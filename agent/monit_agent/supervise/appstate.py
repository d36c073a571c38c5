"""The state of an app: a value, replaced and never changed."""

from enum import Enum

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action
from monit_agent.supervise.overlap import decide as decide_slot
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import DesiredState, Slot
from monit_agent.typed import NamedTuple


class Ending(Enum):
    """Why everything stops."""

    DELETE = "delete"
    SHUT_DOWN = "shut_down"


class Rollout(NamedTuple):
    """A reload, one instance after another. It is in progress until it has ``failed`` and no
    instance is ``current`` any more. One that succeeded is removed."""

    waiting: tuple[int, ...]
    """Not begun; when it has failed or was cancelled: not replaced."""
    current: tuple[int, ...] = ()
    """Being replaced now."""
    done: tuple[int, ...] = ()
    failed: str | None = None
    """Why no further replacement is begun."""
    parallel: int = 1
    """How many may be ``current``."""
    failures: tuple[tuple[int, str], ...] = ()
    """Instances whose new worker did not become ready, each with the reason."""
    cancelled: bool = False
    """It was cancelled; nothing went wrong."""
    beside: tuple[int, ...] = ()
    """Instances whose worker listens nowhere, so that the new one starts beside it."""
    in_place: tuple[int, ...] = ()
    """Instances whose worker reloads itself; those where it was not online are removed."""
    stopped_first: tuple[int, ...] = ()
    """Instances whose worker opened its port itself, so that it stopped before the new one."""
    output: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """The last lines of reload commands that failed, by instance."""


class App(NamedTuple):
    """All that decisions depend on, besides the spec. Slots are in order of their number."""

    slots: tuple[Slot, ...] = ()
    rollout: Rollout | None = None
    ending: Ending | None = None


AppDecision = tuple[App, tuple[Action, ...]]


def find_slot(app: App, instance: int) -> Slot | None:
    """Return the slot with this number."""
    return next((slot for slot in app.slots if slot.instance == instance), None)


def should_run(app: App, instance: int) -> bool:
    """Return whether the instance exists and its desired state is running."""
    slot = find_slot(app, instance)
    return slot is not None and not slot.removing and slot.desired is DesiredState.RUNNING


def decide_each(app: App, event: e.EachSlot, spec: AppSpec) -> AppDecision:
    """Let each of the event's slots decide for itself."""
    actions: list[Action] = []
    for instance in event.instances:
        slot = find_slot(app, instance)
        if slot is not None:
            decided, more = decide_slot(slot, event.event, spec)
            app = _with_slot(app, decided)
            actions += more
    return app, tuple(actions)


def _with_slot(app: App, slot: Slot) -> App:
    return app._replace(
        slots=tuple(slot if old.instance == slot.instance else old for old in app.slots)
    )
