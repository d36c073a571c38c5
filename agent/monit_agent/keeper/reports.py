"""What workers report, and what is seen of them, as events."""

from monit_agent.keeper.clock import now
from monit_agent.keeper.ports.ports import BOUND, LISTENS, READY
from monit_agent.keeper.workers.start_watch import ACCEPTS_SHARED, SETTLED
from monit_agent.supervise import events as e


def event_of_report(what: str, pid: int) -> e.SlotEvent:
    """Return the event for what a worker reported, or what was seen of it."""
    if what in (LISTENS, ACCEPTS_SHARED):
        return e.StartedListening(now(), pid)
    kinds: dict[str, type[e.BoundPort | e.BecameReady | e.Settled]]
    kinds = {BOUND: e.BoundPort, READY: e.BecameReady, SETTLED: e.Settled}
    return kinds[what](now(), pid) if what in kinds else e.Drained(now(), pid)
