"""The reason for a row's state: a note at its end, or a line below it. Pure."""

from typing import TYPE_CHECKING

from monit_agent.client.commands.replacement import step_of
from monit_agent.client.text.format import format_duration, format_quantity, format_uptime
from monit_agent.client.text.manager import manager_problems
from monit_agent.client.text.outcomes import exit_text, health_text
from monit_agent.client.text.watch import watch_note
from monit_agent.client.view import AppView, InstanceView
from monit_tui.model.processes.condition import ClockReading, alerts_of, is_crashing, stuck_for

if TYPE_CHECKING:
    from monit_agent.wire.messages import InstanceRecord

_TOLD = frozenset({"errored", "crash-loop", "stuck", "unhealthy"})
"""Rules about what the row and its other reasons say already."""


def note_of(app: AppView, view: InstanceView, wall: float) -> str:
    """Return an instance's note at the time ``wall``, "" without one."""
    problems = manager_problems(app)
    if problems:
        return "; ".join(problems)
    record = view.record
    replaced = _replacement_note(app, record)
    if replaced:
        return replaced
    if record.reason:
        return record.reason
    last = record.exits[-1] if record.exits else None
    if last is None or last.requested:
        return watch_note(app.record, wall)
    return exit_text(last)


def reasons_of(app: AppView, view: InstanceView, now: ClockReading, error: str) -> tuple[str, ...]:
    """Return why an instance is in trouble, the most important first.

    ``error`` is the line in which its last worker named the error, "" when it is unknown. Keys are
    named by the ids of actions, as for `fill_keys`.
    """
    if app.link != "live":
        age = app.age_s(now.monotonic)
        silent = "" if age is None else f"no answer from its agent for {format_uptime(age)}"
        problem = (app.problem or silent).removeprefix(f"{app.name}: ")  # it stands in its row
        return (problem,) if problem else ()
    record = view.record
    found = list(manager_problems(app))
    replaced = _replacement_note(app, record)
    if replaced:
        found.append(replaced)
    sample = view.sample if view.sample and view.sample.pid == record.pid else None
    stuck_s = stuck_for(view)
    stuck = (
        [] if stuck_s is None
        else [f"event loop blocked for {format_duration(stuck_s)}; {{pane.blocked}} shows where"]
    )  # fmt: skip
    exits = _exit_reasons(record, view.restarts_within(60.0, now.wall), error)
    if is_crashing(app, view, now.wall):
        found, exits = found + exits, stuck  # the error first: the line may be cut
    else:
        found += stuck
    if sample is not None and sample.health is not None and sample.health.ok is False:
        health = sample.health
        found.append(f"health check {health_text(health.ok, health.text, health.failures)}")
    found += [alert.text for alert in alerts_of(app, record.instance) if alert.rule not in _TOLD]
    return (*found, *exits)


def _exit_reasons(record: "InstanceRecord", crashes: int, error: str) -> list[str]:
    last = record.exits[-1] if record.exits else None
    if last is None or (last.requested and not record.reason):
        return [record.reason] if record.reason else []
    often = f"{format_quantity(crashes, 'exit')} in 1 min" if crashes > 1 else ""
    how = "" if last.requested else exit_text(last)
    return list(filter(None, (how, error, _without_exit(record.reason or "", how) or often)))


def _without_exit(reason: str, how: str) -> str:
    """Return a reason without the exit that is named beside it."""
    if not how:
        return reason
    exited = how.partition(" after ")[0]
    return "" if reason == exited else reason.removesuffix(f" (last: {exited})")


def _replacement_note(app: AppView, record: "InstanceRecord") -> str:
    rollout = app.rollout
    step = step_of(record)
    if step is not None and (
        record.replacement or (rollout and record.instance in rollout.current)
    ):
        return step.text
    if rollout is None:
        return ""
    if rollout.failed is None and record.instance in rollout.waiting:
        return "waiting for the reload"
    return dict(rollout.failures).get(record.instance, "")


def app_note(app: AppView, wall: float) -> str:
    """Return an app's note at the time ``wall``."""
    if app.rollout is not None and app.rollout.failed:
        return app.rollout.failed
    return "; ".join(manager_problems(app)) or watch_note(app.record, wall)
