"""The records of ``wire/messages.py``, as JSON-able values, made from the state of an app.

That module consists of msgspec structs, which the keeper may not import: a test compares the
names here with it.
"""

from monit_agent.supervise.app import instance_count
from monit_agent.supervise.appstate import App, Rollout
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import Replacement, Slot
from monit_agent.supervise.text import signal_name
from monit_agent.typed import Any

REUSEPORT = "reuseport"


def effective_mode(app: App, spec: AppSpec) -> str:
    """Return the mode by what the workers do: that of the spec, or ``fork`` or ``reuseport`` when
    all of them opened the port themselves."""
    listening = [slot for slot in app.slots if slot.listens]
    if not listening or not all(slot.own_port for slot in listening):
        return spec.mode
    return REUSEPORT if all(slot.shares_port for slot in listening) else "fork"


def app_record(app: App, spec: AppSpec, keeper_pid: int) -> dict[str, Any]:
    """Return `AppRecord`."""
    return {
        "name": spec.name,
        "namespace": spec.namespace,
        "version": spec.version,
        "mode": effective_mode(app, spec),
        "script": spec.script,
        "args": spec.args,
        "argv": spec.argv,
        "interpreter": spec.interpreter,
        "cwd": spec.cwd,
        "user": spec.user,
        "worker_user": spec.worker_user,
        "worker_group": spec.worker_group,
        "port": spec.port,
        "increment": spec.increment._asdict() if spec.increment else None,
        "instance_var": spec.instance_var,
        "timezone": spec.timezone,
        "watching": bool(spec.watch_paths),
        "watch_paths": spec.watch_paths,
        "watch_ignore": spec.watch_ignore,
        "watch_delay_s": spec.watch_delay_s,
        "watch": None,  # the agent adds these
        "cron_next_at": None,
        "cron_zone": None,
        "environment": None,  # the supervisor adds these
        "keeper_version": None,
        "problems": (),  # both do
        "wait_ready": spec.wait_ready,
        "inherit_env": spec.inherit_env,
        "drop_env": spec.drop_env,
        "policy": _policy_record(spec.policy),
        "instances": instance_count(app),
        "keeper_pid": keeper_pid,
        "created_at": spec.created_at,
        "checks": spec.checks._asdict(),
        "log": spec.log._asdict(),
        "alerts": spec.alerts._asdict(),
        "listen": spec.listen,
        "chosen_mode": spec.chosen_mode,
        "type": spec.type,
        "after": spec.after,
        "origin_file": spec.origin_file,
    }


def _policy_record(policy: RestartPolicy) -> dict[str, Any]:
    return {
        "autorestart": policy.restart != "never",
        "restart": policy.restart,
        "min_uptime_s": policy.min_uptime_s,
        "max_restarts": policy.max_restarts,
        "backoff_first_s": policy.backoff_first_s,
        "backoff_cap_s": policy.backoff_cap_s,
        "restart_delay_s": policy.restart_delay_s,
        "kill_timeout_s": policy.kill_timeout_s,
        "listen_timeout_s": policy.listen_timeout_s,
        "stop_signal": signal_name(policy.stop_signal),
        "kill_mode": policy.kill_mode,
        "stop_exit_codes": policy.stop_exit_codes,
        "max_memory_bytes": policy.max_memory_bytes,
        "cron": policy.cron,
        "reload_command": policy.reload_command,
        "reload_signal": None
        if policy.reload_signal is None
        else signal_name(policy.reload_signal),
    }


def instance_record(slot: Slot) -> dict[str, Any]:
    """Return `InstanceRecord`."""
    worker = slot.worker
    return {
        "instance": slot.instance,
        "id": slot.id,
        "status": slot.status.value,
        "desired": slot.desired.value,
        "ready": slot.ready,
        "pid": worker.pid if worker else None,
        "started_at": worker.since.wall if worker else None,
        "restarts": slot.restarts,
        "failed_starts": len(slot.failed_start_times),
        "restart_times": slot.restart_times,
        "earlier_restarts": slot.earlier_restarts,
        "exits": [exit_._asdict() for exit_ in slot.exits],
        "next_start_at": slot.next_start_at,
        "reason": slot.reason,
        "done": slot.done,
        "adopted": worker.adopted if worker else False,
        "replacement": replacement_record(slot.replacement) if slot.replacement else None,
        "reloading": slot.in_place is not None,
    }


def replacement_record(replacement: Replacement) -> dict[str, Any]:
    """Return `Replacement`."""
    worker = replacement.worker
    return {
        "pid": worker.pid if worker else None,
        "role": replacement.role.value,
        "started_at": worker.since.wall if worker else None,
        "ready": replacement.ready,
    }


def rollout_record(rollout: Rollout | None) -> dict[str, Any] | None:
    """Return `Rollout`."""
    if rollout is None:
        return None
    record = rollout._asdict()
    # how the keeper does it, of no use to a reader
    for name in ("beside", "in_place", "stopped_first"):
        del record[name]
    return record
