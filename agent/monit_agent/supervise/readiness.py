"""Whose readiness the agent's check may vouch for. Pure."""

from monit_agent.supervise.appstate import App, find
from monit_agent.supervise.spec import AppSpec, is_checked
from monit_agent.supervise.state import Role, Slot, Status


def heir_pid(slot: Slot) -> int | None:
    """Give the worker that starts beside the one that counts, as long as it is not ready."""
    beside = slot.beside
    if beside is None or beside.role is not Role.HEIR or beside.ready or beside.worker is None:
        return None
    return beside.worker.pid


def is_awaited(app: App, instance: int, pid: int, spec: AppSpec) -> bool:
    """Tell whether the worker ``pid`` is starting, and a check shall say when it is ready."""
    slot = find(app, instance) if is_checked(spec) else None
    if slot is None:
        return False
    starts = slot.status is Status.STARTING and slot.worker is not None and slot.worker.pid == pid
    return starts or heir_pid(slot) == pid


def is_deaf(app: App, instance: int, pid: int, spec: AppSpec) -> bool:
    """Tell whether a check of this worker is of no value yet.

    A port that is shared is answered by any worker: before this one listens, the answer is not its
    own, and an heir that does not listen cannot take over.
    """
    slot = find(app, instance)
    if slot is None:
        return True
    if slot.beside is not None and heir_pid(slot) == pid:
        return not slot.beside.listens
    shared = any(each.shares for each in app.slots)
    return bool(spec.checks.ready_url) and shared and not slot.listens
