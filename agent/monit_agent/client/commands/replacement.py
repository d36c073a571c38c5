"""The current step of an instance's replacement, in words. Pure."""

from monit_agent.client.view import AppView
from monit_agent.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from monit_agent.wire.messages import InstanceRecord, Replacement


class Step(NamedTuple):
    """One step: in at most 11 characters, the width of the screen's column, and as a clause."""

    short: str
    text: str


Steps = tuple[tuple[int, str], ...]
"""Instances, each with the text of its current step."""


def step_of(record: "InstanceRecord") -> Step | None:
    """Return what the instance's workers are doing; None when its only worker is online."""
    if record.replacement is not None:
        return _with_two_workers(record, record.replacement)
    if record.reloading:
        return Step("reloading", f"pid {record.pid} reloading itself")
    if record.status == "online":
        return None
    if record.status in ("draining", "stopping") and record.pid is not None:
        return Step(record.status, f"old pid {record.pid} {record.status}, then a new one starts")
    pid = "" if record.pid is None else f"pid {record.pid} "
    return Step(record.status, f"{pid}{record.status}")


def steps_of(app: AppView) -> Steps:
    """Return the steps of the instances that a reload is replacing now."""
    current = app.rollout.current if app.rollout else ()
    views = [app.instances[number] for number in current if number in app.instances]
    steps = [(view.identity.instance, step_of(view.record)) for view in views]
    return tuple((number, step.text) for number, step in steps if step)


def _with_two_workers(record: "InstanceRecord", replacement: "Replacement") -> Step:
    own, other = record.pid, replacement.pid
    if replacement.role == "incoming":
        new, old = _worker("new", other), _worker("old", own)
        if replacement.ready:
            return Step("new ready", f"{new} ready, {old} running")
        return Step("start new", f"{new} starting, {old} running")
    if is_newer(record, replacement):
        return Step("stop new", f"{_worker('new', other)} stopping, {_worker('old', own)} stays")
    new, old = _worker("new", own), _worker("old", other)
    if replacement.role == "draining":
        return Step("drain old", f"{new} ready, {old} draining")
    return Step("stop old", f"{new} ready, {old} stopping")


def is_newer(record: "InstanceRecord", replacement: "Replacement") -> bool:
    """Return whether the replacement was started after the slot's own worker."""
    return (replacement.started_at or 0.0) > (record.started_at or 0.0)


def _worker(which: str, pid: int | None) -> str:
    """Return ``new pid 4004``, or ``new worker`` before it has a process."""
    return f"{which} worker" if pid is None else f"{which} pid {pid}"
