"""What a slot decides while a new worker starts beside the old one."""

import itertools

import pytest

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Complain, Quiesce, Signal, Spawn, Tell
from monit_agent.supervise.beside import decide
from monit_agent.supervise.spec import AppSpec, Checks, Policy
from monit_agent.supervise.state import RESTING, Beside, Now, Role, Slot, Status, Wanted, Worker

SPEC = AppSpec(
    name="web", script="web.py", argv=("python",), cwd="/", user="u", mode="cluster",
    policy=Policy(listen_timeout_s=3.0, kill_timeout_s=5.0),
)  # fmt: skip
T0 = Now(100.0, 1_000.0)
OLD, NEW = Worker(7, 1, T0), Worker(8, 2, Now(160.0, 1_060.0))


def later(seconds: float) -> Now:
    """Give a moment after the start of the heir."""
    return Now(160.0 + seconds, 1_060.0 + seconds)


def serving() -> Slot:
    return Slot(
        0, 0, status=Status.ONLINE, wanted=Wanted.RUNNING, ready=True, worker=OLD,
        listens=True, shares=True,
    )  # fmt: skip


def doubled(role: Role, status: Status = Status.ONLINE) -> Slot:
    """Give a slot with a second worker. The pid of the heir, or of the old one, is 8."""
    worker = None if status in RESTING else OLD
    beside = Beside(NEW, role, wake_at=later(3).mono)
    return serving()._replace(status=status, worker=worker, beside=beside)


def play(slot: Slot, *events: e.SlotEvent, spec: AppSpec = SPEC) -> tuple[Slot, list[Action]]:
    """Let the events happen; give the slot and all that was to be done."""
    done: list[Action] = []
    for event in events:
        slot, actions = decide(slot, event, spec)
        assert not any(isinstance(action, Complain) for action in actions)
        done += actions
    return slot, done


def begun() -> Slot:
    slot, done = play(serving(), e.ReplaceAsked(later(0)))
    assert done == [Spawn(0, beside=True)]
    return play(slot, e.Spawned(later(0), NEW))[0]


def exited(pid: int, at: float) -> e.Exited:
    return e.Exited(later(at), 3, None, 0, 0.0, pid)


EVENTS: list[e.SlotEvent] = [
    e.StartAsked(later(4)), e.StopAsked(later(4)), e.StopAsked(later(4), wish=False),
    e.RestartAsked(later(4)), e.ReplaceAsked(later(4)), e.ReplaceCancelled(later(4)),
    e.ResetAsked(later(4)),
    e.BecameReady(later(4), 7), e.BecameReady(later(4), 8),
    e.NotReady(later(4), "status 503", 7), e.NotReady(later(4), "status 503", 8),
    e.Listened(later(4), 7), e.Listened(later(4), 8), e.Quiesced(later(4), 7),
    e.Quiesced(later(4), 8), exited(7, 4), exited(8, 4), e.TimeCame(later(4)),
    e.SpawnFailed(later(4), "no such file", True, 0.5, 7),
    e.SpawnFailed(later(4), "no such file", True, 0.5, 8),
]  # fmt: skip
PLACES = [(Role.HEIR, Status.ONLINE), *itertools.product((Role.QUIESCING, Role.LEAVING), Status)]


@pytest.mark.parametrize(("place", "event"), itertools.product(PLACES, EVENTS))
def test_every_pair_gives_a_sound_slot(place: tuple[Role, Status], event: e.SlotEvent) -> None:
    """Whatever happens to two workers: statuses tell the truth, whoever leaves is waited for, and
    a third worker is never started."""
    slot, actions = decide(doubled(*place), event, SPEC)
    assert (slot.worker is None) == (slot.status in RESTING) or has_spawn(actions)
    assert slot.beside is None or slot.beside.wake_at is not None
    if has_spawn(actions):
        assert slot.worker is None
        assert slot.beside is None or slot.beside.role is not Role.HEIR
    if slot.beside is not None and slot.worker is not None:
        assert slot.beside.worker != slot.worker


def has_spawn(actions: tuple[Action, ...]) -> bool:
    return any(isinstance(action, Spawn) for action in actions)


def test_the_heir_takes_over_when_it_listens_and_has_lived() -> None:
    """Then the old one takes nothing new, is told to stop, and is gone."""
    slot, done = play(begun(), e.Listened(later(0.2), 8))
    assert (slot.worker, done) == (OLD, [])
    slot, done = play(slot, e.TimeCame(later(1.0)))
    assert (slot.worker, slot.status, slot.restarts) == (NEW, Status.ONLINE, 1)
    assert Quiesce(0, 7) in done
    assert not any(isinstance(action, Signal) for action in done)
    slot, done = play(slot, e.Quiesced(later(1.3), 7))
    assert Signal(0, 15, 7) in done
    slot, done = play(slot, e.TimeCame(later(1.3 + 5.0)))
    assert Signal(0, 9, 7) in done
    slot, _ = play(slot, exited(7, 6.5))
    assert (slot.beside, slot.exits[-1].asked, slot.restart_times) == (None, True, ())


def test_one_that_is_never_done_is_told_to_stop_all_the_same() -> None:
    """After as long as it would have had to stop, and not before."""
    slot, _ = play(begun(), e.Listened(later(0.2), 8), e.TimeCame(later(1.0)))
    slot, done = play(slot, e.TimeCame(later(5.9)))
    assert done == []
    slot, done = play(slot, e.TimeCame(later(6.0)))
    assert Signal(0, 15, 7) in done


@pytest.mark.parametrize("listens", [False, True])
def test_an_heir_that_dies_changes_nothing(listens: bool) -> None:
    """The old worker stays, online all the time, and the slot knows why."""
    heard = [e.Listened(later(0.1), 8)] if listens else []
    slot, done = play(begun(), *heard, exited(8, 0.2))
    assert (slot.worker, slot.status, slot.beside, slot.restarts) == (OLD, Status.ONLINE, None, 0)
    assert slot.kept == "exit code 3"
    assert not any(isinstance(action, Signal | Spawn) for action in done)


def test_an_heir_whose_channel_closes_before_it_dies_has_failed_too() -> None:
    """Which of the two is heard first is chance."""
    slot, _ = play(begun(), e.Quiesced(later(0.1), 8), exited(8, 0.2))
    assert slot.kept == "exit code 3"


def test_an_heir_that_does_not_listen_in_time_is_told_to_go() -> None:
    """The old worker is not touched."""
    slot, done = play(begun(), e.TimeCame(later(3.0)))
    assert slot.kept == "not ready within 3.0 s"
    assert [action for action in done if isinstance(action, Signal)] == [Signal(0, 15, 8)]
    slot, done = play(slot, exited(8, 3.1))
    assert (slot.worker, slot.status, slot.beside) == (OLD, Status.ONLINE, None)
    assert slot.exits[-1].asked is False


CHECKED = SPEC._replace(checks=Checks(ready_url="http://127.0.0.1:8000/"))


def test_a_checked_heir_takes_over_when_the_check_succeeds() -> None:
    """To listen is not enough; when the check succeeds it takes over as others do."""
    slot, _ = play(begun(), e.Listened(later(0.2), 8), e.TimeCame(later(1.5)), spec=CHECKED)
    assert slot.worker == OLD
    slot, _ = play(slot, e.BecameReady(later(2.0), 8, checked=True), spec=CHECKED)
    assert (slot.worker, slot.status) == (NEW, Status.ONLINE)


def test_a_checked_heir_that_is_late_goes_with_the_last_reason() -> None:
    """The old one stays, and the reload can say what was wrong with the new one."""
    not_ready = e.NotReady(later(1.0), "status 503", 8)
    slot, _ = play(begun(), not_ready, e.TimeCame(later(3.0)), spec=CHECKED)
    assert slot.worker == OLD
    assert slot.kept == "not ready within 3.0 s: status 503"


def test_the_heir_steps_in_when_the_old_one_dies() -> None:
    """It is the slot's worker from then on, with the time that it still has."""
    slot, done = play(begun(), exited(7, 0.2))
    assert (slot.worker, slot.status, slot.beside) == (NEW, Status.STARTING, None)
    assert slot.wake_at == later(3.0).mono
    assert not has_spawn(tuple(done))
    slot, _ = play(slot, e.Listened(later(0.4), 8))
    assert slot.status is Status.ONLINE


def test_an_heir_that_is_sent_away_leaves_the_old_one_as_it_was() -> None:
    """It is told to stop at once when it listens to nobody yet; nothing has failed."""
    slot, done = play(begun(), e.ReplaceCancelled(later(0.2)))
    assert [action for action in done if isinstance(action, Signal)] == [Signal(0, 15, 8)]
    slot, done = play(slot, exited(8, 0.3))
    assert (slot.worker, slot.status, slot.beside, slot.kept) == (OLD, Status.ONLINE, None, None)
    assert slot.exits[-1].asked is True
    assert not has_spawn(tuple(done))


def test_an_heir_that_listens_is_not_cut_off_when_it_is_sent_away() -> None:
    """It may have begun to answer: first it takes nothing new, then it is told to stop."""
    slot, done = play(begun(), e.Listened(later(0.1), 8), e.ReplaceCancelled(later(0.2)))
    assert Quiesce(0, 8) in done
    assert not any(isinstance(action, Signal) for action in done)
    slot, done = play(slot, e.Quiesced(later(0.4), 8))
    assert Signal(0, 15, 8) in done
    assert slot.worker == OLD


@pytest.mark.parametrize("role", [Role.QUIESCING, Role.LEAVING])
def test_what_took_over_already_is_not_undone(role: Role) -> None:
    """A cancelled reload leaves a worker that is the slot's own alone."""
    slot = doubled(role)
    assert decide(slot, e.ReplaceCancelled(later(4)), SPEC) == (slot, ())


@pytest.mark.parametrize("first", [7, 8])
def test_stop_waits_for_both(first: int) -> None:
    """Stopped is said when neither is left, whichever goes first."""
    slot, done = play(begun(), e.StopAsked(later(0.2)))
    assert [a for a in done if isinstance(a, Signal)] == [Signal(0, 15), Signal(0, 15, 8)]
    slot, _ = play(slot, exited(first, 0.3))
    assert slot.status is Status.STOPPING
    slot, done = play(slot, exited(15 - first, 0.4))
    assert (slot.status, slot.worker, slot.beside) == (Status.STOPPED, None, None)
    assert "stopped" in [action.kind for action in done if isinstance(action, Tell)]


def test_a_worker_that_does_not_listen_is_replaced_as_ever() -> None:
    """Two of them could not have the same port: the old one goes first."""
    slot, done = play(serving()._replace(listens=False), e.ReplaceAsked(later(0)))
    assert slot.status is Status.DRAINING
    assert not has_spawn(tuple(done))


INHERITS = SPEC._replace(listen=("127.0.0.1:80",))


def test_an_heir_that_inherits_its_sockets_must_only_live() -> None:
    """It says no word when it accepts: after `min_uptime` it takes over."""
    slot, _ = play(serving(), e.ReplaceAsked(later(0)), e.Spawned(later(0), NEW), spec=INHERITS)
    slot, done = play(slot, e.TimeCame(later(0.9)), spec=INHERITS)
    assert (slot.worker, done) == (OLD, [])
    slot, done = play(slot, e.TimeCame(later(1.0)), spec=INHERITS)
    assert (slot.worker, slot.listens, slot.ready) == (NEW, True, True)
    assert Quiesce(0, 7) in done


def test_an_heir_that_inherits_its_sockets_may_have_to_say_that_it_is_ready() -> None:
    """Then `min_uptime` is not enough, and without the word the old one stays."""
    spec = INHERITS._replace(wait_ready=True)
    slot, _ = play(serving(), e.ReplaceAsked(later(0)), e.Spawned(later(0), NEW), spec=spec)
    waiting, done = play(slot, e.TimeCame(later(2.9)), spec=spec)
    assert (waiting.worker, done) == (OLD, [])
    late, _ = play(waiting, e.TimeCame(later(3.0)), exited(8, 3.1), spec=spec)
    assert (late.worker, late.beside) == (OLD, None)
    assert late.kept is not None
    ready, _ = play(waiting, e.BecameReady(later(2.9), 8), spec=spec)
    assert (ready.worker, ready.listens) == (NEW, True)


def test_a_worker_that_inherits_its_sockets_is_online_when_it_has_lived() -> None:
    """The first one, and one that is started again: nobody waits for a word."""
    resting = serving()._replace(status=Status.STOPPED, worker=None, listens=False, ready=False)
    slot, _ = play(resting, e.StartAsked(later(0)), e.Spawned(later(0), NEW), spec=INHERITS)
    assert (slot.status, slot.listens) == (Status.STARTING, True)
    slot, _ = play(slot, e.TimeCame(later(1.0)), spec=INHERITS)
    assert slot.status is Status.ONLINE
