"""What a slot decides while a new worker starts beside the old one."""

import itertools

import pytest

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Drain, LogError, RecordEvent, Signal, Spawn
from monit_agent.supervise.overlap import decide
from monit_agent.supervise.spec import AppSpec, Checks, RestartPolicy
from monit_agent.supervise.state import (
    RESTING,
    AfterStop,
    DesiredState,
    Now,
    Replacement,
    Role,
    Slot,
    Status,
    Worker,
)

SPEC = AppSpec(
    name="web", script="web.py", argv=("python",), cwd="/", user="u", mode="cluster",
    policy=RestartPolicy(listen_timeout_s=3.0, kill_timeout_s=5.0),
)  # fmt: skip
T0 = Now(100.0, 1_000.0)
OLD, NEW = Worker(7, 1, T0), Worker(8, 2, Now(160.0, 1_060.0))


def later(seconds: float) -> Now:
    """Return a moment after the incoming worker started."""
    return Now(160.0 + seconds, 1_060.0 + seconds)


def serving() -> Slot:
    return Slot(
        0, 0, status=Status.ONLINE, desired=DesiredState.RUNNING, ready=True, worker=OLD,
        listens=True, shares_port=True,
    )  # fmt: skip


def doubled(role: Role, status: Status = Status.ONLINE) -> Slot:
    """Return a slot with a second worker. The pid of the incoming or the outgoing worker is 8."""
    worker = None if status in RESTING else OLD
    replacement = Replacement(NEW, role, deadline=later(3).mono)
    return serving()._replace(status=status, worker=worker, replacement=replacement)


def play(slot: Slot, *events: e.SlotEvent, spec: AppSpec = SPEC) -> tuple[Slot, list[Action]]:
    """Let the events happen; give the slot and all that was to be done."""
    done: list[Action] = []
    for event in events:
        slot, actions = decide(slot, event, spec)
        assert not any(isinstance(action, LogError) for action in actions)
        done += actions
    return slot, done


def begun() -> Slot:
    slot, done = play(serving(), e.ReplaceRequested(later(0)))
    assert done == [Spawn(0, replacement=True)]
    return play(slot, e.Spawned(later(0), NEW))[0]


def exited(pid: int, at: float) -> e.Exited:
    return e.Exited(later(at), 3, None, 0, 0.0, pid)


EVENTS: list[e.SlotEvent] = [
    e.StartRequested(later(4)), e.StopRequested(later(4)),
    e.StopRequested(later(4), keep_desired=True),
    e.RestartRequested(later(4)), e.ReplaceRequested(later(4)), e.ReplaceCancelled(later(4)),
    e.ResetRequested(later(4)),
    e.BecameReady(later(4), 7), e.BecameReady(later(4), 8),
    e.ReadinessFailed(later(4), "status 503", 7), e.ReadinessFailed(later(4), "status 503", 8),
    e.StartedListening(later(4), 7), e.StartedListening(later(4), 8), e.Drained(later(4), 7),
    e.Drained(later(4), 8), exited(7, 4), exited(8, 4), e.DeadlinePassed(later(4)),
    e.ReloadedInPlace(later(4)), e.ReplaceRequested(later(4), in_place=True),
    e.SpawnFailed(later(4), "no such file", True, 0.5, 7),
    e.SpawnFailed(later(4), "no such file", True, 0.5, 8),
]  # fmt: skip
PLACES = [
    (Role.INCOMING, Status.ONLINE),
    *itertools.product((Role.DRAINING, Role.STOPPING), Status),
]


@pytest.mark.parametrize(("place", "event"), itertools.product(PLACES, EVENTS))
def test_every_pair_gives_a_sound_slot(place: tuple[Role, Status], event: e.SlotEvent) -> None:
    """Whatever happens to two workers: statuses are true, whoever leaves is waited for, and
    a third worker is never started."""
    slot, actions = decide(doubled(*place), event, SPEC)
    assert (slot.worker is None) == (slot.status in RESTING) or has_spawn(actions)
    assert slot.replacement is None or slot.replacement.deadline is not None
    if has_spawn(actions):
        assert slot.worker is None
        assert slot.replacement is None or slot.replacement.role is not Role.INCOMING
    if slot.replacement is not None and slot.worker is not None:
        assert slot.replacement.worker != slot.worker


def has_spawn(actions: tuple[Action, ...]) -> bool:
    return any(isinstance(action, Spawn) for action in actions)


def test_the_incoming_worker_takes_over_when_it_listens_and_has_its_uptime() -> None:
    """Then the old one accepts nothing new, is stopped, and exits."""
    slot, done = play(begun(), e.StartedListening(later(0.2), 8))
    assert (slot.worker, done) == (OLD, [])
    slot, done = play(slot, e.DeadlinePassed(later(1.0)))
    assert (slot.worker, slot.status, slot.restarts) == (NEW, Status.ONLINE, 1)
    assert Drain(0, 7) in done
    assert not any(isinstance(action, Signal) for action in done)
    slot, done = play(slot, e.Drained(later(1.3), 7))
    assert Signal(0, 15, 7) in done
    slot, done = play(slot, e.DeadlinePassed(later(1.3 + 5.0)))
    assert Signal(0, 9, 7) in done
    slot, _ = play(slot, exited(7, 6.5))
    assert (slot.replacement, slot.exits[-1].requested, slot.restart_times) == (None, True, ())


def test_one_that_never_drains_is_stopped_all_the_same() -> None:
    """After as long as it would have had to stop, and not before."""
    slot, _ = play(begun(), e.StartedListening(later(0.2), 8), e.DeadlinePassed(later(1.0)))
    slot, done = play(slot, e.DeadlinePassed(later(5.9)))
    assert done == []
    slot, done = play(slot, e.DeadlinePassed(later(6.0)))
    assert Signal(0, 15, 7) in done


@pytest.mark.parametrize("listens", [False, True])
def test_an_incoming_worker_that_exits_changes_nothing(listens: bool) -> None:
    """The old worker stays, online all the time, and the slot knows why."""
    events_seen = [e.StartedListening(later(0.1), 8)] if listens else []
    slot, done = play(begun(), *events_seen, exited(8, 0.2))
    assert (slot.worker, slot.status, slot.replacement, slot.restarts) == (
        OLD,
        Status.ONLINE,
        None,
        0,
    )
    ready = "it was ready, but exited 0.20 s after its start (exit code 3)"
    assert slot.replace_failure == (ready if listens else "exit code 3")
    assert not any(isinstance(action, Signal | Spawn) for action in done)


def test_an_incoming_worker_whose_exit_monit_caused_is_started_again() -> None:
    """The replacement has not failed."""
    slot, done = play(begun(), exited(8, 0.2)._replace(again=True))
    assert Spawn(0, replacement=True) in done
    assert slot.replacement == Replacement(None, Role.INCOMING)
    assert slot.replace_failure is None


def test_an_incoming_worker_whose_channel_closes_before_its_exit_has_failed_too() -> None:
    """Which of the two is seen first is chance."""
    slot, _ = play(begun(), e.Drained(later(0.1), 8), exited(8, 0.2))
    assert slot.replace_failure == "exit code 3"


def test_an_incoming_worker_that_does_not_listen_in_time_is_stopped() -> None:
    """The old worker is not touched."""
    slot, done = play(begun(), e.DeadlinePassed(later(3.0)))
    assert slot.replace_failure == "not ready within 3.0 s"
    assert [action for action in done if isinstance(action, Signal)] == [Signal(0, 15, 8)]
    slot, done = play(slot, exited(8, 3.1))
    assert (slot.worker, slot.status, slot.replacement) == (OLD, Status.ONLINE, None)
    assert slot.exits[-1].requested is False


CHECKED = SPEC._replace(checks=Checks(ready_url="http://127.0.0.1:8000/"))


def test_a_checked_incoming_worker_takes_over_when_the_check_succeeds() -> None:
    """To listen is not enough; when the check succeeds it takes over as others do."""
    slot, _ = play(
        begun(), e.StartedListening(later(0.2), 8), e.DeadlinePassed(later(1.5)), spec=CHECKED
    )
    assert slot.worker == OLD
    slot, _ = play(slot, e.BecameReady(later(2.0), 8, checked=True), spec=CHECKED)
    assert (slot.worker, slot.status) == (NEW, Status.ONLINE)


def test_a_checked_incoming_worker_that_is_late_goes_with_the_last_reason() -> None:
    """The old one stays, and the reload can say what was wrong with the new one."""
    not_ready = e.ReadinessFailed(later(1.0), "status 503", 8)
    slot, _ = play(begun(), not_ready, e.DeadlinePassed(later(3.0)), spec=CHECKED)
    assert slot.worker == OLD
    assert slot.replace_failure == "not ready within 3.0 s: status 503"


def test_the_incoming_worker_takes_over_when_the_old_one_exits() -> None:
    """It is the slot's worker from then on, with the time that it still has."""
    slot, done = play(begun(), exited(7, 0.2))
    assert (slot.worker, slot.status, slot.replacement) == (NEW, Status.STARTING, None)
    assert slot.deadline == later(3.0).mono
    assert not has_spawn(tuple(done))
    slot, _ = play(slot, e.StartedListening(later(0.4), 8))
    assert slot.status is Status.ONLINE


def test_an_incoming_worker_that_is_sent_away_leaves_the_old_one_as_it_was() -> None:
    """It is stopped at once when it does not listen yet; nothing has failed."""
    slot, done = play(begun(), e.ReplaceCancelled(later(0.2)))
    assert [action for action in done if isinstance(action, Signal)] == [Signal(0, 15, 8)]
    slot, done = play(slot, exited(8, 0.3))
    assert (slot.worker, slot.status, slot.replacement, slot.replace_failure) == (
        OLD,
        Status.ONLINE,
        None,
        None,
    )
    assert slot.exits[-1].requested is True
    assert not has_spawn(tuple(done))


def test_an_incoming_worker_that_listens_is_not_cut_off_when_it_is_sent_away() -> None:
    """It may have begun to answer: first it accepts nothing new, then it is stopped."""
    slot, done = play(begun(), e.StartedListening(later(0.1), 8), e.ReplaceCancelled(later(0.2)))
    assert Drain(0, 8) in done
    assert not any(isinstance(action, Signal) for action in done)
    slot, done = play(slot, e.Drained(later(0.4), 8))
    assert Signal(0, 15, 8) in done
    assert slot.worker == OLD


@pytest.mark.parametrize("role", [Role.DRAINING, Role.STOPPING])
def test_what_took_over_already_is_not_undone(role: Role) -> None:
    """A cancelled reload leaves a worker that is the slot's own alone."""
    slot = doubled(role)
    assert decide(slot, e.ReplaceCancelled(later(4)), SPEC) == (slot, ())


@pytest.mark.parametrize("first", [7, 8])
def test_stop_waits_for_both(first: int) -> None:
    """The status is stopped when neither is left, whichever exits first."""
    slot, done = play(begun(), e.StopRequested(later(0.2)))
    assert [a for a in done if isinstance(a, Signal)] == [Signal(0, 15), Signal(0, 15, 8)]
    slot, _ = play(slot, exited(first, 0.3))
    assert slot.status is Status.STOPPING
    slot, done = play(slot, exited(15 - first, 0.4))
    assert (slot.status, slot.worker, slot.replacement) == (Status.STOPPED, None, None)
    assert "stopped" in [action.kind for action in done if isinstance(action, RecordEvent)]


def test_a_worker_that_does_not_listen_is_replaced_as_ever() -> None:
    """Two of them could not have the same port: the old one goes first."""
    slot, done = play(serving()._replace(listens=False), e.ReplaceRequested(later(0)))
    assert slot.status is Status.DRAINING
    assert not has_spawn(tuple(done))


INHERITS = SPEC._replace(listen=("127.0.0.1:80",))


def test_an_incoming_worker_that_inherits_its_sockets_must_accept_on_them() -> None:
    """To survive `min_uptime` is not enough: a worker that nobody can reach is not ready."""
    slot, _ = play(serving(), e.ReplaceRequested(later(0)), e.Spawned(later(0), NEW), spec=INHERITS)
    slot, done = play(slot, e.DeadlinePassed(later(1.5)), spec=INHERITS)
    assert (slot.worker, done) == (OLD, [])
    slot, done = play(
        slot, e.StartedListening(later(1.6), 8), e.DeadlinePassed(later(1.6)), spec=INHERITS
    )
    assert (slot.worker, slot.listens, slot.ready) == (NEW, True, True)
    assert Drain(0, 7) in done


def test_an_incoming_worker_that_inherits_its_sockets_may_have_to_say_that_it_is_ready() -> None:
    """Then `min_uptime` is not enough, and without the word the old one stays."""
    spec = INHERITS._replace(wait_ready=True)
    slot, _ = play(serving(), e.ReplaceRequested(later(0)), e.Spawned(later(0), NEW), spec=spec)
    waiting, done = play(slot, e.DeadlinePassed(later(2.9)), spec=spec)
    assert (waiting.worker, done) == (OLD, [])
    late, _ = play(waiting, e.DeadlinePassed(later(3.0)), exited(8, 3.1), spec=spec)
    assert (late.worker, late.replacement) == (OLD, None)
    assert late.replace_failure is not None
    ready, _ = play(waiting, e.BecameReady(later(2.9), 8), spec=spec)
    assert (ready.worker, ready.listens) == (NEW, True)


def test_a_worker_that_inherits_its_sockets_is_online_when_it_accepts() -> None:
    """Before that it is starting, and after `listen_timeout` its start has failed."""
    resting = serving()._replace(status=Status.STOPPED, worker=None, listens=False, ready=False)
    slot, _ = play(resting, e.StartRequested(later(0)), e.Spawned(later(0), NEW), spec=INHERITS)
    waiting, _ = play(slot, e.DeadlinePassed(later(1.0)), spec=INHERITS)
    assert (waiting.status, waiting.listens) == (Status.STARTING, False)
    online, _ = play(waiting, e.StartedListening(later(1.2)), spec=INHERITS)
    assert (online.status, online.listens) == (Status.ONLINE, True)
    failed, _ = play(waiting, e.DeadlinePassed(later(3.0)), spec=INHERITS)
    assert (failed.status, failed.after_stop) == (Status.STOPPING, AfterStop.FAILED_START)


PORTLESS = serving()._replace(listens=False, shares_port=False)


def test_a_worker_that_listens_nowhere_is_replaced_when_the_new_one_has_settled() -> None:
    """It has nothing to drain, so it gets the stop signal at once."""
    beside = e.ReplaceRequested(later(0), beside=True)
    slot, done = play(PORTLESS, beside, e.Spawned(later(0), NEW))
    assert (slot.worker, Spawn(0, replacement=True) in done) == (OLD, True)
    slot, done = play(slot, e.DeadlinePassed(later(1.5)))
    assert (slot.worker, done) == (OLD, [])
    slot, done = play(slot, e.Settled(later(1.6), 8), e.DeadlinePassed(later(1.6)))
    assert (slot.worker, slot.ready) == (NEW, True)
    assert Signal(0, 15, 7) in done


def test_a_worker_that_listens_nowhere_keeps_running_when_the_new_one_exits() -> None:
    """A broken release of a queue's worker never replaces the good one."""
    beside = e.ReplaceRequested(later(0), beside=True)
    slot, done = play(PORTLESS, beside, e.Spawned(later(0), NEW), exited(8, 1.2))
    assert (slot.worker, slot.replacement) == (OLD, None)
    assert slot.replace_failure is not None
    assert not any(isinstance(action, Signal) for action in done)


def test_an_incoming_worker_without_a_port_may_be_busy_from_its_start_on() -> None:
    """What never settles works, and does not start any more."""
    beside = e.ReplaceRequested(later(0), beside=True)
    slot, _ = play(PORTLESS, beside, e.Spawned(later(0), NEW), e.DeadlinePassed(later(10.0)))
    assert slot.worker == NEW
