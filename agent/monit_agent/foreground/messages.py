"""What `monit run` prints of its own, beside what the apps print."""

from monit_agent.foreground.outcome import Record

SHOWN = (
    "exited", "errored", "unready", "killed", "left_behind", "log_lost", "port_taken",
    "reload_done", "reload_failed", "stuck", "unhealthy", "env_problem",
)  # fmt: skip
"""Kinds of events that the operator of a container must see."""


def event_text(app: str, event: Record, *, ending: bool) -> str | None:
    """Return the line for an event, None for one that is not shown. ``ending``: everything is being
    stopped, so that exits are no news."""
    kind, text, instance = event["kind"], event["text"], event["instance"]
    if kind not in SHOWN or (ending and kind == "exited"):
        return None
    who = app if instance is None else f"{app}/{instance}"
    return f"{who}: {text}" if kind == "exited" else f"{who}: {kind.replace('_', ' ')}: {text}"
