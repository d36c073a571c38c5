"""What the checks need of the rest of the agent, most of all requests to the keeper."""

from collections.abc import Callable
from typing import NamedTuple

from monit_agent.agent.awake_clock import AwakeClock
from monit_agent.agent.keeper.messages import KeeperAnswer
from monit_agent.agent.keeper.state import AppState

ReplaceInstances = Callable[[tuple[int, ...], str, Callable[[], None]], None]
"""Have instances replaced, for a reason; called back when that is refused."""

SendRequest = Callable[..., None]
"""`KeeperLink.request`."""


class KeeperRequests(NamedTuple):
    """The agent, as far as the checks of an app's workers need it."""

    clock: AwakeClock
    request: SendRequest
    replace: ReplaceInstances
    state: Callable[[], AppState | None]
    """The app's record from the keeper; None before its first message."""


def record_event(keeper: KeeperRequests, instance: int, kind: str, text: str) -> None:
    """Have the keeper record and publish an event."""
    keeper.request("record_event", ignore_answer, instance=instance, kind=kind, text=text)


def ignore_answer(_answer: KeeperAnswer) -> None:
    """Do nothing: the keeper's answer changes nothing."""
