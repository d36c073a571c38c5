"""When `monit run` ends by itself, and its exit code. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from monit_agent.foreground.plan import ExitOn

Record = Mapping[str, Any]
"""`InstanceRecord` of ``wire/messages.py``, as JSON-able values."""

Standing = Literal["up", "coming", "paused", "done", "failed"]

SIGNAL_BASE = 128
"""A shell reports a program that signal n killed as 128 + n."""

FAILED = 1


def instance_standing(record: Record, done_codes: Sequence[int] = ()) -> Standing:
    """Return what has become of an instance. ``done_codes`` are exit codes that mean success, as 0
    does. ``paused``: somebody stopped it, and may start it again."""
    status = record["status"]
    if status == "errored":
        return "failed"
    if status != "stopped":
        return "up" if status == "online" else "coming"
    if record["desired"] == "stopped":
        return "paused"
    last = _last_exit(record)
    if last is None:
        return "coming"
    return "done" if last["code"] == 0 or last["code"] in done_codes else "failed"


def exit_code(apps: Mapping[str, Sequence[tuple[Record, Standing]]], exit_on: ExitOn) -> int | None:
    """Return with what `monit run` must exit now, None while it must not.

    ``apps`` has the instances of every app that was not deleted.
    """
    if exit_on == "never":
        return None
    everything = [pair for instances in apps.values() for pair in instances]
    failed = [record for record, standing in everything if standing == "failed"]
    # an app without instances is one whose keeper has not answered yet, or one scaled to none
    is_over = all(apps.values()) and all(each[1] in ("done", "failed") for each in everything)
    if not is_over and not (failed and exit_on == "any"):
        return None
    if not failed:
        return 0
    return _own_code(failed[0]) if len(apps) == 1 else FAILED


def _own_code(record: Record) -> int:
    """Return how a shell would report the last exit of an instance; `FAILED` where that would be a
    success, or is unknown."""
    last = _last_exit(record)
    if last is None:
        return FAILED
    if last["signal"] is not None:
        return SIGNAL_BASE + int(last["signal"])
    return int(last["code"] or FAILED)


def _last_exit(record: Record) -> Record | None:
    exits = record["exits"]
    return exits[-1] if exits else None
