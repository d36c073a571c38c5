"""A replacement without a gap: the incoming worker starts beside the old one.

``decide`` as in `machine`, for slots that may have two workers, or one that reloads itself
(`in_place`). Where a slot's worker accepts connections on a port that the keeper holds, the next
one (*incoming*) can accept there too. Where it listens nowhere, as workers of a queue, the next one
can run beside it as well:

    incoming starts ─▶ it is ready ─▶ it is the slot's worker; the old one drains, then gets the
                                      stop signal, then exits
                    └▶ it exits, is not ready in time, or the reload is cancelled: it is stopped,
                       and the old worker keeps running

Whatever concerns the slot's own worker is decided by `machine`.
"""

from monit_agent.supervise import events as e
from monit_agent.supervise import handover, in_place, machine
from monit_agent.supervise.actions import Action, Drain, LogError, Signal, Spawn
from monit_agent.supervise.restart_rules import SlotDecision, record_exit, slot_event
from monit_agent.supervise.spec import AppSpec, awaits_ready, has_ready_check
from monit_agent.supervise.state import (
    RESTING,
    AfterStop,
    DesiredState,
    Now,
    Replacement,
    Role,
    Slot,
    Status,
)
from monit_agent.supervise.text import exit_text, seconds_text, signal_name

SETTLES_WITHIN_S = 10.0
"""An incoming worker without a port that is busy for so long works, and does not start any more."""


def decide(slot: Slot, event: e.SlotEvent, spec: AppSpec) -> SlotDecision:
    """Return the slot after ``event`` and what the keeper must do, in order."""
    if isinstance(event, e.TookOver):
        return handover.take_over(slot, event)
    if slot.replacement is not None:
        return _decide_for_two(slot, slot.replacement, event, spec)
    if slot.in_place is not None:
        return in_place.decide(slot, slot.in_place, event, spec)
    if isinstance(event, e.ReplaceRequested):
        slot = slot._replace(replace_failure=None, reload_output=())
        if event.in_place and slot.status is Status.ONLINE and slot.worker is not None:
            return in_place.begin(slot, slot.worker, event.now, spec)
        if slot.status is Status.ONLINE and (can_share(slot) or event.beside):
            return _spawn_incoming(slot)
    return machine.decide(slot, event, spec)


def can_share(slot: Slot) -> bool:
    """Return whether a second worker can accept on the socket of the slot's worker."""
    return slot.listens and slot.shares_port


def _decide_for_two(
    slot: Slot, other: Replacement, event: e.SlotEvent, spec: AppSpec
) -> SlotDecision:
    if isinstance(event, e.DeadlinePassed):
        decided = _deadline_passed(slot, other, event, spec)
    elif isinstance(event, e.StopRequested | e.RestartRequested):
        decided = _stop_both(slot, other, event, spec)
    elif isinstance(event, e.ReplaceRequested):
        decided = slot, (LogError(f"instance {slot.instance} is being replaced already"),)
    elif isinstance(event, e.ReplaceCancelled):
        decided = _stop_incoming(slot, other, event.now, spec)
    elif _concerns_other(other, event):
        decided = _decide_for_other(slot, other, event, spec)
    elif isinstance(event, e.Exited):
        decided = _own_worker_exited(slot, other, event, spec)
    else:
        decided = machine.decide(slot, event, spec)
    return decided


def _concerns_other(other: Replacement, event: e.SlotEvent) -> bool:
    """Return whether the event concerns the other worker and not the slot's own."""
    if isinstance(event, e.Spawned) or (isinstance(event, e.SpawnFailed) and event.pid is None):
        return other.worker is None
    with_pid = (
        e.SpawnFailed, e.BecameReady, e.ReadinessFailed, e.BoundPort, e.StartedListening, e.Settled,
        e.Drained, e.Exited,
    )  # fmt: skip
    return (
        isinstance(event, with_pid) and other.worker is not None and event.pid == other.worker.pid
    )


# ---------------------------------------------------------------- the incoming worker


def _spawn_incoming(slot: Slot) -> SlotDecision:
    fresh = slot._replace(
        desired=DesiredState.RUNNING,
        failed_start_times=(),
        replacement=Replacement(None, Role.INCOMING, portless=not can_share(slot)),
    )
    return fresh, (Spawn(slot.instance, replacement=True),)


def _decide_for_other(
    slot: Slot, other: Replacement, event: e.SlotEvent, spec: AppSpec
) -> SlotDecision:
    if isinstance(event, e.Spawned):
        return _incoming_spawned(slot, other, event, spec)
    if isinstance(event, e.SpawnFailed):
        return slot._replace(replacement=None, replace_failure=event.reason), ()
    if isinstance(event, e.Exited):
        return _other_exited(slot, other, event)
    if other.role is Role.INCOMING:
        return _incoming_reported(slot, other, event, spec)
    drained = isinstance(event, e.Drained) and other.role is Role.DRAINING
    return _stop_other(slot, other, event.now, spec) if drained else (slot, ())


def _incoming_reported(
    slot: Slot, other: Replacement, event: e.SlotEvent, spec: AppSpec
) -> SlotDecision:
    """Update what is known of the incoming worker; it takes over when it is ready and due."""
    if isinstance(event, e.ReadinessFailed):
        if other.not_ready_reason == event.reason:
            return slot, ()
        return slot._replace(replacement=other._replace(not_ready_reason=event.reason)), ()
    if isinstance(event, e.BoundPort):
        other = other._replace(portless=False)
        slot = slot._replace(shares_port=True)
    if isinstance(event, e.StartedListening) or machine.announces_listening(event, spec):
        other = other._replace(listens=True, portless=False)
    if _proves_ready(other, event, spec):
        # it must survive min_uptime as any start must: to listen and then to exit is no success
        since = other.worker.since.mono if other.worker else event.now.mono
        other = other._replace(ready=True, deadline=since + spec.policy.min_uptime_s)
    slot = slot._replace(replacement=other)
    return _take_over(slot, other, event.now, spec) if _is_due(other, event.now) else (slot, ())


def _incoming_spawned(
    slot: Slot, other: Replacement, event: e.Spawned, spec: AppSpec
) -> SlotDecision:
    since = event.worker.since.mono
    timeout_s = spec.policy.listen_timeout_s
    if other.portless and not awaits_ready(spec):
        timeout_s = max(spec.policy.min_uptime_s, min(timeout_s, SETTLES_WITHIN_S))
    started = other._replace(worker=event.worker, deadline=since + timeout_s)
    old = slot.worker.pid if slot.worker else "?"
    text = f"pid {event.worker.pid}, to replace pid {old}"
    return slot._replace(replacement=started), (slot_event(slot, "spawned", text),)


def _proves_ready(other: Replacement, event: e.SlotEvent, spec: AppSpec) -> bool:
    """Return whether the incoming worker is ready, now that this was reported."""
    if awaits_ready(spec):
        return isinstance(event, e.BecameReady) and event.checked == has_ready_check(spec)
    return other.listens or (other.portless and isinstance(event, e.Settled))


def _take_over(slot: Slot, incoming: Replacement, now: Now, spec: AppSpec) -> SlotDecision:
    """Make the incoming worker the slot's own, and drain the old one."""
    if not incoming.ready or slot.worker is None or incoming.worker is None:
        return slot, ()
    old = Replacement(slot.worker, Role.DRAINING, deadline=now.mono + spec.policy.kill_timeout_s)
    new = slot._replace(
        worker=incoming.worker,
        listens=incoming.listens,
        restarts=slot.restarts + 1,
        replacement=old,
    )
    online, actions = machine.become_online(new, now, spec)
    if not slot.listens:
        online, more = _stop_other(online, old, now, spec)
        return online, (*actions, *more)
    return online, (*actions, Drain(slot.instance, slot.worker.pid))


def _not_ready_in_time(slot: Slot, incoming: Replacement, now: Now, spec: AppSpec) -> SlotDecision:
    if incoming.portless and not awaits_ready(spec):
        return _take_over(slot, incoming._replace(ready=True), now, spec)  # busy from its start on
    failure = machine.not_ready_in_time(incoming.not_ready_reason, spec)
    slot = slot._replace(replace_failure=failure)
    return _stop_other(slot, incoming._replace(requested=False), now, spec)


def _stop_incoming(slot: Slot, incoming: Replacement, now: Now, spec: AppSpec) -> SlotDecision:
    """Stop the incoming worker. One that listens may have requests already, so it drains first."""
    if incoming.worker is None or incoming.role is not Role.INCOMING:
        return slot, ()
    if not incoming.listens:
        return _stop_other(slot, incoming, now, spec)
    draining = incoming._replace(role=Role.DRAINING, deadline=now.mono + spec.policy.kill_timeout_s)
    return slot._replace(replacement=draining), (Drain(slot.instance, incoming.worker.pid),)


# ---------------------------------------------------------------- stopping the other worker


def _stop_other(slot: Slot, other: Replacement, now: Now, spec: AppSpec) -> SlotDecision:
    if other.worker is None or other.role is Role.STOPPING:
        return slot, ()
    policy = spec.policy
    stopping = other._replace(
        role=Role.STOPPING, killed=False, deadline=now.mono + policy.kill_timeout_s
    )
    pid = other.worker.pid
    text = f"{signal_name(policy.stop_signal)} to pid {pid}"
    signal = Signal(slot.instance, policy.stop_signal, pid)
    return slot._replace(replacement=stopping), (slot_event(slot, "stopping", text), signal)


def _deadline_passed(
    slot: Slot, other: Replacement, event: e.DeadlinePassed, spec: AppSpec
) -> SlotDecision:
    actions: tuple[Action, ...] = ()
    if machine.is_due(slot, event.now):
        slot, actions = machine.decide(slot, event, spec)
    if not _is_due(other, event.now):
        return slot, actions
    if other.role is Role.DRAINING:
        slot, more = _stop_other(slot, other, event.now, spec)
    elif other.role is Role.STOPPING:
        slot, more = _kill_other(slot, other, event.now, spec)
    elif other.ready:
        slot, more = _take_over(slot, other, event.now, spec)
    else:
        slot, more = _not_ready_in_time(slot, other, event.now, spec)
    return slot, (*actions, *more)


def _kill_other(slot: Slot, other: Replacement, now: Now, spec: AppSpec) -> SlotDecision:
    if other.worker is None:
        return slot, ()
    kill = Signal(slot.instance, machine.SIGKILL, other.worker.pid)
    killed = other._replace(killed=True, deadline=now.mono + machine.KILL_AGAIN_S)
    slot = slot._replace(replacement=killed)
    if other.killed:
        return slot, (kill,)
    return slot, (slot_event(slot, "killed", machine.kill_text(spec)), kill)


def _other_exited(slot: Slot, other: Replacement, event: e.Exited) -> SlotDecision:
    requested = other.requested and other.role is not Role.INCOMING
    recorded, events = record_exit(slot._replace(worker=other.worker), event, requested=requested)
    slot = slot._replace(replacement=None, exits=recorded.exits)
    if other.role is Role.INCOMING and event.again:
        again, actions = _spawn_incoming(slot)
        return again, (*events, *actions)
    if other.role is Role.INCOMING:
        slot = slot._replace(replace_failure=_early_exit_text(other, event))
    return slot, events


def _early_exit_text(incoming: Replacement, event: e.Exited) -> str:
    text = exit_text(event.code, event.signal)
    if event.why:
        return f"{text}: {event.why}"
    if not incoming.ready or incoming.worker is None:
        return text
    ran_s = max(0.0, event.now.mono - incoming.worker.since.mono)
    return f"it was ready, but exited {seconds_text(ran_s)} after its start ({text})"


# ---------------------------------------------------------------- both


def _stop_both(
    slot: Slot, other: Replacement, event: e.StopRequested | e.RestartRequested, spec: AppSpec
) -> SlotDecision:
    rests = slot.status in RESTING
    if rests and isinstance(event, e.RestartRequested):
        return machine.decide(slot, event, spec)
    slot, actions = machine.decide(slot, event, spec)
    slot, more = _stop_other(slot, other, event.now, spec)
    if rests and slot.replacement is not None:
        slot = _wait_for_other(slot._replace(after_stop=AfterStop.STAY_STOPPED), slot.replacement)
    return slot, (*actions, *more)


def _own_worker_exited(
    slot: Slot, other: Replacement, event: e.Exited, spec: AppSpec
) -> SlotDecision:
    """The slot's own worker is gone, and there is another one."""
    if slot.status in (Status.STOPPING, Status.DRAINING):
        gone, events = record_exit(slot, event, requested=True)
        return _wait_for_other(gone._replace(status=slot.status), other), events
    if other.role is Role.INCOMING:
        gone, events = record_exit(slot, event, requested=False)
        incoming = gone._replace(
            status=Status.STARTING,
            worker=other.worker,
            listens=other.listens,
            reason=other.not_ready_reason,
            deadline=other.deadline,
            restarts=slot.restarts + 1,
            replacement=None,
        )
        if not other.ready:
            return incoming, events
        online, actions = machine.become_online(incoming, event.now, spec)
        return online, (*events, *actions)
    return machine.decide(slot, event, spec)


def _wait_for_other(slot: Slot, other: Replacement) -> Slot:
    """Make the other worker the slot's own: the slot is stopped when that has exited."""
    return slot._replace(
        status=Status.STOPPING,
        worker=other.worker,
        deadline=other.deadline,
        killed=other.killed,
        replacement=None,
    )


def _is_due(other: Replacement, now: Now) -> bool:
    return other.deadline is not None and now.mono >= other.deadline
