"""What is the matter with an app whose agent is not heard, in words that say what to do."""

from typing import NamedTuple

from monit_agent.client import fold
from monit_agent.client.discovery import listens
from monit_agent.client.left import read_left
from monit_agent.client.view import AppView
from monit_agent.wire.limits import STALE_S
from monit_agent.wire.places import AppPlaces


class Since(NamedTuple):
    """Monotonic seconds that matter to the judgement."""

    found: float
    """When the app was found."""
    bad: float
    """When its agent last said something that could not be read."""


def describe(view: AppView, places: AppPlaces, since: Since, now: float) -> bool:
    """Find out who of the app's processes lives and note it; True if its agent listens.

    An app that was never heard gets its rows from ``state.json``.
    """
    agent = listens(places.ctl)
    young = now - since.found < STALE_S
    if agent and young:
        return agent  # just found: give it time to answer
    keeper = listens(places.keeper)
    view.keeper_alive = keeper
    if not agent and not keeper:
        view.link = "gone"
    elif not young:
        view.link = "stale"
    if view.link == "connecting":
        return agent
    if view.record is None:
        _read_left(view, places)
    if now - since.bad > STALE_S:
        view.problem = _why(view.name, agent=agent, keeper=keeper)
    return agent


def _read_left(view: AppView, places: AppPlaces) -> None:
    left = read_left(places.state)
    if left is not None:
        view.record = left.app
        fold.set_instances(view, left.instances)


def _why(name: str, *, agent: bool, keeper: bool) -> str:
    if not agent and not keeper:
        return f"{name}: keeper and agent are gone; `monit start {name}` takes it over"
    if not agent:
        return f"{name}: its agent is gone, its keeper starts another; agent.log may say why"
    if not keeper:
        return f"{name}: its agent is silent and its keeper is gone; `monit start {name}` helps"
    return f"{name}: its agent runs but says nothing; `monit describe {name}` shows its pid"
