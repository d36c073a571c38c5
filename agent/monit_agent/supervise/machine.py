"""One slot: ``decide(slot, event, spec) -> (slot, actions)``.

Pure: time comes with the event, chance too. The table at the end has every status and every
event; a pair that cannot be is decided as well: nothing changes and the keeper's log says so,
because the process that keeps the others alive does not stop for a riddle.
"""

from collections.abc import Callable

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Complain, Signal, Spawn, Tell
from monit_agent.supervise.exits import (
    Decision,
    bury,
    error,
    finished_text,
    is_finished,
    ran_s,
    rest,
    tell,
    unstable,
)
from monit_agent.supervise.spec import AppSpec, is_checked, waits
from monit_agent.supervise.state import (
    After,
    Now,
    Slot,
    Status,
    Wanted,
)
from monit_agent.supervise.typed import Any
from monit_agent.supervise.words import how, seconds, signal_name

SIGKILL = 9
KILL_AGAIN_S = 5.0
"""A process that is deep in the kernel dies late; it is reminded this often."""

_Handler = Callable[[Slot, Any, AppSpec], Decision]


def decide(slot: Slot, event: e.SlotEvent, spec: AppSpec) -> Decision:
    """Give the slot after ``event`` and what the keeper shall do, in order."""
    return TABLE[type(event)][slot.status](slot, event, spec)


# ---------------------------------------------------------------- starting


def _begin(slot: Slot, _event: e.StartAsked, _spec: AppSpec) -> Decision:
    """Start what has no worker, with a clean slate: a person decided."""
    fresh = slot._replace(wanted=Wanted.RUNNING, unstable_at=(), proven=False)
    return _spawn(fresh)


def _spawn(slot: Slot) -> Decision:
    starting = slot._replace(
        status=Status.STARTING,
        ready=False,
        listens=False,
        worker=None,
        after=After.REST,
        wake_at=None,
        killed=False,
        next_start_at=None,
        reason=None,
    )
    return starting, (Spawn(slot.instance),)


def _again(slot: Slot) -> Decision:
    return _spawn(slot._replace(restarts=slot.restarts + 1))


def _spawned(slot: Slot, event: e.Spawned, spec: AppSpec) -> Decision:
    if slot.worker is not None:
        return _impossible(slot, event, spec)
    policy = spec.policy
    speaks = waits(spec) or (slot.shares and not spec.listen)
    patience = policy.listen_timeout_s if speaks else policy.min_uptime_s
    with_worker = slot._replace(
        worker=event.worker,
        wake_at=event.worker.since.mono + patience,
        listens=bool(spec.listen),  # it inherits the sockets, and there is no word of accepting
    )
    return with_worker, (tell(slot, "spawned", f"pid {event.worker.pid}"),)


def _became_ready(slot: Slot, event: e.BecameReady, spec: AppSpec) -> Decision:
    heard = waits(spec) and event.checked == is_checked(spec)
    return come_online(slot, event.now, spec) if heard else (slot, ())


def _not_ready(slot: Slot, event: e.NotReady, _spec: AppSpec) -> Decision:
    return slot if slot.reason == event.why else slot._replace(reason=event.why), ()


def _listened(slot: Slot, event: e.Listened, spec: AppSpec) -> Decision:
    slot = slot._replace(listens=True, shares=True)
    if slot.status is not Status.STARTING or slot.worker is None or waits(spec):
        return slot, ()
    return come_online(slot, event.now, spec)


def _patience_over(slot: Slot, event: e.TimeCame, spec: AppSpec) -> Decision:
    if not is_due(slot, event.now):
        return slot, ()
    if not waits(spec):
        # it may have become a program without a port; with a port it said so long ago
        return come_online(slot._replace(shares=slot.listens), event.now, spec)
    text = too_late(slot.reason, spec)
    stopping, actions = _tell_to_stop(slot, event.now, spec, Status.STOPPING, After.UNSTABLE)
    return stopping._replace(reason=text), (tell(slot, "unready", text), *actions)


def too_late(why: str | None, spec: AppSpec) -> str:
    """Say that a worker was not ready in time, and why as far as that is known."""
    text = f"not ready within {seconds(spec.policy.listen_timeout_s)}"
    return f"{text}: {why}" if why else text


def come_online(slot: Slot, now: Now, spec: AppSpec) -> Decision:
    """Give the slot as one whose worker does its work."""
    up = ran_s(slot, now)
    online = slot._replace(
        status=Status.ONLINE,
        ready=True,
        proven=True,
        reason=None,
        wake_at=now.mono + spec.policy.stable_after_s if slot.unstable_at else None,
    )
    return online, (tell(slot, "ready", f"online after {seconds(up)}"),)


def _stable(slot: Slot, event: e.TimeCame, _spec: AppSpec) -> Decision:
    if not is_due(slot, event.now):
        return slot, ()
    return slot._replace(wake_at=None, unstable_at=()), ()


# ---------------------------------------------------------------- stopping


def _stop(slot: Slot, event: e.StopAsked, spec: AppSpec) -> Decision:
    wished = _wish(slot, event)
    stopping, actions = _tell_to_stop(wished, event.now, spec, Status.STOPPING, After.REST)
    return stopping, (_tell_stopping(slot, spec), *actions)


def _stop_resting(slot: Slot, event: e.StopAsked, _spec: AppSpec) -> Decision:
    wished = _wish(slot, event)
    if slot.status is Status.STOPPED:
        return wished, ()
    return rest(wished)._replace(unstable_at=(), reason=None), (
        tell(slot, "stopped", "was not running"),
    )


def _stop_stopping(slot: Slot, event: e.StopAsked, _spec: AppSpec) -> Decision:
    return _wish(slot, event)._replace(status=Status.STOPPING, after=After.REST), ()


def _wish(slot: Slot, event: e.StopAsked) -> Slot:
    return slot._replace(wanted=Wanted.STOPPED) if event.wish else slot


def _restart(slot: Slot, event: e.RestartAsked, spec: AppSpec) -> Decision:
    return _stop_for_next(slot, event.now, spec, Status.STOPPING)


def _replace(slot: Slot, event: e.ReplaceAsked, spec: AppSpec) -> Decision:
    return _stop_for_next(slot, event.now, spec, Status.DRAINING)


def _stop_for_next(slot: Slot, now: Now, spec: AppSpec, status: Status) -> Decision:
    fresh = slot._replace(wanted=Wanted.RUNNING, unstable_at=(), proven=False)
    stopping, actions = _tell_to_stop(fresh, now, spec, status, After.AGAIN)
    return stopping, (_tell_stopping(slot, spec), *actions)


def _start_stopping(slot: Slot, _event: e.StartAsked | e.RestartAsked, _spec: AppSpec) -> Decision:
    return slot._replace(wanted=Wanted.RUNNING, after=After.AGAIN), ()


def _tell_to_stop(
    slot: Slot, now: Now, spec: AppSpec, status: Status, after: After
) -> tuple[Slot, tuple[Action, ...]]:
    stopping = slot._replace(
        status=status,
        after=after,
        ready=False,
        killed=False,
        wake_at=now.mono + spec.policy.kill_timeout_s,
    )
    return stopping, (Signal(slot.instance, spec.policy.stop_signal),)


def _tell_stopping(slot: Slot, spec: AppSpec) -> Tell:
    pid = slot.worker.pid if slot.worker else "?"
    return tell(slot, "stopping", f"{signal_name(spec.policy.stop_signal)} to pid {pid}")


def _time_to_kill(slot: Slot, event: e.TimeCame, spec: AppSpec) -> Decision:
    if not is_due(slot, event.now):
        return slot, ()
    killed = slot._replace(killed=True, wake_at=event.now.mono + KILL_AGAIN_S)
    kill = Signal(slot.instance, SIGKILL)
    if slot.killed:
        return killed, (kill,)
    return killed, (tell(slot, "killed", unheeded(spec)), kill)


def unheeded(spec: AppSpec) -> str:
    """Say why a worker is killed."""
    patience = seconds(spec.policy.kill_timeout_s)
    return f"did not heed {signal_name(spec.policy.stop_signal)} for {patience}: SIGKILL"


# ---------------------------------------------------------------- exits


def _stopped_as_asked(slot: Slot, event: e.Exited, spec: AppSpec) -> Decision:
    asked = slot.after is not After.UNSTABLE
    gone, told = bury(slot, event, asked=asked)
    if slot.after is After.AGAIN:
        again, actions = _again(gone)
        return again, (*told, *actions)
    if slot.after is After.UNSTABLE:
        why = f"{slot.reason}; {how(event.code, event.signal)}"
        after, actions = unstable(gone, event.now, event.jitter, why, spec)
        return after, (*told, *actions)
    return rest(gone), (*told, tell(slot, "stopped", ""))


def _never_ran(slot: Slot, event: e.SpawnFailed, _spec: AppSpec) -> Decision:
    """Exec failed after somebody had asked to stop: there is nothing to start again."""
    gone = slot._replace(worker=None, reason=event.reason)
    again = slot.after is After.AGAIN
    status = Status.ERRORED if again else Status.STOPPED
    kind = "errored" if again else "stopped"
    return rest(gone)._replace(status=status), (tell(slot, kind, event.reason),)


def _died_online(slot: Slot, event: e.Exited, spec: AppSpec) -> Decision:
    if ran_s(slot, event.now) < spec.policy.min_uptime_s:
        return _died_starting(slot, event, spec)  # it said that it was ready, and was not
    gone, told = bury(slot, event, asked=False)
    if is_finished(event, spec):
        return rest(gone), (*told, tell(slot, "stopped", finished_text(event, spec)))
    again, actions = _again(gone)
    return again, (*told, *actions)


def _died_starting(slot: Slot, event: e.Exited, spec: AppSpec) -> Decision:
    gone, told = bury(slot, event, asked=False)
    if is_finished(event, spec):
        return rest(gone), (*told, tell(slot, "stopped", finished_text(event, spec)))
    after, actions = unstable(gone, event.now, event.jitter, how(event.code, event.signal), spec)
    return after, (*told, *actions)


def _failed(slot: Slot, event: e.SpawnFailed, spec: AppSpec) -> Decision:
    gone = slot._replace(worker=None, wake_at=None)
    hopeless = event.lasting and not slot.proven
    if hopeless or not spec.policy.autorestart:
        return error(gone, event.reason)
    return unstable(gone, event.now, event.jitter, event.reason, spec)


# ---------------------------------------------------------------- the rest


def _backoff_over(slot: Slot, event: e.TimeCame, _spec: AppSpec) -> Decision:
    return _again(slot) if is_due(slot, event.now) else (slot, ())


def _reset(slot: Slot, _event: e.ResetAsked, _spec: AppSpec) -> Decision:
    return slot._replace(restarts=0, unstable_at=(), restart_times=(), exits=()), ()


def _as_it_is(slot: Slot, _event: e.SlotEvent, _spec: AppSpec) -> Decision:
    return slot, ()


def _impossible(slot: Slot, event: e.SlotEvent, _spec: AppSpec) -> Decision:
    name = type(event).__name__
    return slot, (Complain(f"{name} cannot happen to {slot.instance}, {slot.status.value}"),)


def is_due(slot: Slot, now: Now) -> bool:
    """Tell whether what the slot waits for has come."""
    return slot.wake_at is not None and now.mono >= slot.wake_at


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
    e.StartAsked: _row(
        starting=_as_it_is, online=_as_it_is, stopping=_start_stopping,
        stopped=_begin, backoff=_begin, errored=_begin,
    ),
    e.StopAsked: _row(
        starting=_stop, online=_stop, stopping=_stop_stopping,
        stopped=_stop_resting, backoff=_stop_resting, errored=_stop_resting,
    ),
    e.RestartAsked: _row(
        starting=_restart, online=_restart, stopping=_start_stopping,
        stopped=_begin, backoff=_begin, errored=_begin,
    ),
    e.ReplaceAsked: _row(
        starting=_replace, online=_replace, stopping=_start_stopping,
        stopped=_begin, backoff=_begin, errored=_begin,
    ),
    # only an heir can be sent away, and that is decided in `beside`
    e.ReplaceCancelled: _row(
        starting=_as_it_is, online=_as_it_is, stopping=_as_it_is,
        stopped=_as_it_is, backoff=_as_it_is, errored=_as_it_is,
    ),
    e.ResetAsked: _row(
        starting=_reset, online=_reset, stopping=_reset,
        stopped=_reset, backoff=_reset, errored=_reset,
    ),
    e.Spawned: _row(
        starting=_spawned, online=_impossible, stopping=_impossible,
        stopped=_impossible, backoff=_impossible, errored=_impossible,
    ),
    e.SpawnFailed: _row(
        # the news of a failed exec comes with the end of the child, which may be late
        starting=_failed, online=_failed, stopping=_never_ran,
        stopped=_impossible, backoff=_impossible, errored=_impossible,
    ),
    # a word or an alarm may cross with the end of what it was about: not an error
    e.BecameReady: _row(
        starting=_became_ready, online=_as_it_is, stopping=_as_it_is,
        stopped=_as_it_is, backoff=_as_it_is, errored=_as_it_is,
    ),
    e.NotReady: _row(
        starting=_not_ready, online=_as_it_is, stopping=_as_it_is,
        stopped=_as_it_is, backoff=_as_it_is, errored=_as_it_is,
    ),
    e.Listened: _row(
        starting=_listened, online=_listened, stopping=_as_it_is,
        stopped=_as_it_is, backoff=_as_it_is, errored=_as_it_is,
    ),
    # a worker that counts is told to stop by other ways
    e.Quiesced: _row(
        starting=_as_it_is, online=_as_it_is, stopping=_as_it_is,
        stopped=_as_it_is, backoff=_as_it_is, errored=_as_it_is,
    ),
    e.Exited: _row(
        starting=_died_starting, online=_died_online, stopping=_stopped_as_asked,
        stopped=_impossible, backoff=_impossible, errored=_impossible,
    ),
    e.TimeCame: _row(
        starting=_patience_over, online=_stable, stopping=_time_to_kill,
        stopped=_as_it_is, backoff=_backoff_over, errored=_as_it_is,
    ),
}  # fmt: skip
