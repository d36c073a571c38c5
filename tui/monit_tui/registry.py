"""All actions of all places, in the order in which help lists them."""

from monit_tui.actions import GLOBAL_ACTIONS, LIST_ACTIONS, METRICS_ACTIONS, Action, Place
from monit_tui.widgets.log_actions import LOG_ACTIONS

REGISTRY: tuple[Action, ...] = (*LIST_ACTIONS, *LOG_ACTIONS, *METRICS_ACTIONS, *GLOBAL_ACTIONS)

PLACE_NAMES: dict[Place, str] = {
    "list": "Process list",
    "logs": "Logs",
    "metrics": "Metrics",
    "global": "Everywhere",
}


def allowed(*, read_only: bool) -> tuple[Action, ...]:
    """Give the actions that there are: with ``read_only`` those that change nothing."""
    return tuple(action for action in REGISTRY if not (read_only and action.acts))


def offered(place: Place, *, read_only: bool) -> tuple[Action, ...]:
    """Give what the footer shows while ``place`` has the focus: its own first."""
    shown = [action for action in allowed(read_only=read_only) if action.footer]
    own = [action for action in shown if action.place == place]
    common = [action for action in shown if action.place == "global" and place != "global"]
    return (*own, *common)
