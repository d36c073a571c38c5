"""A replacement without a gap: the new worker starts beside the old one.

``decide`` as in `machine`, for slots that may have two workers. Where a slot's worker accepts
connections on a port that the keeper holds, the next one (the *heir*) can accept there too:

    heir starts ─▶ heir ready ─▶ it is the slot's worker; the old one takes nothing new, then is
                                 told to stop, then is gone
                └▶ heir dies, is not ready in time, or the reload is cancelled: it goes, the old
                   one never knew

Whatever concerns the worker that counts is decided by `machine`.
"""

from monit_agent.supervise import events as e
from monit_agent.supervise import machine
from monit_agent.supervise.actions import Action, Complain, Quiesce, Signal, Spawn
from monit_agent.supervise.exits import Decision, bury, tell
from monit_agent.supervise.spec import AppSpec, is_checked, waits
from monit_agent.supervise.state import RESTING, After, Beside, Now, Role, Slot, Status, Wanted
from monit_agent.supervise.words import how, signal_name


def decide(slot: Slot, event: e.SlotEvent, spec: AppSpec) -> Decision:
    """Give the slot after ``event`` and what the keeper shall do, in order."""
    if slot.beside is not None:
        return _decide_for_two(slot, slot.beside, event, spec)
    if isinstance(event, e.ReplaceAsked):
        slot = slot._replace(kept=None)
        if slot.status is Status.ONLINE and slot.listens:
            return _beget(slot)
    return machine.decide(slot, event, spec)


def _decide_for_two(slot: Slot, beside: Beside, event: e.SlotEvent, spec: AppSpec) -> Decision:
    if isinstance(event, e.TimeCame):
        decided = _time_came(slot, beside, event, spec)
    elif isinstance(event, e.StopAsked | e.RestartAsked):
        decided = _stop_both(slot, beside, event, spec)
    elif isinstance(event, e.ReplaceAsked):
        decided = slot, (Complain(f"{slot.instance} is being replaced already"),)
    elif isinstance(event, e.ReplaceCancelled):
        decided = _send_away(slot, beside, event.now, spec)
    elif _is_about(beside, event):
        decided = _news(slot, beside, event, spec)
    elif isinstance(event, e.Exited):
        decided = _first_gone(slot, beside, event, spec)
    else:
        decided = machine.decide(slot, event, spec)
    return decided


def _is_about(beside: Beside, event: e.SlotEvent) -> bool:
    """Tell whether the event is the second worker's."""
    if isinstance(event, e.Spawned) or (isinstance(event, e.SpawnFailed) and event.pid is None):
        return beside.worker is None
    told = (e.SpawnFailed, e.BecameReady, e.NotReady, e.Listened, e.Quiesced, e.Exited)
    return isinstance(event, told) and beside.worker is not None and event.pid == beside.worker.pid


# ---------------------------------------------------------------- the heir


def _beget(slot: Slot) -> Decision:
    fresh = slot._replace(wanted=Wanted.RUNNING, unstable_at=(), beside=Beside(None, Role.HEIR))
    return fresh, (Spawn(slot.instance, beside=True),)


def _news(slot: Slot, beside: Beside, event: e.SlotEvent, spec: AppSpec) -> Decision:
    if isinstance(event, e.Spawned):
        wake_at = event.worker.since.mono + spec.policy.listen_timeout_s
        born = beside._replace(worker=event.worker, wake_at=wake_at, listens=bool(spec.listen))
        if spec.listen and not waits(spec):
            # what inherits its sockets says no word when it accepts: it shall live, and that is all
            lived = event.worker.since.mono + spec.policy.min_uptime_s
            born = born._replace(ready=True, wake_at=lived)
        old = slot.worker.pid if slot.worker else "?"
        text = f"pid {event.worker.pid}, beside pid {old}"
        return slot._replace(beside=born), (tell(slot, "spawned", text),)
    if isinstance(event, e.SpawnFailed):
        return slot._replace(beside=None, kept=event.reason), ()
    if isinstance(event, e.Exited):
        return _second_gone(slot, beside, event)
    if beside.role is not Role.HEIR:
        quiesced = isinstance(event, e.Quiesced) and beside.role is Role.QUIESCING
        return _tell_to_leave(slot, beside, event.now, spec) if quiesced else (slot, ())
    if isinstance(event, e.NotReady):
        said = beside.unready == event.why
        return slot if said else slot._replace(beside=beside._replace(unready=event.why)), ()
    if isinstance(event, e.Listened):
        beside = beside._replace(listens=True)
    if _says_ready(event, spec) if waits(spec) else beside.listens:
        # it must prove itself as one that starts alone: to listen and then to die is no release
        since = beside.worker.since.mono if beside.worker else event.now.mono
        beside = beside._replace(ready=True, wake_at=since + spec.policy.min_uptime_s)
    slot = slot._replace(beside=beside)
    return _take_over(slot, beside, event.now, spec) if _is_due(beside, event.now) else (slot, ())


def _says_ready(event: e.SlotEvent, spec: AppSpec) -> bool:
    return isinstance(event, e.BecameReady) and event.checked == is_checked(spec)


def _take_over(slot: Slot, heir: Beside, now: Now, spec: AppSpec) -> Decision:
    """The heir is the slot's worker from now on."""
    if not heir.ready or slot.worker is None or heir.worker is None:
        return slot, ()
    old = Beside(slot.worker, Role.QUIESCING, wake_at=now.mono + spec.policy.kill_timeout_s)
    new = slot._replace(
        worker=heir.worker, listens=heir.listens, restarts=slot.restarts + 1, beside=old
    )
    online, actions = machine.come_online(new, now, spec)
    return online, (*actions, Quiesce(slot.instance, slot.worker.pid))


def _give_up(slot: Slot, heir: Beside, now: Now, spec: AppSpec) -> Decision:
    kept = slot._replace(kept=machine.too_late(heir.unready, spec))
    return _tell_to_leave(kept, heir._replace(asked=False), now, spec)


def _send_away(slot: Slot, heir: Beside, now: Now, spec: AppSpec) -> Decision:
    """Nobody wants the heir any more; one that listens may have begun to answer requests."""
    if heir.worker is None or heir.role is not Role.HEIR:
        return slot, ()
    if not heir.listens:
        return _tell_to_leave(slot, heir, now, spec)
    going = heir._replace(role=Role.QUIESCING, wake_at=now.mono + spec.policy.kill_timeout_s)
    return slot._replace(beside=going), (Quiesce(slot.instance, heir.worker.pid),)


# ---------------------------------------------------------------- leaving


def _tell_to_leave(slot: Slot, beside: Beside, now: Now, spec: AppSpec) -> Decision:
    if beside.worker is None or beside.role is Role.LEAVING:
        return slot, ()
    policy = spec.policy
    leaving = beside._replace(
        role=Role.LEAVING, killed=False, wake_at=now.mono + policy.kill_timeout_s
    )
    pid = beside.worker.pid
    told = tell(slot, "stopping", f"{signal_name(policy.stop_signal)} to pid {pid}")
    signal = Signal(slot.instance, policy.stop_signal, pid)
    return slot._replace(beside=leaving), (told, signal)


def _time_came(slot: Slot, beside: Beside, event: e.TimeCame, spec: AppSpec) -> Decision:
    actions: tuple[Action, ...] = ()
    if machine.is_due(slot, event.now):
        slot, actions = machine.decide(slot, event, spec)
    if not _is_due(beside, event.now):
        return slot, actions
    if beside.role is Role.QUIESCING:
        slot, more = _tell_to_leave(slot, beside, event.now, spec)
    elif beside.role is Role.LEAVING:
        slot, more = _kill(slot, beside, event.now, spec)
    elif beside.ready:
        slot, more = _take_over(slot, beside, event.now, spec)
    else:
        slot, more = _give_up(slot, beside, event.now, spec)
    return slot, (*actions, *more)


def _kill(slot: Slot, beside: Beside, now: Now, spec: AppSpec) -> Decision:
    if beside.worker is None:
        return slot, ()
    kill = Signal(slot.instance, machine.SIGKILL, beside.worker.pid)
    again = beside._replace(killed=True, wake_at=now.mono + machine.KILL_AGAIN_S)
    slot = slot._replace(beside=again)
    if beside.killed:
        return slot, (kill,)
    return slot, (tell(slot, "killed", machine.unheeded(spec)), kill)


def _second_gone(slot: Slot, beside: Beside, event: e.Exited) -> Decision:
    asked = beside.asked and beside.role is not Role.HEIR
    buried, told = bury(slot._replace(worker=beside.worker), event, asked=asked)
    slot = slot._replace(beside=None, exits=buried.exits)
    if beside.role is Role.HEIR:
        slot = slot._replace(kept=how(event.code, event.signal))
    return slot, told


# ---------------------------------------------------------------- both


def _stop_both(
    slot: Slot, beside: Beside, event: e.StopAsked | e.RestartAsked, spec: AppSpec
) -> Decision:
    rests = slot.status in RESTING
    if rests and isinstance(event, e.RestartAsked):
        return machine.decide(slot, event, spec)
    slot, actions = machine.decide(slot, event, spec)
    slot, more = _tell_to_leave(slot, beside, event.now, spec)
    if rests and slot.beside is not None:
        slot = _wait_for(slot._replace(after=After.REST), slot.beside)
    return slot, (*actions, *more)


def _first_gone(slot: Slot, beside: Beside, event: e.Exited, spec: AppSpec) -> Decision:
    """The worker that counts is gone; there is another one."""
    if slot.status in (Status.STOPPING, Status.DRAINING):
        gone, told = bury(slot, event, asked=True)
        return _wait_for(gone._replace(status=slot.status), beside), told
    if beside.role is Role.HEIR:
        gone, told = bury(slot, event, asked=False)
        heir = gone._replace(
            status=Status.STARTING,
            worker=beside.worker,
            listens=beside.listens,
            reason=beside.unready,
            wake_at=beside.wake_at,
            restarts=slot.restarts + 1,
            beside=None,
        )
        if not beside.ready:
            return heir, told
        online, actions = machine.come_online(heir, event.now, spec)
        return online, (*told, *actions)
    return machine.decide(slot, event, spec)


def _wait_for(slot: Slot, beside: Beside) -> Slot:
    """Make the one that is left the slot's worker: the slot stops when it is gone."""
    return slot._replace(
        status=Status.STOPPING,
        worker=beside.worker,
        wake_at=beside.wake_at,
        killed=beside.killed,
        beside=None,
    )


def _is_due(beside: Beside, now: Now) -> bool:
    return beside.wake_at is not None and now.mono >= beside.wake_at
