"""What follows a command in a replayed scene: the same events, in the same order and at about
the pace that a keeper would send.

A play stops quietly when a newer command took its slot's turn.
"""

from collections.abc import Callable

from monit_agent.client.replay_app import Play, ReplayedApp
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    CancelReload,
    Delete,
    Exit,
    Flush,
    InstanceRecord,
    Refused,
    Reload,
    Request,
    Reset,
    Restart,
    Roll,
    Scale,
    Second,
    SendSignal,
    Start,
    Stop,
)

WHO = "anna:4242"
"""Who presses the keys in a scene."""

STEP_S = 0.05
"""How often a play looks whether those that it began have come to their end."""

Begin = Callable[[Play], None]


def obey(app: ReplayedApp, request: Request, begin: Begin) -> Answer:
    """Carry out a command: give its answer and begin the plays that follow from it."""
    named = getattr(request, "instances", None)
    numbers = tuple(sorted(app.instances)) if named is None else tuple(named)
    unknown = [number for number in numbers if number not in app.instances]
    if unknown:
        slots = ", ".join(map(str, sorted(app.instances)))
        message = f"{app.record.name} has no instance {unknown[0]}; it has {slots}"
        return Refused(kind="no_such_instance", message=message)
    if isinstance(request, Scale):
        return _scale(app, request.count, begin)
    if isinstance(request, CancelReload):
        return _cancel_reload(app)
    concerned = _carry_out(app, request, numbers, begin)
    if concerned is None:
        return Refused(kind="bad_request", message=f"not a command: {request!r}")
    return Accepted(instances=concerned)


def _carry_out(
    app: ReplayedApp, request: Request, numbers: tuple[int, ...], begin: Begin
) -> tuple[int, ...] | None:
    """Begin what ``request`` asks for; give the slots it concerns, None for no command."""
    match request:
        case Stop():
            return _each(app, "stop", numbers, stop, begin)
        case Start():
            idle = ("stopped", "errored", "backoff")
            startable = tuple(n for n in numbers if app.instances[n].status in idle)
            return _each(app, "start", startable, start, begin)
        case Restart():
            return _each(app, "restart", numbers, restart, begin)
        case Reload():
            begin(reload(app, numbers, request.parallel, begin))
        case Delete():
            begin(delete(app))
        case Reset():
            _reset(app, numbers)
        case Flush():
            _flush(app, numbers)
        case SendSignal():
            app.happened("asked", None, f"signal {request.signal}", WHO)
        case _:
            return None
    return numbers


def _each(
    app: ReplayedApp,
    verb: str,
    numbers: tuple[int, ...],
    play: Callable[[ReplayedApp, int], Play],
    begin: Begin,
) -> tuple[int, ...]:
    for number in numbers:
        app.happened("asked", number, verb, WHO)
        begin(play(app, number))
    return numbers


def _reset(app: ReplayedApp, numbers: tuple[int, ...]) -> None:
    app.happened("asked", None, "reset", WHO)
    for number in numbers:
        app.change(number, restarts=0, unstable_restarts=0, restart_times=(), exits=())


def _flush(app: ReplayedApp, numbers: tuple[int, ...]) -> None:
    for (number, _), log in app.logs.items():
        if number in numbers:
            log.flush()
    app.happened("flushed", None, "", WHO)


def _scale(app: ReplayedApp, count: int, begin: Begin) -> Answer:
    if count < 0:
        return Refused(kind="bad_request", message=f"an app cannot have {count} instances")
    before = sorted(app.instances)
    app.happened("scaled", None, f"{len(before)} → {count}", WHO)
    app.change_app(instances=count, roll=app.roll)
    added = tuple(number for number in range(count) if number not in app.instances)
    for number in added:
        app.add(
            InstanceRecord(
                instance=number, id=900 + number, status="stopped", wanted="running", ready=False
            )
        )
        begin(start(app, number))
    removed = tuple(number for number in before if number >= count)
    for number in removed:
        begin(_drop(app, number))
    return Accepted(instances=tuple(sorted((*added, *removed))))


def stop(app: ReplayedApp, number: int) -> Play:
    """Stop a slot's worker: SIGTERM, then SIGKILL when it does not go in time."""
    turn = app.take_turn(number)
    record = app.change(number, wanted="stopped")
    if record.pid is not None:
        app.change(number, status="stopping")
        app.happened("stopping", number, app.record.limits.stop_signal)
        yield from _dying(app, number, turn)
    if app.turns[number] == turn:
        app.change(number, status="stopped", next_start_at=None, reason=None)
        app.happened("stopped", number)


def start(app: ReplayedApp, number: int) -> Play:
    """Start a slot's worker and let it come online."""
    turn = app.take_turn(number)
    yield from spawn(app, number, turn)


def restart(app: ReplayedApp, number: int) -> Play:
    """Stop and start a slot's worker."""
    turn = app.take_turn(number)
    record = app.change(number, wanted="running")
    if record.pid is not None:
        app.change(number, status="stopping")
        app.happened("stopping", number, app.record.limits.stop_signal)
        yield from _dying(app, number, turn)
    if app.turns[number] == turn:
        app.change(number, restarts=app.instances[number].restarts + 1)
        yield from spawn(app, number, turn)


def reload(app: ReplayedApp, numbers: tuple[int, ...], parallel: int, begin: Begin) -> Play:
    """Replace slots, ``parallel`` at a time, each ready before the next."""
    app.happened("asked", None, "reload", WHO)
    app.happened("reload_started", None, f"{len(numbers)} instances", WHO)
    for place in range(0, len(numbers), parallel):
        now, waiting = numbers[place : place + parallel], numbers[place + parallel :]
        roll = Roll(waiting=waiting, current=now, done=numbers[:place], parallel=parallel)
        app.change_app(roll=roll)
        for number in now:
            app.happened("reload_step", number)
            if number in app.instances:
                begin(_replace(app, number))
        yield STEP_S
        while app.roll is roll and any(_is_being_replaced(app, number) for number in now):
            yield STEP_S
        if app.roll is not roll:
            return  # cancelled
    app.change_app(roll=None)
    app.happened("reload_done", None, f"{len(numbers)} instances")


def _replace(app: ReplayedApp, number: int) -> Play:
    """Let a new worker take over from the old one, beside it where they share a port."""
    record = app.instances[number]
    if app.record.mode != "cluster" or record.status != "online":
        yield from restart(app, number)
        return
    turn, pid, started = app.take_turn(number), app.new_pid(), app.wall()
    app.change(number, second=Second(pid=pid, role="heir", started_at=started))
    app.happened("spawned", number, f"pid {pid}, beside pid {record.pid}")
    yield app.record.limits.min_uptime_s
    if app.turns.get(number) != turn:
        return
    old = Second(pid=record.pid, role="quiescing", started_at=record.started_at)
    app.change(number, pid=pid, started_at=started, restarts=record.restarts + 1, second=old)
    app.happened("ready", number)
    yield app.stop_takes_s
    if app.turns.get(number) == turn:
        app.change(number, second=None)


def _is_being_replaced(app: ReplayedApp, number: int) -> bool:
    record = app.instances.get(number)
    return record is not None and (record.status != "online" or record.second is not None)


def _cancel_reload(app: ReplayedApp) -> Answer:
    roll = app.roll
    if roll is None or not roll.under_way:
        return Refused(kind="refused", message="there is no reload under way to cancel")
    app.happened("asked", None, "cancel reload", WHO)
    going = tuple(
        n for n in roll.current if (two := app.instances[n].second) and two.role == "heir"
    )
    for number in going:
        app.take_turn(number)
        app.change(number, second=None)
    done = (*roll.done, *(n for n in roll.current if n not in going))
    failed = f"cancelled by {WHO}"
    app.change_app(
        roll=Roll(waiting=(*going, *roll.waiting), done=done, failed=failed, cancelled=True)
    )
    app.happened("reload_failed", None, failed)
    return Accepted(instances=going)


def delete(app: ReplayedApp) -> Play:
    """Stop everything, then say good-bye."""
    app.happened("asked", None, "delete", WHO)
    turns = {number: app.take_turn(number) for number in app.instances}
    for number in turns:
        app.change(number, wanted="stopped", status="stopping")
    yield min(app.stop_takes_s, app.record.limits.kill_timeout_s)
    app.leave()


def _drop(app: ReplayedApp, number: int) -> Play:
    yield from stop(app, number)
    app.remove(number)


def _dying(app: ReplayedApp, number: int, turn: int) -> Play:
    """Wait until the worker is gone; it is killed after the app's ``kill_timeout_s``."""
    grace = app.record.limits.kill_timeout_s
    stubborn = app.stop_takes_s > grace
    yield min(app.stop_takes_s, grace)
    if app.turns.get(number) != turn:
        return
    if stubborn:
        app.happened("killed", number, f"did not stop within {grace:g} s")
    record = app.instances[number]
    ran_s = app.wall() - (record.started_at or app.wall())
    code, signal = (None, 9) if stubborn else (0, None)
    app.exited(number, Exit(code=code, signal=signal, at=app.wall(), ran_s=ran_s, asked=True))


def spawn(app: ReplayedApp, number: int, turn: int) -> Play:
    """Put a new worker into a slot and let it survive ``min_uptime_s``."""
    pid = app.new_pid()
    app.change(
        number, status="starting", wanted="running", ready=False, pid=pid,
        started_at=app.wall(), next_start_at=None, reason=None,
    )  # fmt: skip
    app.happened("spawned", number, f"pid {pid}")
    yield app.record.limits.min_uptime_s
    if app.turns.get(number) == turn:
        app.change(number, status="online", ready=True, unstable_restarts=0)
        app.happened("ready", number)
