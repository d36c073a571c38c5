"""The keeper's state in the words of ``wire/messages.py``, as JSON-able values.

That module is made of msgspec structs, which the keeper may not import: the names here are
checked against it by a test.
"""

import os

from monit_agent.supervise.app import size
from monit_agent.supervise.appstate import App, Rolling
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import Beside, Slot
from monit_agent.supervise.typed import Any
from monit_agent.supervise.words import signal_name


def app_record(app: App, spec: AppSpec) -> dict[str, Any]:
    """Give `AppRecord`."""
    policy = spec.policy
    return {
        "name": spec.name,
        "namespace": spec.namespace,
        "version": spec.version,
        "mode": spec.mode,
        "script": spec.script,
        "args": spec.args,
        "argv": spec.argv,
        "interpreter": spec.interpreter,
        "cwd": spec.cwd,
        "user": spec.user,
        "port": spec.port,
        "increment": spec.increment._asdict() if spec.increment else None,
        "watching": spec.watching,
        "wait_ready": spec.wait_ready,
        "limits": {
            "autorestart": policy.autorestart,
            "min_uptime_s": policy.min_uptime_s,
            "max_restarts": policy.max_restarts,
            "kill_timeout_s": policy.kill_timeout_s,
            "listen_timeout_s": policy.listen_timeout_s,
            "stop_signal": signal_name(policy.stop_signal),
            "stop_exit_codes": policy.stop_exit_codes,
            "max_memory_bytes": policy.max_memory_bytes,
            "cron": policy.cron,
        },
        "instances": size(app),
        "keeper_pid": os.getpid(),
        "created_at": spec.created_at,
        "checks": spec.checks._asdict(),
        "listen": spec.listen,
    }


def instance_record(slot: Slot) -> dict[str, Any]:
    """Give `InstanceRecord`."""
    worker = slot.worker
    return {
        "instance": slot.instance,
        "id": slot.id,
        "status": slot.status.value,
        "wanted": slot.wanted.value,
        "ready": slot.ready,
        "pid": worker.pid if worker else None,
        "started_at": worker.since.wall if worker else None,
        "restarts": slot.restarts,
        "unstable_restarts": len(slot.unstable_at),
        "restart_times": slot.restart_times,
        "exits": [exit_._asdict() for exit_ in slot.exits],
        "next_start_at": slot.next_start_at,
        "reason": slot.reason,
        "adopted": worker.adopted if worker else False,
        "second": second_record(slot.beside) if slot.beside else None,
    }


def second_record(beside: Beside) -> dict[str, Any]:
    """Give `Second`."""
    worker = beside.worker
    return {
        "pid": worker.pid if worker else None,
        "role": beside.role.value,
        "started_at": worker.since.wall if worker else None,
        "ready": beside.ready,
    }


def roll_record(roll: Rolling | None) -> dict[str, Any] | None:
    """Give `Roll`."""
    return roll._asdict() if roll else None


def log_record(instance: int, stream: str, begin: int, end: int, lost: int) -> dict[str, Any]:
    """Give `LogEnd`."""
    return {"instance": instance, "stream": stream, "begin": begin, "end": end, "lost_bytes": lost}
