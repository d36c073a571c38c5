"""What follows from the end of a worker: written down, waited after, given up."""

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Tell
from monit_agent.supervise.backoff import delay_s
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import (
    EXITS_KEPT,
    RESTART_TIMES_KEPT,
    RESTART_TIMES_S,
    Exit,
    Now,
    Slot,
    Status,
)
from monit_agent.supervise.words import how, seconds

Decision = tuple[Slot, tuple[Action, ...]]


def tell(slot: Slot, kind: str, text: str) -> Tell:
    """Give the happening of this slot."""
    return Tell(kind, slot.instance, text)


def ran_s(slot: Slot, now: Now) -> float:
    """Give for how long the slot's worker has been running."""
    return max(0.0, now.mono - slot.worker.since.mono) if slot.worker else 0.0


def unstable(slot: Slot, now: Now, jitter: float, why: str, spec: AppSpec) -> Decision:
    """Let the slot wait, or give up after `max_restarts` unstable exits within the window."""
    policy = spec.policy
    since = now.mono - policy.restart_window_s
    counted = (*(at for at in slot.unstable_at if at > since), now.mono)
    slot = slot._replace(unstable_at=counted)
    if not policy.autorestart:
        return rest(slot)._replace(reason=why), (tell(slot, "stopped", why),)
    if len(counted) >= policy.max_restarts:
        return error(slot, f"ended {len(counted)} times before it was online, at last: {why}")
    wait = delay_s(policy, len(counted), jitter)
    waiting = slot._replace(
        status=Status.BACKOFF,
        wake_at=now.mono + wait,
        next_start_at=now.wall + wait,
        reason=why,
    )
    text = f"starts again in {seconds(wait)} ({len(counted)} of {policy.max_restarts})"
    return waiting, (tell(slot, "backoff", text),)


def error(slot: Slot, reason: str) -> Decision:
    """Give the slot up."""
    return rest(slot)._replace(status=Status.ERRORED, reason=reason), (
        tell(slot, "errored", reason),
    )


def rest(slot: Slot) -> Slot:
    """Give the slot stopped, without a worker."""
    return slot._replace(
        status=Status.STOPPED, ready=False, worker=None, wake_at=None, next_start_at=None
    )


def bury(slot: Slot, event: e.Exited, *, asked: bool) -> tuple[Slot, tuple[Action, ...]]:
    """Write the exit down and tell of it."""
    now = event.now
    ran = ran_s(slot, now)
    exit_ = Exit(event.code, event.signal, now.wall, ran, asked)
    times = slot.restart_times
    if not asked:
        recent = [at for at in times if at > now.wall - RESTART_TIMES_S]
        times = (*recent, now.wall)[-RESTART_TIMES_KEPT:]
    told = [tell(slot, "exited", f"{how(event.code, event.signal)} after {seconds(ran)}")]
    if event.left:
        told.append(tell(slot, "left_behind", _left_text(slot, event)))
    exits = (*slot.exits, exit_)[-EXITS_KEPT:]
    gone = slot._replace(
        worker=None,
        ready=False,
        listens=False,
        wake_at=None,
        reason=None,
        exits=exits,
        restart_times=times,
    )
    return gone, tuple(told)


def _left_text(slot: Slot, event: e.Exited) -> str:
    left = f"{event.left} process{'es' if event.left > 1 else ''} left behind and killed"
    if slot.status is Status.STARTING and event.code == 0:
        return f"it put itself into the background ({left}): run it in the foreground"
    return left


def is_finished(event: e.Exited, spec: AppSpec) -> bool:
    """Tell whether the worker ended for good."""
    return not spec.policy.autorestart or event.code in spec.policy.stop_exit_codes


def finished_text(event: e.Exited, spec: AppSpec) -> str:
    """Say why it is not started again."""
    if not spec.policy.autorestart:
        return "ended; autorestart is off"
    return f"exit code {event.code} means that it is finished"
