"""A reload in place: the worker reloads itself, by a command of the user or by a signal.

    the command runs ─▶ it exits with 0: the worker is reloaded
                     └▶ it exits otherwise, or is killed because it takes too long: nothing changed

The program does not report the result of a signal: the worker counts as reloaded when it still
runs after ``min_uptime``. If the worker exits meanwhile, the reload has failed, and `machine`
decides about the next worker as after any exit.
"""

from monit_agent.supervise import events as e
from monit_agent.supervise import machine
from monit_agent.supervise.actions import Action, EndReload, LogError, ReloadInPlace
from monit_agent.supervise.restart_rules import SlotDecision, slot_event
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import InPlaceReload, Now, Slot, Worker
from monit_agent.supervise.text import exit_text, seconds_text, signal_name


def begin(slot: Slot, worker: Worker, now: Now, spec: AppSpec) -> SlotDecision:
    """Let the slot's worker, which is online, reload itself."""
    policy = spec.policy
    by_signal = not policy.reload_command
    allowed_s = policy.min_uptime_s if by_signal else policy.listen_timeout_s
    reload = InPlaceReload(now.mono + allowed_s, by_signal)
    text = f"pid {worker.pid}: {_manner(reload, spec)}"
    actions = slot_event(slot, "reloading", text), ReloadInPlace(slot.instance, worker.pid)
    return slot._replace(in_place=reload, replace_failure=None, reload_output=()), actions


def decide(slot: Slot, reload: InPlaceReload, event: e.SlotEvent, spec: AppSpec) -> SlotDecision:
    """Return the slot after an event while its worker reloads itself."""
    if isinstance(event, e.ReloadedInPlace):
        if event.failure is None:
            return _succeed(slot, reload, spec)
        return _fail(slot, event.failure, event.output)
    if isinstance(event, e.ReplaceRequested):
        return slot, (LogError(f"instance {slot.instance} is being reloaded already"),)
    actions: tuple[Action, ...] = ()
    if isinstance(event, e.ReplaceCancelled | e.StopRequested):
        slot, actions = _end(slot)
    elif isinstance(event, e.RestartRequested):
        failed, _ = _fail(slot, "it was restarted during the reload")
        slot, actions = _end(failed)
    elif isinstance(event, e.Exited | e.SpawnFailed):
        slot, actions = _worker_gone(slot, event)
    elif isinstance(event, e.DeadlinePassed) and event.now.mono >= reload.deadline:
        slot, actions = _deadline_passed(slot, reload, spec)
    slot, more = machine.decide(slot, event, spec)
    return slot, (*actions, *more)


def _succeed(slot: Slot, reload: InPlaceReload, spec: AppSpec) -> SlotDecision:
    pid = slot.worker.pid if slot.worker else "?"
    text = f"pid {pid}: {_manner(reload, spec)}"
    return slot._replace(in_place=None), (slot_event(slot, "reloaded", text),)


def _fail(slot: Slot, why: str, output: tuple[str, ...] = ()) -> SlotDecision:
    return slot._replace(in_place=None, replace_failure=why, reload_output=output), ()


def _end(slot: Slot) -> SlotDecision:
    return slot._replace(in_place=None), (EndReload(slot.instance),)


def _worker_gone(slot: Slot, event: e.Exited | e.SpawnFailed) -> SlotDecision:
    exited = isinstance(event, e.Exited)
    how = exit_text(event.code, event.signal) if exited else event.reason
    failed, _ = _fail(slot, f"its worker exited during the reload ({how})")
    return failed, (EndReload(slot.instance),)


def _deadline_passed(slot: Slot, reload: InPlaceReload, spec: AppSpec) -> SlotDecision:
    if reload.by_signal:
        return _succeed(slot, reload, spec)
    limit = seconds_text(spec.policy.listen_timeout_s)
    failed, _ = _fail(slot, f"the reload command did not exit within {limit} and was killed")
    return failed, (EndReload(slot.instance),)


def _manner(reload: InPlaceReload, spec: AppSpec) -> str:
    if not reload.by_signal:
        return "reload command"
    number = spec.policy.reload_signal
    return "reload signal" if number is None else signal_name(number)
