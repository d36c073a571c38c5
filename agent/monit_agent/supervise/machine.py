"""One slot: ``decide(slot, event, spec) -> (slot, actions)``.

Pure: the time and the random number come with the event. The table at the end has every status and
every event. A pair that is impossible is decided too: nothing changes and the keeper's log says so,
because the process that keeps the others alive must not stop for a surprise.
"""

from collections.abc import Callable

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, LogError, RecordEvent, Signal, Spawn
from monit_agent.supervise.restart_rules import (
    SlotDecision,
    as_stopped,
    count_failed_start,
    early_exit_text,
    finish,
    give_up,
    is_final_exit,
    record_exit,
    slot_event,
    uptime_s,
    wait_for_room,
    wait_to_restart,
    went_into_background,
)
from monit_agent.supervise.spec import AppSpec, awaits_ready, has_port, has_ready_check
from monit_agent.supervise.state import AfterStop, DesiredState, Now, Slot, Status
from monit_agent.supervise.text import exit_text, seconds_text, signal_name
from monit_agent.typed import Any

SIGKILL = 9
KILL_AGAIN_S = 5.0
"""A process in an uninterruptible kernel call exits late; SIGKILL is sent again this often."""

_Handler = Callable[[Slot, Any, AppSpec], SlotDecision]


def decide(slot: Slot, event: e.SlotEvent, spec: AppSpec) -> SlotDecision:
    """Return the slot after ``event`` and what the keeper must do, in order."""
    return TABLE[type(event)][slot.status](slot, event, spec)


# ---------------------------------------------------------------- starting


def _start_fresh(slot: Slot, _event: e.StartRequested, _spec: AppSpec) -> SlotDecision:
    """Start a slot without a worker and forget its failed starts: a person requested it."""
    fresh = slot._replace(desired=DesiredState.RUNNING, failed_start_times=(), was_online=False)
    return _spawn(fresh)


def _spawn(slot: Slot) -> SlotDecision:
    starting = slot._replace(
        status=Status.STARTING,
        ready=False,
        listens=False,
        binds=False,
        worker=None,
        after_stop=AfterStop.STAY_STOPPED,
        deadline=None,
        killed=False,
        finished=False,
        done=False,
        next_start_at=None,
        reason=None,
    )
    return starting, (Spawn(slot.instance),)


def _restart_now(slot: Slot) -> SlotDecision:
    return _spawn(slot._replace(restarts=slot.restarts + 1))


def _spawned(slot: Slot, event: e.Spawned, spec: AppSpec) -> SlotDecision:
    if slot.worker is not None:
        return _impossible(slot, event, spec)
    policy = spec.policy
    reports = awaits_ready(spec) or has_port(spec) or slot.shares_port
    timeout_s = policy.listen_timeout_s if reports else policy.min_uptime_s
    deadline = event.worker.since.mono + timeout_s
    with_worker = slot._replace(worker=event.worker, deadline=deadline)
    return with_worker, (slot_event(slot, "spawned", f"pid {event.worker.pid}"),)


def _became_ready(slot: Slot, event: e.BecameReady, spec: AppSpec) -> SlotDecision:
    if not (awaits_ready(spec) and event.checked == has_ready_check(spec)):
        return slot, ()
    if announces_listening(event, spec):
        slot = slot._replace(listens=True, shares_port=True)
    return become_online(slot, event.now, spec)


def announces_listening(event: e.SlotEvent, spec: AppSpec) -> bool:
    """Return whether a worker reports by itself that it is ready, and inherits its sockets: then it
    accepts on them."""
    return isinstance(event, e.BecameReady) and not event.checked and bool(spec.listen)


def _readiness_failed(slot: Slot, event: e.ReadinessFailed, _spec: AppSpec) -> SlotDecision:
    return slot if slot.reason == event.reason else slot._replace(reason=event.reason), ()


def _bound_port(slot: Slot, _event: e.BoundPort, spec: AppSpec) -> SlotDecision:
    if slot.worker is None or slot.binds:
        return slot, ()
    # a server: from now on it is online when it accepts, however long it has run by then
    return slot._replace(
        binds=True,
        shares_port=True,
        deadline=slot.worker.since.mono + spec.policy.listen_timeout_s,
    ), ()


def _started_listening(slot: Slot, event: e.StartedListening, spec: AppSpec) -> SlotDecision:
    slot = slot._replace(listens=True, shares_port=event.shared, own_port=event.own)
    if slot.status is not Status.STARTING or slot.worker is None or awaits_ready(spec):
        return slot, ()
    return become_online(slot, event.now, spec)


def _start_deadline_passed(slot: Slot, event: e.DeadlinePassed, spec: AppSpec) -> SlotDecision:
    if not is_due(slot, event.now):
        return slot, ()
    if not (awaits_ready(spec) or has_port(spec) or slot.binds):
        # it may have become a program without a port; one with a port would have bound it by now
        return become_online(slot._replace(shares_port=slot.listens), event.now, spec)
    text = not_ready_in_time(slot.reason, spec)
    stopping, actions = _send_stop(slot, event.now, spec, Status.STOPPING, AfterStop.FAILED_START)
    return stopping._replace(reason=text), (slot_event(slot, "unready", text), *actions)


def not_ready_in_time(why: str | None, spec: AppSpec) -> str:
    """Return that a worker was not ready in time, and why as far as that is known."""
    text = f"not ready within {seconds_text(spec.policy.listen_timeout_s)}"
    return f"{text}: {why}" if why else text


def become_online(slot: Slot, now: Now, spec: AppSpec) -> SlotDecision:
    """Return the slot as online."""
    online = slot._replace(
        status=Status.ONLINE,
        ready=True,
        was_online=True,
        reason=None,
        deadline=now.mono + spec.policy.stable_after_s if slot.failed_start_times else None,
    )
    return online, (slot_event(slot, "ready", f"online after {seconds_text(uptime_s(slot, now))}"),)


def _stable_for_long(slot: Slot, event: e.DeadlinePassed, _spec: AppSpec) -> SlotDecision:
    if not is_due(slot, event.now):
        return slot, ()
    return slot._replace(deadline=None, failed_start_times=()), ()


# ---------------------------------------------------------------- stopping


def _stop(slot: Slot, event: e.StopRequested, spec: AppSpec) -> SlotDecision:
    if slot.worker is None:  # it is still to be started
        return _stop_resting(slot, event, spec)
    slot = _with_desired(slot, event)
    stopping, actions = _send_stop(slot, event.now, spec, Status.STOPPING, AfterStop.STAY_STOPPED)
    return stopping, (_stopping_event(slot, spec), *actions)


def _stop_resting(slot: Slot, event: e.StopRequested, _spec: AppSpec) -> SlotDecision:
    slot = _with_desired(slot, event)
    if slot.status is Status.STOPPED:
        return slot, ()
    return as_stopped(slot)._replace(failed_start_times=(), reason=None), (
        slot_event(slot, "stopped", "was not running"),
    )


def _stop_stopping(slot: Slot, event: e.StopRequested, _spec: AppSpec) -> SlotDecision:
    return _with_desired(slot, event)._replace(
        status=Status.STOPPING, after_stop=AfterStop.STAY_STOPPED
    ), ()


def _with_desired(slot: Slot, event: e.StopRequested) -> Slot:
    return slot if event.keep_desired else slot._replace(desired=DesiredState.STOPPED)


def _restart(slot: Slot, event: e.RestartRequested, spec: AppSpec) -> SlotDecision:
    if slot.worker is None:  # the start that is still to come is one
        return slot._replace(failed_start_times=(), was_online=False), ()
    return _stop_for_next(slot, event.now, spec, Status.STOPPING)


def _replace(slot: Slot, event: e.ReplaceRequested, spec: AppSpec) -> SlotDecision:
    return _stop_for_next(slot, event.now, spec, Status.DRAINING)


def _stop_for_next(slot: Slot, now: Now, spec: AppSpec, status: Status) -> SlotDecision:
    fresh = slot._replace(desired=DesiredState.RUNNING, failed_start_times=(), was_online=False)
    stopping, actions = _send_stop(fresh, now, spec, status, AfterStop.START_AGAIN)
    return stopping, (_stopping_event(slot, spec), *actions)


def _start_stopping(
    slot: Slot, _event: e.StartRequested | e.RestartRequested, _spec: AppSpec
) -> SlotDecision:
    return slot._replace(desired=DesiredState.RUNNING, after_stop=AfterStop.START_AGAIN), ()


def _send_stop(
    slot: Slot, now: Now, spec: AppSpec, status: Status, after: AfterStop
) -> tuple[Slot, tuple[Action, ...]]:
    stopping = slot._replace(
        status=status,
        after_stop=after,
        ready=False,
        killed=False,
        deadline=now.mono + spec.policy.kill_timeout_s,
    )
    return stopping, (Signal(slot.instance, spec.policy.stop_signal),)


def _stopping_event(slot: Slot, spec: AppSpec) -> RecordEvent:
    pid = slot.worker.pid if slot.worker else "?"
    return slot_event(slot, "stopping", f"{signal_name(spec.policy.stop_signal)} to pid {pid}")


def _kill_overdue(slot: Slot, event: e.DeadlinePassed, spec: AppSpec) -> SlotDecision:
    if not is_due(slot, event.now):
        return slot, ()
    killed = slot._replace(killed=True, deadline=event.now.mono + KILL_AGAIN_S)
    kill = Signal(slot.instance, SIGKILL)
    if slot.killed:
        return killed, (kill,)
    return killed, (slot_event(slot, "killed", kill_text(spec)), kill)


def kill_text(spec: AppSpec) -> str:
    """Return why a worker is killed."""
    timeout = seconds_text(spec.policy.kill_timeout_s)
    return f"did not exit within {timeout} of {signal_name(spec.policy.stop_signal)}; sent SIGKILL"


# ---------------------------------------------------------------- exits


def _exited_stopping(slot: Slot, event: e.Exited, spec: AppSpec) -> SlotDecision:
    requested = slot.after_stop is not AfterStop.FAILED_START
    gone, events = record_exit(slot, event, requested=requested)
    if slot.after_stop is AfterStop.START_AGAIN:
        again, actions = _restart_now(gone)
        return again, (*events, *actions)
    if slot.after_stop is AfterStop.FAILED_START:
        why = f"{slot.reason}; {exit_text(event.code, event.signal)}"
        after, actions = count_failed_start(gone, event.now, event.jitter, why, spec)
        return after, (*events, *actions)
    return as_stopped(gone), (*events, slot_event(slot, "stopped", ""))


def _spawn_failed_stopping(slot: Slot, event: e.SpawnFailed, _spec: AppSpec) -> SlotDecision:
    """Exec failed after a stop was requested: there is nothing to start again."""
    gone = slot._replace(worker=None, reason=event.reason)
    again = slot.after_stop is AfterStop.START_AGAIN
    status = Status.ERRORED if again else Status.STOPPED
    kind = "errored" if again else "stopped"
    return as_stopped(gone)._replace(status=status), (slot_event(slot, kind, event.reason),)


def _exited_online(slot: Slot, event: e.Exited, spec: AppSpec) -> SlotDecision:
    early = uptime_s(slot, event.now) < spec.policy.min_uptime_s
    if event.again or event.why or early or _became_daemon(slot, event, spec):
        return _exited_starting(slot, event, spec)  # it counted as ready, and was not
    gone, events = record_exit(slot, event, requested=False)
    if is_final_exit(event, spec):
        rest, actions = finish(gone, event, spec, exit_text(event.code, event.signal))
        return rest, (*events, *actions)
    delay_s = spec.policy.restart_delay_s
    if delay_s:
        why = exit_text(event.code, event.signal)
        again, actions = wait_to_restart(gone, event.now, why, delay_s)
    else:
        again, actions = _restart_now(gone)
    return again, (*events, *actions)


def _became_daemon(slot: Slot, event: e.Exited, spec: AppSpec) -> bool:
    """Return whether the program took longer than its minimum uptime to go into the background: it
    would do that again and again. A job may leave something behind when it is done."""
    soon = uptime_s(slot, event.now) < spec.policy.stable_after_s
    return soon and went_into_background(slot, event) and not is_final_exit(event, spec)


def _exited_starting(slot: Slot, event: e.Exited, spec: AppSpec) -> SlotDecision:
    gone, events = record_exit(slot, event, requested=event.again)
    if event.again:
        next_one, actions = _spawn(gone)
        return next_one, (*events, *actions)
    why = early_exit_text(slot, event)
    if is_final_exit(event, spec):
        rest, actions = finish(gone, event, spec, why)
        if went_into_background(slot, event):
            rest = rest._replace(reason=why, done=False)
        return rest, (*events, *actions)
    after, actions = count_failed_start(gone, event.now, event.jitter, why, spec)
    return after, (*events, *actions)


def _spawn_failed(slot: Slot, event: e.SpawnFailed, spec: AppSpec) -> SlotDecision:
    gone = slot._replace(worker=None, deadline=None)
    if event.shortage:
        return wait_for_room(gone, event)
    if event.refused:
        return give_up(gone, event.reason)
    hopeless = event.permanent and not slot.was_online
    if hopeless or spec.policy.restart == "never" or spec.type == "once":
        return give_up(gone, event.reason)
    return count_failed_start(gone, event.now, event.jitter, event.reason, spec)


# ---------------------------------------------------------------- the rest


def _backoff_over(slot: Slot, event: e.DeadlinePassed, _spec: AppSpec) -> SlotDecision:
    if not is_due(slot, event.now):
        return slot, ()
    return _spawn(slot) if slot.no_room else _restart_now(slot)  # no worker existed meanwhile


def _reset(slot: Slot, _event: e.ResetRequested, _spec: AppSpec) -> SlotDecision:
    return slot._replace(
        restarts=0, failed_start_times=(), restart_times=(), earlier_restarts=(), exits=()
    ), ()


def _unchanged(slot: Slot, _event: e.SlotEvent, _spec: AppSpec) -> SlotDecision:
    return slot, ()


def _impossible(slot: Slot, event: e.SlotEvent, _spec: AppSpec) -> SlotDecision:
    name = type(event).__name__
    return slot, (
        LogError(f"unexpected {name} for instance {slot.instance} ({slot.status.value})"),
    )


def is_due(slot: Slot, now: Now) -> bool:
    """Return whether the slot's deadline has passed."""
    return slot.deadline is not None and now.mono >= slot.deadline


# ---------------------------------------------------------------- the table


def _row(
    *,
    starting: _Handler,
    online: _Handler,
    stopping: _Handler,
    stopped: _Handler,
    backoff: _Handler,
    errored: _Handler,
) -> dict[Status, _Handler]:
    return {
        Status.STARTING: starting,
        Status.ONLINE: online,
        Status.DRAINING: stopping,
        Status.STOPPING: stopping,
        Status.STOPPED: stopped,
        Status.BACKOFF: backoff,
        Status.ERRORED: errored,
    }


TABLE: dict[type, dict[Status, _Handler]] = {
    e.StartRequested: _row(
        starting=_unchanged, online=_unchanged, stopping=_start_stopping,
        stopped=_start_fresh, backoff=_start_fresh, errored=_start_fresh,
    ),
    e.StopRequested: _row(
        starting=_stop, online=_stop, stopping=_stop_stopping,
        stopped=_stop_resting, backoff=_stop_resting, errored=_stop_resting,
    ),
    e.RestartRequested: _row(
        starting=_restart, online=_restart, stopping=_start_stopping,
        stopped=_start_fresh, backoff=_start_fresh, errored=_start_fresh,
    ),
    e.ReplaceRequested: _row(
        starting=_replace, online=_replace, stopping=_start_stopping,
        stopped=_start_fresh, backoff=_start_fresh, errored=_start_fresh,
    ),
    # only an incoming worker can be cancelled, and that is decided in `overlap`
    e.ReplaceCancelled: _row(
        starting=_unchanged, online=_unchanged, stopping=_unchanged,
        stopped=_unchanged, backoff=_unchanged, errored=_unchanged,
    ),
    e.ResetRequested: _row(
        starting=_reset, online=_reset, stopping=_reset,
        stopped=_reset, backoff=_reset, errored=_reset,
    ),
    e.Spawned: _row(
        starting=_spawned, online=_impossible, stopping=_impossible,
        stopped=_impossible, backoff=_impossible, errored=_impossible,
    ),
    e.SpawnFailed: _row(
        # a failed exec is known only when the child has exited, which may be late
        starting=_spawn_failed, online=_spawn_failed, stopping=_spawn_failed_stopping,
        stopped=_impossible, backoff=_impossible, errored=_impossible,
    ),
    # a report or a deadline may cross with the exit of its worker: not an error
    e.BecameReady: _row(
        starting=_became_ready, online=_unchanged, stopping=_unchanged,
        stopped=_unchanged, backoff=_unchanged, errored=_unchanged,
    ),
    e.ReadinessFailed: _row(
        starting=_readiness_failed, online=_unchanged, stopping=_unchanged,
        stopped=_unchanged, backoff=_unchanged, errored=_unchanged,
    ),
    e.BoundPort: _row(
        starting=_bound_port, online=_unchanged, stopping=_unchanged,
        stopped=_unchanged, backoff=_unchanged, errored=_unchanged,
    ),
    e.StartedListening: _row(
        starting=_started_listening, online=_started_listening, stopping=_unchanged,
        stopped=_unchanged, backoff=_unchanged, errored=_unchanged,
    ),
    # only an incoming worker is waited for until it has settled, and only another one drains
    e.Settled: _row(
        starting=_unchanged, online=_unchanged, stopping=_unchanged,
        stopped=_unchanged, backoff=_unchanged, errored=_unchanged,
    ),
    e.Drained: _row(
        starting=_unchanged, online=_unchanged, stopping=_unchanged,
        stopped=_unchanged, backoff=_unchanged, errored=_unchanged,
    ),
    e.ReloadedInPlace: _row(  # no reload in place is waited for: it was ended
        starting=_unchanged, online=_unchanged, stopping=_unchanged,
        stopped=_unchanged, backoff=_unchanged, errored=_unchanged,
    ),
    e.Exited: _row(
        starting=_exited_starting, online=_exited_online, stopping=_exited_stopping,
        stopped=_impossible, backoff=_impossible, errored=_impossible,
    ),
    e.DeadlinePassed: _row(
        starting=_start_deadline_passed, online=_stable_for_long, stopping=_kill_overdue,
        stopped=_unchanged, backoff=_backoff_over, errored=_unchanged,
    ),
}  # fmt: skip
