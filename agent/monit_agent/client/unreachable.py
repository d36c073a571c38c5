"""Why an app's agent is not heard, and what to do about it."""

from typing import NamedTuple

from monit_agent.client import fold
from monit_agent.client.discovery import is_listening
from monit_agent.client.saved_state import REBOOTED, SavedApp, read_saved_app
from monit_agent.client.view import AppView
from monit_agent.wire.limits import STALE_S
from monit_agent.wire.paths import AppPaths


class LinkTimes(NamedTuple):
    """Monotonic seconds."""

    found_at: float
    """When the app was found."""
    unreadable_at: float
    """When its agent last sent something that could not be read."""


def diagnose(view: AppView, paths: AppPaths, times: LinkTimes, now: float) -> bool:
    """Note which of the app's processes run in ``view``; return True if its agent listens.

    An app that is not heard gets its rows from ``state.json``.
    """
    agent = is_listening(paths.ctl)
    young = now - times.found_at < STALE_S
    if agent and young:
        return agent  # just found: allow it time to answer
    keeper = is_listening(paths.keeper)
    view.keeper_alive = keeper
    if not agent and not keeper:
        view.link = "gone"
    elif not young:
        view.link = "stale"
    if view.link == "connecting":
        return agent
    saved = show_saved_app(view, paths)
    if now - times.unreadable_at > STALE_S:
        view.problem = _problem(view.name, agent=agent, keeper=keeper)
        if saved is not None and view.link == "gone" and (saved.left or not saved.of_this_boot):
            why = "its keeper stopped it and exited" if saved.of_this_boot else REBOOTED
            view.problem = (
                f"{view.name}: {why}; `monit resurrect` starts what was running, "
                f"`monit start {view.name}` starts this app"
            )
    return agent


def show_saved_app(view: AppView, paths: AppPaths) -> SavedApp | None:
    """Show what the app's keeper saved, and which of its workers run; return it. Without it, all
    stays as it was last heard."""
    saved = read_saved_app(paths.state)
    if saved is not None:
        view.record = view.record or saved.app
        fold.set_instances(view, saved.instances)
    return saved


def _problem(name: str, *, agent: bool, keeper: bool) -> str:
    if not agent and not keeper:
        return f"{name}: its keeper and agent are not running; run `monit start {name}`"
    if not agent:
        return f"{name}: its agent is not running, its keeper will start one; see agent.log"
    if not keeper:
        return (
            f"{name}: its keeper is not running and its agent does not respond; "
            f"run `monit start {name}`"
        )
    return f"{name}: its agent is running but does not respond; see `monit describe {name}`"
