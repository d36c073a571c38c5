"""A worker goes on as another process: its server upgraded itself. That is no restart."""

from monit_agent.supervise import events as e
from monit_agent.supervise.restart_rules import SlotDecision, slot_event
from monit_agent.supervise.state import Slot


def take_over(slot: Slot, event: e.TookOver) -> SlotDecision:
    """Return the slot with the new main process of the worker that ``event.pid`` was."""
    other = slot.replacement
    if slot.worker is not None and slot.worker.pid == event.pid:
        slot = slot._replace(worker=event.worker)
    elif other is not None and other.worker is not None and other.worker.pid == event.pid:
        slot = slot._replace(replacement=other._replace(worker=event.worker))
    else:
        return slot, ()
    text = f"pid {event.worker.pid} took over from pid {event.pid}"
    return slot, (slot_event(slot, "took_over", text),)
