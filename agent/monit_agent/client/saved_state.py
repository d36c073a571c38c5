"""What ``state.json`` says about an app that has no running keeper, for rows that say "gone".

The keeper writes the file (``keeper/state/statefile.py``). Only what people want to see is read
here, and a file of another schema is ignored. A worker counts as running only if the process with
its pid started when it did, on this boot.
"""

import signal
from typing import Any, NamedTuple

import msgspec

from monit_agent.system import jsonline
from monit_agent.system.files.own_file import read_own_file
from monit_agent.system.procfs import boot_id, process_stat
from monit_agent.wire.messages import AppRecord, InstanceRecord
from monit_agent.wire.webhook import redacted

SCHEMA = 2


class SavedApp(NamedTuple):
    """The app and its slots as its last keeper saved them."""

    app: AppRecord
    instances: tuple[InstanceRecord, ...]
    of_this_boot: bool = True
    left: bool = False
    """Its keeper stopped it and exited, as at the end of `monit boot`."""


REBOOTED = "the machine was restarted"
_UNSEEN = "its worker exited while no keeper was running"
_WITH_WORKER = ("starting", "online", "draining", "stopping")


def read_saved_app(path: str) -> SavedApp | None:
    """Read ``state.json``; None when it cannot be read or is of another schema."""
    try:
        state: Any = jsonline.load(read_own_file(path))
        if state["schema"] != SCHEMA:
            return None
        same_boot = state["boot_id"] == boot_id()
        slots = [_instance(slot, same_boot=same_boot) for slot in state["slots"]]
        app = _app(state["spec"], len(slots))
        return SavedApp(
            msgspec.convert(app, AppRecord),
            msgspec.convert(slots, tuple[InstanceRecord, ...]),
            same_boot,
            state["left"] is True,
        )
    # the file may hold anything; the caller treats all of these the same
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return None


def _app(spec: dict[str, Any], instances: int) -> dict[str, Any]:
    policy = spec["policy"]
    limits = {**policy, "stop_signal": _signal_name(policy["stop_signal"])}
    alerts = spec.get("alerts", {})
    shown = {**alerts, "webhook": redacted(alerts.get("webhook", ""))}
    return {**spec, "policy": limits, "alerts": shown, "instances": instances}


def _instance(slot: dict[str, Any], *, same_boot: bool) -> dict[str, Any]:
    pid, started_at = None, None
    if slot["worker"]:
        pid, ticks, (_monotonic, started_at), *_ = slot["worker"]
        if not same_boot or not _is_running(pid, ticks):
            pid = started_at = None
    dead: dict[str, Any] = {}
    if pid is None and slot["status"] in _WITH_WORKER:
        why = _UNSEEN if same_boot else REBOOTED
        dead = {"status": "stopped", "ready": False, "reason": why}
    names = ("code", "signal", "at", "ran_s", "requested")
    return {
        **slot,
        **dead,
        "pid": pid,
        "started_at": started_at,
        "replacement": None,
        "failed_starts": len(slot["failed_start_times"]),
        "exits": [dict(zip(names, end, strict=True)) for end in slot["exits"]],
    }


def _is_running(pid: int, ticks: int) -> bool:
    stat = process_stat(pid)
    return stat is not None and not stat.exited and stat.start_ticks == ticks


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal without a name of its own
        return str(number)
