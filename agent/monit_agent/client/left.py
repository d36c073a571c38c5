"""What ``state.json`` tells of an app whose processes do not: for rows that say "gone".

The file is the keeper's own (``keep/statefile.py``); only what a person wants to see is read
here, and a file of another schema is no error but tells nothing.
"""

import signal
from typing import NamedTuple

import msgspec

from monit_agent.wire.messages import AppRecord, Exit, InstanceRecord, Limits, Status, Wanted

SCHEMA = 1


class Left(NamedTuple):
    """The app and its slots as its last keeper wrote them down."""

    app: AppRecord
    instances: tuple[InstanceRecord, ...]


class _Policy(msgspec.Struct):
    autorestart: bool
    min_uptime_s: float
    max_restarts: int
    kill_timeout_s: float
    listen_timeout_s: float
    stop_signal: int
    stop_exit_codes: tuple[int, ...]
    max_memory_bytes: int | None
    cron: str | None


class _Worker(msgspec.Struct, array_like=True):
    pid: int
    ticks: int
    since: tuple[float, float]


class _Exit(msgspec.Struct, array_like=True):
    code: int | None
    signal: int | None
    at: float
    ran_s: float
    asked: bool


class _Slot(msgspec.Struct):
    instance: int
    id: int
    status: Status
    wanted: Wanted
    ready: bool
    worker: _Worker | None
    restarts: int
    unstable_at: tuple[float, ...]
    restart_times: tuple[float, ...]
    exits: tuple[_Exit, ...]
    next_start_at: float | None
    reason: str | None


class _Spec(msgspec.Struct):
    name: str
    namespace: str
    version: str | None
    mode: str
    script: str
    args: tuple[str, ...]
    argv: tuple[str, ...]
    interpreter: str | None
    cwd: str
    user: str
    port: int | None
    watching: bool
    wait_ready: bool
    created_at: float
    policy: _Policy


class _State(msgspec.Struct):
    schema: int
    spec: _Spec
    slots: tuple[_Slot, ...]


_decoder = msgspec.json.Decoder(_State)


def read_left(path: str) -> Left | None:
    """Read ``state.json``; None when it cannot be read or is of another schema."""
    try:
        with open(path, "rb") as file:
            state = _decoder.decode(file.read())
        if state.schema != SCHEMA:
            return None
        return Left(_app(state), tuple(_instance(slot) for slot in state.slots))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _app(state: _State) -> AppRecord:
    spec = state.spec
    return AppRecord(
        name=spec.name,
        namespace=spec.namespace,
        version=spec.version,
        mode=spec.mode,
        script=spec.script,
        args=spec.args,
        argv=spec.argv,
        interpreter=spec.interpreter,
        cwd=spec.cwd,
        user=spec.user,
        port=spec.port,
        watching=spec.watching,
        wait_ready=spec.wait_ready,
        limits=_limits(spec.policy),
        instances=len(state.slots),
        created_at=spec.created_at,
    )


def _limits(policy: _Policy) -> Limits:
    return Limits(
        autorestart=policy.autorestart,
        min_uptime_s=policy.min_uptime_s,
        max_restarts=policy.max_restarts,
        kill_timeout_s=policy.kill_timeout_s,
        listen_timeout_s=policy.listen_timeout_s,
        stop_signal=_signal_name(policy.stop_signal),
        stop_exit_codes=policy.stop_exit_codes,
        max_memory_bytes=policy.max_memory_bytes,
        cron=policy.cron,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal without a name of its own
        return str(number)


def _instance(slot: _Slot) -> InstanceRecord:
    return InstanceRecord(
        instance=slot.instance,
        id=slot.id,
        status=slot.status,
        wanted=slot.wanted,
        ready=slot.ready,
        pid=slot.worker.pid if slot.worker else None,
        started_at=slot.worker.since[1] if slot.worker else None,
        restarts=slot.restarts,
        unstable_restarts=len(slot.unstable_at),
        restart_times=slot.restart_times,
        exits=tuple(_exit(each) for each in slot.exits),
        next_start_at=slot.next_start_at,
        reason=slot.reason,
    )


def _exit(each: _Exit) -> Exit:
    return Exit(code=each.code, signal=each.signal, at=each.at, ran_s=each.ran_s, asked=each.asked)
