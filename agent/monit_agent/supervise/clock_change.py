"""What a change of the wall clock means for an app: nothing but its times. Pure.

Deadlines are monotonic, so nothing happens earlier or later. But a worker that was started one
hour ago was not started in the future because somebody set the clock back.
"""

from monit_agent.supervise.appstate import App
from monit_agent.supervise.state import Slot, Worker


def with_shifted_times(app: App, delta_s: float) -> App:
    """Return the app with all of its wall times shifted by as much as the clock was."""
    return app._replace(slots=tuple(_shifted(slot, delta_s) for slot in app.slots))


def clock_change_text(delta_s: float) -> str:
    """Return the text of the event."""
    return f"the clock was set {'back' if delta_s < 0 else 'forward'} by {abs(delta_s):.0f} s"


def _shifted(slot: Slot, delta_s: float) -> Slot:
    other, next_start_at = slot.replacement, slot.next_start_at
    return slot._replace(
        worker=_shifted_worker(slot.worker, delta_s),
        replacement=other and other._replace(worker=_shifted_worker(other.worker, delta_s)),
        exits=tuple(each._replace(at=each.at + delta_s) for each in slot.exits),
        restart_times=tuple(at + delta_s for at in slot.restart_times),
        earlier_restarts=tuple((at + delta_s, count) for at, count in slot.earlier_restarts),
        next_start_at=None if next_start_at is None else next_start_at + delta_s,
    )


def _shifted_worker(worker: Worker | None, delta_s: float) -> Worker | None:
    if worker is None:
        return None
    return worker._replace(since=worker.since._replace(wall=worker.since.wall + delta_s))
