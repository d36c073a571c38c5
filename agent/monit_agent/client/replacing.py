"""How far the replacement of one instance is, in words. Pure."""

from typing import NamedTuple

from monit_agent.client.view import AppView
from monit_agent.wire.messages import InstanceRecord, Second


class Step(NamedTuple):
    """What goes on: in at most eleven characters, and as a clause."""

    short: str
    text: str


Steps = tuple[tuple[int, str], ...]
"""Instances, each with what goes on."""


def step_of(record: InstanceRecord) -> Step | None:
    """Say what the instance's workers are doing; None when it has one worker, which is online."""
    if record.second is not None:
        return _for_two(record, record.second)
    if record.status == "online":
        return None
    if record.status in ("draining", "stopping") and record.pid is not None:
        return Step(record.status, f"pid {record.pid} stopping before the new one starts")
    pid = "" if record.pid is None else f"pid {record.pid} "
    return Step(record.status, f"{pid}{record.status}")


def steps_of(app: AppView) -> Steps:
    """Give the steps of those that a reload is replacing now."""
    current = app.roll.current if app.roll else ()
    views = [app.instances[number] for number in current if number in app.instances]
    steps = [(view.identity.instance, step_of(view.record)) for view in views]
    return tuple((number, step.text) for number, step in steps if step)


def _for_two(record: InstanceRecord, second: Second) -> Step:
    own, other = _pid(record.pid), _pid(second.pid)
    if second.role == "heir":
        if second.ready:
            return Step("new listens", f"pid {other} listens, beside pid {own}")
        return Step("new starts", f"pid {other} starting beside pid {own}")
    if is_newer(record, second):
        return Step("new goes", f"pid {other} goes again, pid {own} stays")
    if second.role == "quiescing":
        return Step("old drains", f"pid {own} ready, old pid {other} draining")
    return Step("old stops", f"pid {own} ready, old pid {other} stopping")


def is_newer(record: InstanceRecord, second: Second) -> bool:
    """Tell whether the second worker was started after the slot's own."""
    return (second.started_at or 0.0) > (record.started_at or 0.0)


def _pid(pid: int | None) -> str:
    return "?" if pid is None else str(pid)
