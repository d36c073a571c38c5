"""What ``u`` undoes: a reload that is under way, else the last stop. Pure.

A stop signal cannot be taken back: a worker that has it exits. To undo a stop is to start again
what was stopped; a worker that is still stopping is then started again as soon as it has exited.
"""

from collections.abc import Mapping

from monit_agent.client.view import AppView, Fleet
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import CancelReload, Request, Start, Stop
from monit_tui.model.confirmation import NotPossible, PlannedAction

StoppedInstances = Mapping[AppId, tuple[int, ...]]
"""What the last stop of this screen stopped."""


def after_requests(
    stopped: StoppedInstances, requests: tuple[tuple[AppId, Request], ...]
) -> StoppedInstances:
    """Return what can be undone after requests were sent: only the last stop is remembered."""
    fresh = {app: tuple(one.instances or ()) for app, one in requests if isinstance(one, Stop)}
    if fresh:
        return fresh
    started = {app for app, one in requests if isinstance(one, Start)}
    return {app: numbers for app, numbers in stopped.items() if app not in started}


def still_stopped(stopped: StoppedInstances, fleet: Fleet) -> StoppedInstances:
    """Return those that nobody has started or removed meanwhile."""
    left: dict[AppId, tuple[int, ...]] = {}
    for app, numbers in stopped.items():
        views = fleet.apps[app].instances if app in fleet.apps else {}
        kept = [n for n in numbers if n in views and views[n].record.desired == "stopped"]
        if kept:
            left[app] = tuple(kept)
    return left


def is_reloading(app: AppView | None) -> bool:
    """Return whether there is a reload to cancel."""
    return app is not None and app.rollout is not None and app.rollout.under_way


def plan_undo(
    app: AppView | None, stopped: StoppedInstances, fleet: Fleet
) -> PlannedAction | NotPossible:
    """Return the cancellation of the reload of ``app``, else the start of what was stopped. Neither
    is confirmed, because it loses nothing."""
    if app is not None and is_reloading(app):
        request = ((app.id, CancelReload()),)
        return PlannedAction(
            f"Cancel the reload of {app.name}?", (), "", "Cancel", request, confirm=False,
            done="reload cancelled; the other workers are not replaced.",
        )  # fmt: skip
    left = still_stopped(stopped, fleet)
    if not left:
        name = f"{app.name} is not reloading, and " if app is not None else ""
        return NotPossible(
            f"Nothing to undo: {name}nothing that this screen stopped is still stopped."
        )
    requests = tuple((app_id, Start(instances=numbers)) for app_id, numbers in left.items())
    return PlannedAction(
        "Start again?", (), "", "Start", requests, confirm=False,
        done="stop undone; a worker that is still stopping starts again once it has exited.",
    )  # fmt: skip
