"""A spec that replaces another one: kept when its workers run, else taken back. Pure.

A rolling reload with another spec keeps the old workers where the new ones do not come up, so the
old spec must stay too. A restart stops the old workers first: there is nothing to go back to.
"""

from enum import Enum

from monit_agent.supervise.appstate import App
from monit_agent.supervise.rollout import reload_in_progress
from monit_agent.supervise.spec import AppSpec
from monit_agent.typed import NamedTuple


class Outcome(Enum):
    """What became of a change."""

    KEPT = "kept"
    UNDONE = "undone"


class SpecChange(NamedTuple):
    """A change that is not finished."""

    before: AppSpec
    rolling: bool
    old_pids: frozenset[int] = frozenset()
    """The workers that a restart replaces."""


def outcome_of(change: SpecChange, app: App) -> Outcome | None:
    """Return what became of the change; None while it is in progress."""
    if app.ending is not None:
        return Outcome.UNDONE  # it is not known whether the new spec works
    if not change.rolling:
        left = any(slot.worker and slot.worker.pid in change.old_pids for slot in app.slots)
        return None if left else Outcome.KEPT
    if reload_in_progress(app):
        return None
    return Outcome.UNDONE if app.rollout is not None and app.rollout.failed else Outcome.KEPT


def replaced_instances(app: App) -> tuple[int, ...]:
    """Return the instances that a failed reload had replaced before it failed."""
    return app.rollout.done if app.rollout is not None and app.ending is None else ()


def keeps_identity(before: AppSpec, after: AppSpec) -> AppSpec:
    """Return ``after`` with what an app keeps as long as it exists."""
    return after._replace(
        name=before.name,
        user=before.user,
        umask=before.umask,
        created_at=before.created_at,
        other=before.other,
    )
