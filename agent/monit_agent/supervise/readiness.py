"""Which workers wait for the result of the agent's readiness check. Pure."""

from monit_agent.supervise.appstate import App, find_slot
from monit_agent.supervise.overlap import can_share
from monit_agent.supervise.spec import AppSpec, has_port, has_ready_check
from monit_agent.supervise.state import Role, Slot, Status


def incoming_pid(slot: Slot) -> int | None:
    """Return the pid of the incoming worker as long as it is not ready."""
    other = slot.replacement
    if other is None or other.role is not Role.INCOMING or other.ready or other.worker is None:
        return None
    return other.worker.pid


def awaits_check(app: App, instance: int, pid: int, spec: AppSpec) -> bool:
    """Return whether the worker ``pid`` is starting and a check decides when it is ready."""
    slot = find_slot(app, instance) if has_ready_check(spec) else None
    if slot is None:
        return False
    starts = slot.status is Status.STARTING and slot.worker is not None and slot.worker.pid == pid
    return starts or incoming_pid(slot) == pid


def must_listen_first(app: App, instance: int, pid: int, spec: AppSpec) -> bool:
    """Return whether a check of this worker proves nothing yet.

    Any worker may answer on a shared port: before this one listens, the answer is not its own, and
    an incoming worker that does not listen cannot take over.
    """
    slot = find_slot(app, instance)
    if slot is None:
        return True
    if slot.replacement is not None and incoming_pid(slot) == pid:
        return not slot.replacement.listens and can_share(slot)
    shared = has_port(spec) or any(each.shares_port for each in app.slots)
    return shared and not slot.listens
