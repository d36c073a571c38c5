"""What ``--watch`` does, as texts: the same on the screen and in the command line."""

import os

from monit_agent.client.text.format import format_duration, format_quantity
from monit_agent.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from monit_agent.wire.messages import AppRecord, WatchState

SHORT = 24
"""Characters of a file's name in a table."""

RECENT_S = 600.0
"""A restart is named in a table for this long."""


def watch_text(watch: "WatchState | None", now: float) -> str:
    """Return what the watch did and does, in full; "" when there is nothing to report."""
    if watch is None:
        return ""
    if watch.problem is not None:
        return f"failed: {watch.problem}"
    count = format_quantity(watch.restarts, "restart")
    if is_slowed(watch, now):
        wait = format_duration((watch.slowed_until or now) - now)
        return f"slowed after {count}, the next one in {wait} or later; cause: {watch.last_cause}"
    if watch.last_at is None:
        return ""
    return (
        f"{count}, the last {format_duration(now - watch.last_at)} ago; cause: {watch.last_cause}"
    )


def watch_cell(record: "AppRecord", now: float) -> str:
    """Return the cell of a column: ``no``, ``yes``, ``yes: app.py``, ``slowed: state.json``."""
    if not record.watching:
        return "no"
    watch = record.watch
    if watch is None:
        return "yes"
    if watch.problem is not None:
        return "failed"
    if is_slowed(watch, now):
        return f"slowed: {short_cause(watch)}"
    recent = watch.last_at is not None and now - watch.last_at <= RECENT_S
    return f"yes: {short_cause(watch)}" if recent else "yes"


def watch_warning(record: "AppRecord | None", now: float) -> str:
    """Return ``watch slowed: state.json`` or ``watch failed`` where a person must act, else ""."""
    watch = record.watch if record else None
    if watch is None:
        return ""
    if watch.problem is not None:
        return "watch failed"
    return f"watch slowed: {short_cause(watch)}" if is_slowed(watch, now) else ""


def watch_note(record: "AppRecord | None", now: float) -> str:
    """Return the warning, or ``restarted 12s ago: app.py changed``; else ""."""
    warning = watch_warning(record, now)
    watch = record.watch if record else None
    if warning or watch is None or watch.last_at is None or now - watch.last_at > RECENT_S:
        return warning
    return f"restarted {format_duration(now - watch.last_at)} ago: {watch.last_cause} changed"


def is_slowed(watch: "WatchState", now: float) -> bool:
    """Return whether restarts wait at ``now`` (wall seconds)."""
    return watch.slowed_until is not None and watch.slowed_until > now


def short_cause(watch: "WatchState") -> str:
    """Return the name of the first file, cut to a table's width."""
    name = os.path.basename(watch.last_cause.partition(", ")[0].partition(" and ")[0])
    return name if len(name) <= SHORT else f"{name[: SHORT - 1]}…"
