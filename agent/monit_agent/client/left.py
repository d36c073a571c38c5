"""What ``state.json`` tells of an app whose processes do not: for rows that say "gone".

The file is the keeper's own (``keep/statefile.py``); only what a person wants to see is read
here, and a file of another schema is no error but tells nothing.
"""

import signal
from typing import Any, NamedTuple

import msgspec

from monit_agent.wire.messages import AppRecord, InstanceRecord

SCHEMA = 1


class Left(NamedTuple):
    """The app and its slots as its last keeper wrote them down."""

    app: AppRecord
    instances: tuple[InstanceRecord, ...]


def read_left(path: str) -> Left | None:
    """Read ``state.json``; None when it cannot be read or is of another schema."""
    try:
        with open(path, "rb") as file:
            state: Any = msgspec.json.decode(file.read())
        if state["schema"] != SCHEMA:
            return None
        slots = [_instance(slot) for slot in state["slots"]]
        app = _app(state["spec"], len(slots))
        return Left(
            msgspec.convert(app, AppRecord),
            msgspec.convert(slots, tuple[InstanceRecord, ...]),
        )
    # what the file holds may be anything, and to the caller all of that is the same
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return None


def _app(spec: dict[str, Any], instances: int) -> dict[str, Any]:
    policy = spec["policy"]
    limits = {**policy, "stop_signal": _signal_name(policy["stop_signal"])}
    return {**spec, "limits": limits, "instances": instances}


def _instance(slot: dict[str, Any]) -> dict[str, Any]:
    pid, started_at = None, None
    if slot["worker"]:
        pid, _ticks, (_monotonic, started_at), *_ = slot["worker"]
    names = ("code", "signal", "at", "ran_s", "asked")
    return {
        **slot,
        "pid": pid,
        "started_at": started_at,
        "unstable_restarts": len(slot["unstable_at"]),
        "exits": [dict(zip(names, end, strict=True)) for end in slot["exits"]],
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal without a name of its own
        return str(number)
