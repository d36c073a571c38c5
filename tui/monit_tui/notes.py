"""The note at the end of a row: why it is as it is. Pure."""

from monit_agent.client.replacing import step_of
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.messages import InstanceRecord


def note_of(app: AppView, view: InstanceView) -> str:
    """Give an instance's note, "" when there is nothing to say."""
    if app.link in {"stale", "gone"} and app.problem:
        return app.problem
    record = view.record
    replaced = _replacement_note(app, record)
    if replaced:
        return replaced
    if record.reason:
        return record.reason
    last = record.exits[-1] if record.exits else None
    if last is None or last.asked:
        return ""
    how = "ended unseen"
    if last.signal is not None:
        how = f"signal {last.signal}"
    elif last.code is not None:
        how = f"exit {last.code}"
    return f"{how} after {last.ran_s:.1f} s"


def _replacement_note(app: AppView, record: InstanceRecord) -> str:
    roll = app.roll
    step = step_of(record)
    if step is not None and (record.second or (roll and record.instance in roll.current)):
        return step.text
    if roll is None:
        return ""
    if roll.failed is None and record.instance in roll.waiting:
        return "waits for its turn in the reload"
    return dict(roll.broken).get(record.instance, "")


def app_note(app: AppView) -> str:
    """Give an app's note."""
    if app.roll is not None and app.roll.failed:
        return app.roll.failed
    return app.problem or ""
