"""A worker goes on as another process: its server upgraded itself. That is no restart."""

from monit_agent.supervise import events as e
from monit_agent.supervise.restart_rules import SlotDecision, slot_event
from monit_agent.supervise.state import Slot, Worker


def take_over(slot: Slot, event: e.TookOver) -> SlotDecision:
    """Return the slot with the new main process of the worker that ``event.pid`` was."""
    other = slot.replacement
    if slot.worker is not None and slot.worker.pid == event.pid:
        slot = slot._replace(worker=_with_settings(event.worker, slot.worker))
    elif other is not None and other.worker is not None and other.worker.pid == event.pid:
        successor = _with_settings(event.worker, other.worker)
        slot = slot._replace(replacement=other._replace(worker=successor))
    else:
        return slot, ()
    text = f"pid {event.worker.pid} took over from pid {event.pid}"
    return slot, (slot_event(slot, "took_over", text),)


def _with_settings(successor: Worker, worker: Worker) -> Worker:
    """A successor inherits program and variables of the worker that starts it."""
    return successor._replace(settings=worker.settings)
