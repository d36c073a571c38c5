"""What follows from the exit of a worker: record it, then restart, wait, rest or give up."""

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, RecordEvent
from monit_agent.supervise.backoff import backoff_s
from monit_agent.supervise.spec import AppSpec, RestartPolicy, is_good_exit, is_restarted
from monit_agent.supervise.state import (
    EXITS_KEPT,
    RESTART_TIMES_KEPT,
    RESTART_TIMES_S,
    RESTARTS_GRAIN_S,
    Exit,
    Now,
    Slot,
    Status,
)
from monit_agent.supervise.text import exit_text, seconds_text

ROOM_S = 2.0
"""Wait before the next start when there was no room for a process."""

SlotDecision = tuple[Slot, tuple[Action, ...]]


def slot_event(slot: Slot, kind: str, text: str) -> RecordEvent:
    """Return the entry of the event log for this slot."""
    return RecordEvent(kind, slot.instance, text)


def uptime_s(slot: Slot, now: Now) -> float:
    """Return how long the slot's worker has been running."""
    return max(0.0, now.mono - slot.worker.since.mono) if slot.worker else 0.0


def restart_window_s(policy: RestartPolicy) -> float:
    """Return the seconds within which failed starts are counted: half as much again as all waits
    and uptimes before the last one take, and at least `RestartPolicy.restart_window_s`."""
    wait, waits, left = policy.backoff_first_s, 0.0, policy.max_restarts
    delay_s = policy.restart_delay_s or 0.0
    while left > 0 and 0.0 < wait < policy.backoff_cap_s:
        waits, wait, left = waits + max(wait, delay_s), wait * 2.0, left - 1
    waits += left * max(policy.backoff_cap_s, delay_s)
    return max(policy.restart_window_s, 1.5 * (waits + policy.max_restarts * policy.min_uptime_s))


def count_failed_start(
    slot: Slot, now: Now, jitter: float, why: str, spec: AppSpec
) -> SlotDecision:
    """Let the slot wait, or give up after `max_restarts` failed starts within the window."""
    policy = spec.policy
    since = now.mono - restart_window_s(policy)
    counted = (*(at for at in slot.failed_start_times if at > since), now.mono)
    slot = slot._replace(failed_start_times=counted)
    if spec.type == "once" or policy.restart == "never":
        return give_up(slot, why)
    if len(counted) >= policy.max_restarts:
        return give_up(slot, f"exited {len(counted)} times before becoming online (last: {why})")
    wait = max(backoff_s(policy, len(counted), jitter), policy.restart_delay_s or 0.0)
    text = (
        f"next start in {seconds_text(wait)} (failed start {len(counted)} of {policy.max_restarts})"
    )
    return _waiting(slot, now, wait, why), (slot_event(slot, "backoff", text),)


def wait_to_restart(slot: Slot, now: Now, why: str, delay_s: float) -> SlotDecision:
    """Let the slot wait before it restarts a worker that had been online: no failed start."""
    text = f"next start in {seconds_text(delay_s)} (restart delay)"
    return _waiting(slot, now, delay_s, why), (slot_event(slot, "backoff", text),)


def _waiting(slot: Slot, now: Now, wait_s: float, why: str) -> Slot:
    return slot._replace(
        status=Status.BACKOFF,
        deadline=now.mono + wait_s,
        next_start_at=now.wall + wait_s,
        reason=why,
    )


def wait_for_room(slot: Slot, event: e.SpawnFailed) -> SlotDecision:
    """Let the slot wait until there is room for a process. That is no fault of the app: it is not
    counted, and never makes the slot errored."""
    waiting = slot._replace(
        status=Status.BACKOFF,
        no_room=True,
        deadline=event.now.mono + ROOM_S,
        next_start_at=event.now.wall + ROOM_S,
        reason=event.reason,
    )
    # one event for each shortage, or a long one would push all others out of the log
    events = () if slot.no_room else (slot_event(slot, "backoff", event.reason),)
    return waiting, events


def give_up(slot: Slot, reason: str) -> SlotDecision:
    """Return the slot as errored."""
    errored = as_stopped(slot)._replace(status=Status.ERRORED, reason=reason)
    return errored, (slot_event(slot, "errored", reason),)


def as_stopped(slot: Slot) -> Slot:
    """Return the slot stopped, without a worker."""
    return slot._replace(
        status=Status.STOPPED,
        ready=False,
        worker=None,
        deadline=None,
        next_start_at=None,
        no_room=False,
    )


def finish(slot: Slot, event: e.Exited, spec: AppSpec, why: str) -> SlotDecision:
    """Let the slot rest after an exit that is final: errored unless the exit was a success.

    A service that exited by itself is not started at boot. A signal from outside is no end of its
    work: a machine that shuts down sends one to every process.
    """
    finished = event.code is not None
    if not is_good_exit(spec, event.code):  # it runs once, or is never restarted
        errored, actions = give_up(slot, why)
        return errored._replace(finished=finished and spec.type != "once"), actions
    rest = as_stopped(slot)._replace(finished=finished, done=True)
    return rest, (slot_event(slot, "stopped", final_exit_text(event, spec)),)


def record_exit(slot: Slot, event: e.Exited, *, requested: bool) -> tuple[Slot, tuple[Action, ...]]:
    """Add the exit to the slot and to the event log."""
    now = event.now
    ran_s = uptime_s(slot, now)
    exit_ = Exit(event.code, event.signal, now.wall, ran_s, requested)
    times, earlier = slot.restart_times, slot.earlier_restarts
    if not requested:
        times, earlier = add_restart(times, earlier, now.wall)
    text = f"{exit_text(event.code, event.signal)} after {seconds_text(ran_s)}"
    events = [slot_event(slot, "exited", f"{text}: {event.why}" if event.why else text)]
    if event.left_behind:
        events.append(slot_event(slot, "left_behind", _left_behind_text(slot, event)))
    if event.left_running:
        text = f"left {_processes(event.left_running)} running (kill mode process)"
        events.append(slot_event(slot, "left_behind", text))
    gone = slot._replace(
        worker=None,
        ready=False,
        listens=False,
        deadline=None,
        reason=None,
        no_room=False,
        exits=(*slot.exits, exit_)[-EXITS_KEPT:],
        restart_times=times,
        earlier_restarts=earlier,
    )
    return gone, tuple(events)


def add_restart(
    times: tuple[float, ...], earlier: tuple[tuple[float, int], ...], at: float
) -> tuple[tuple[float, ...], tuple[tuple[float, int], ...]]:
    """Return `Slot.restart_times` and `Slot.earlier_restarts` with one restart more."""
    since = at - RESTART_TIMES_S
    times = (*(each for each in times if each > since), at)
    earlier = tuple(group for group in earlier if group[0] > since)
    if len(times) <= RESTART_TIMES_KEPT:
        return times, earlier
    oldest, times = times[0], times[1:]
    if earlier and earlier[-1][0] // RESTARTS_GRAIN_S == oldest // RESTARTS_GRAIN_S:
        return times, (*earlier[:-1], (oldest, earlier[-1][1] + 1))
    return times, (*earlier, (oldest, 1))


def _left_behind_text(slot: Slot, event: e.Exited) -> str:
    killed = f"killed {_processes(event.left_behind)} that it left behind"
    return f"{BACKGROUND} ({killed}); {FOREGROUND}" if went_into_background(slot, event) else killed


BACKGROUND = "it went into the background"
FOREGROUND = (
    "run it in the foreground, for example with an option such as --foreground, --no-daemon or "
    "'daemon off;', and without & at the end of a shell command"
)


def went_into_background(slot: Slot, event: e.Exited) -> bool:
    """Return whether the program left a process that does its work, and exited well."""
    stopping = slot.status in (Status.STOPPING, Status.DRAINING)
    return event.code == 0 and event.left_behind > 0 and not stopping


def early_exit_text(slot: Slot, event: e.Exited) -> str:
    """Return why a start failed when its worker exited."""
    text = exit_text(event.code, event.signal)
    if event.why:
        return f"{text}: {event.why}"
    if not went_into_background(slot, event):
        return text
    return f"{text}: {BACKGROUND}; {FOREGROUND}"


def _processes(count: int) -> str:
    return f"{count} process{'es' if count > 1 else ''}"


def is_final_exit(event: e.Exited, spec: AppSpec) -> bool:
    """Return whether the worker is not restarted after this exit."""
    return spec.type == "once" or not is_restarted(spec.policy, event.code)


def final_exit_text(event: e.Exited, spec: AppSpec) -> str:
    """Return why the worker is not restarted."""
    if spec.type == "once":
        return f"done: {exit_text(event.code, event.signal)}"
    if spec.policy.restart == "never":
        return "exited; it is never restarted"
    if event.code == 0 and spec.policy.restart == "on-failure":
        return "done: exit code 0 (restarted only on failure)"
    return f"exit code {event.code} means done, so it is not restarted"
