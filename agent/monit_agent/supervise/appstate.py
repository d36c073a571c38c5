"""What is known of an app: a value, replaced and never changed."""

from enum import Enum

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action
from monit_agent.supervise.beside import decide as decide_slot
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import Slot, Wanted
from monit_agent.supervise.typed import NamedTuple


class Ending(Enum):
    """Why everything stops."""

    DELETE = "delete"
    LEAVE = "leave"


class Rolling(NamedTuple):
    """A reload. It is under way until it has ``failed`` and nobody is ``current`` any more;
    one that succeeded is forgotten."""

    waiting: tuple[int, ...]
    """Not begun; when it has failed or was cancelled: not replaced."""
    current: tuple[int, ...] = ()
    """Being replaced now."""
    done: tuple[int, ...] = ()
    failed: str | None = None
    """Why nobody else is begun."""
    parallel: int = 1
    """How many may be ``current``."""
    broken: tuple[tuple[int, str], ...] = ()
    """Instances whose new worker did not come up, each with why."""
    cancelled: bool = False
    """Somebody put an end to it, nothing went wrong."""


class App(NamedTuple):
    """All that decisions depend on, besides the spec. Slots are in order of their number."""

    slots: tuple[Slot, ...] = ()
    roll: Rolling | None = None
    ending: Ending | None = None


Decision = tuple[App, tuple[Action, ...]]


def find(app: App, instance: int) -> Slot | None:
    """Give the slot with this number."""
    return next((slot for slot in app.slots if slot.instance == instance), None)


def is_wanted(app: App, instance: int) -> bool:
    """Tell whether the instance is there and shall run."""
    slot = find(app, instance)
    return slot is not None and not slot.going and slot.wanted is Wanted.RUNNING


def each(app: App, event: e.Each, spec: AppSpec) -> Decision:
    """Let every slot that is meant decide for itself."""
    actions: list[Action] = []
    for instance in event.instances:
        slot = find(app, instance)
        if slot is not None:
            decided, more = decide_slot(slot, event.event, spec)
            app = _with(app, decided)
            actions += more
    return app, tuple(actions)


def _with(app: App, slot: Slot) -> App:
    return app._replace(
        slots=tuple(slot if old.instance == slot.instance else old for old in app.slots)
    )
