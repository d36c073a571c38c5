"""What one slot decides."""

import itertools

import pytest

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Complain, Signal, Spawn, Tell
from monit_agent.supervise.machine import TABLE, decide
from monit_agent.supervise.spec import AppSpec, Checks, Policy
from monit_agent.supervise.state import RESTING, After, Now, Slot, Status, Wanted, Worker

SPEC = AppSpec(name="web", script="web.py", argv=("python", "web.py"), cwd="/", user="u")
T0 = Now(100.0, 1_000.0)


def later(seconds: float) -> Now:
    return Now(T0.mono + seconds, T0.wall + seconds)


def spec(wait_ready: bool = False, **policy: object) -> AppSpec:
    return SPEC._replace(policy=Policy(**policy), wait_ready=wait_ready)


def slot_in(status: Status) -> Slot:
    worker = None if status in RESTING else Worker(7, 1, T0)
    wanted = Wanted.STOPPED if status is Status.STOPPED else Wanted.RUNNING
    return Slot(0, 0, status=status, wanted=wanted, worker=worker, wake_at=T0.mono + 1)


def exited(at: Now, code: int | None = 1, signal: int | None = None, left: int = 0) -> e.Exited:
    return e.Exited(at, code, signal, left, 0.0)


def kinds(actions: tuple[object, ...]) -> list[str]:
    return [action.kind for action in actions if isinstance(action, Tell)]


def has_spawn(actions: tuple[object, ...]) -> bool:
    return any(isinstance(action, Spawn) for action in actions)


def started(slot: Slot, at: Now = T0, of: AppSpec = SPEC) -> Slot:
    slot, actions = decide(slot, e.StartAsked(at), of)
    assert has_spawn(actions)
    return decide(slot, e.Spawned(at, Worker(7, 1, at)), of)[0]


def online(of: AppSpec = SPEC) -> Slot:
    up, _ = decide(started(Slot(0, 0), of=of), e.TimeCame(later(1.0)), of)
    assert up.status is Status.ONLINE
    return up


EVENTS: list[e.SlotEvent] = [
    e.StartAsked(later(2)),
    e.StopAsked(later(2)),
    e.StopAsked(later(2), wish=False),
    e.RestartAsked(later(2)),
    e.ReplaceAsked(later(2)),
    e.ReplaceCancelled(later(2)),
    e.ResetAsked(later(2)),
    e.Spawned(later(2), Worker(8, 2, later(2))),
    e.SpawnFailed(later(2), "no such file", True, 0.5),
    e.BecameReady(later(2)),
    e.NotReady(later(2), "connection refused"),
    e.Listened(later(2)),
    e.Quiesced(later(2), 7),
    exited(later(2)),
    e.TimeCame(later(2)),
]


def test_the_table_knows_every_event_and_every_status() -> None:
    """No pair is undecided: a keeper never meets one for the first time in production."""
    assert set(TABLE) == {type(event) for event in EVENTS}
    assert all(set(row) == set(Status) for row in TABLE.values())


@pytest.mark.parametrize(("status", "event"), itertools.product(Status, EVENTS))
def test_every_pair_gives_a_sound_slot(status: Status, event: e.SlotEvent) -> None:
    """After any event a slot has a worker exactly when its status says so, and a spawn is asked
    only of a slot without one."""
    slot, actions = decide(slot_in(status), event, SPEC)
    if has_spawn(actions):
        assert slot.worker is None
        assert slot.status is Status.STARTING
    elif slot.status in RESTING:
        assert slot.worker is None
    else:
        assert slot.worker is not None
    if any(isinstance(action, Complain) for action in actions):
        assert slot == slot_in(status)


def test_a_worker_is_online_when_it_survived_min_uptime() -> None:
    """Not before, and only then is it ready."""
    slot = started(Slot(0, 0))
    early, _ = decide(slot, e.TimeCame(later(0.9)), SPEC)
    assert (early.status, early.ready) == (Status.STARTING, False)
    up, actions = decide(slot, e.TimeCame(later(1.0)), SPEC)
    assert (up.status, up.ready) == (Status.ONLINE, True)
    assert kinds(actions) == ["ready"]


def test_with_wait_ready_only_the_word_counts() -> None:
    """Surviving is not enough when the app said that it will speak."""
    patient = spec(wait_ready=True)
    slot = started(Slot(0, 0), of=patient)
    assert decide(slot, e.TimeCame(later(5)), patient)[0].status is Status.STARTING
    assert decide(slot, e.BecameReady(later(5)), patient)[0].status is Status.ONLINE


def test_a_worker_that_listens_on_a_shared_port_is_online_at_once() -> None:
    """It said itself that it does its work; from then on the ones after it must say so too."""
    slot, actions = decide(started(Slot(0, 0)), e.Listened(later(0.1)), SPEC)
    assert (slot.status, slot.ready, slot.listens) == (Status.ONLINE, True, True)
    assert kinds(actions) == ["ready"]
    slot, _ = decide(slot, exited(later(60)), SPEC)
    slot, _ = decide(slot, e.Spawned(later(60), Worker(8, 2, later(60))), SPEC)
    slot, _ = decide(slot, e.TimeCame(later(62)), SPEC)
    assert (slot.status, slot.listens) == (Status.STARTING, False)
    assert decide(slot, e.Listened(later(63)), SPEC)[0].status is Status.ONLINE
    late, _ = decide(slot, e.TimeCame(later(90)), SPEC)
    assert (late.status, late.shares) == (Status.ONLINE, False)


def test_whoever_is_ready_and_dies_within_min_uptime_backs_off() -> None:
    """A program that listens and then dies, for ever, does not do so hundreds of times a second."""
    slot, _ = decide(started(Slot(0, 0)), e.Listened(later(0.1)), SPEC)
    slot, actions = decide(slot, exited(later(0.3)), SPEC)
    assert slot.status is Status.BACKOFF
    assert not has_spawn(actions)


def test_one_that_does_not_become_ready_is_stopped_as_unstable() -> None:
    """It is told to stop, counts as unstable, and its reason says what was missing."""
    patient = spec(wait_ready=True, listen_timeout_s=3.0)
    slot = started(Slot(0, 0), of=patient)
    slot, actions = decide(slot, e.TimeCame(later(3)), patient)
    assert Signal(0, 15) in actions
    slot, _ = decide(slot, exited(later(3.1), None, 15), patient)
    assert slot.status is Status.BACKOFF
    assert "not ready within 3.0 s" in (slot.reason or "")
    assert len(slot.unstable_at) == 1


def test_only_the_check_makes_a_checked_worker_ready() -> None:
    """Surviving, listening and the app's own word are not enough where the user named a check."""
    checked = spec()._replace(checks=Checks(ready_url="http://127.0.0.1:8000/"))
    slot = started(Slot(0, 0), of=checked)
    for event in (e.TimeCame(later(5)), e.BecameReady(later(5)), e.Listened(later(5))):
        assert decide(slot, event, checked)[0].status is Status.STARTING
    ready = e.BecameReady(later(5), checked=True)
    assert decide(slot, ready, checked)[0].status is Status.ONLINE
    assert (
        decide(started(Slot(0, 0), of=spec(wait_ready=True)), ready, spec(wait_ready=True))[
            0
        ].status
        is Status.STARTING
    )


def test_the_last_reason_of_the_check_is_the_reason_of_the_end() -> None:
    """What the check said last stands in what is told, and in why the slot waits; a worker that
    did become ready has no reason any more."""
    checked = spec(listen_timeout_s=3.0)._replace(checks=Checks(ready_command=("check",)))
    slot, _ = decide(started(Slot(0, 0), of=checked), e.NotReady(later(1), "status 503"), checked)
    same, _ = decide(slot, e.NotReady(later(2), "status 503"), checked)
    assert slot.reason == "status 503"
    assert same is slot, "what is known already is not written down again"
    up, _ = decide(slot, e.BecameReady(later(2), checked=True), checked)
    assert (up.status, up.reason) == (Status.ONLINE, None)
    late, actions = decide(slot, e.TimeCame(later(3)), checked)
    assert [a.text for a in actions if isinstance(a, Tell)] == [
        "not ready within 3.0 s: status 503"
    ]
    assert kinds(actions) == ["unready"]
    waiting, _ = decide(late, exited(later(3.1), None, 15), checked)
    assert waiting.status is Status.BACKOFF
    assert (waiting.reason or "").startswith("not ready within 3.0 s: status 503")


def test_a_reason_does_not_outlive_the_worker_that_it_was_about() -> None:
    """Somebody stops a worker that is not ready yet: the stopped slot complains of nothing."""
    checked = spec()._replace(checks=Checks(ready_command=("check",)))
    slot, _ = decide(started(Slot(0, 0), of=checked), e.NotReady(later(1), "status 503"), checked)
    slot, _ = decide(slot, e.StopAsked(later(2)), checked)
    slot, _ = decide(slot, exited(later(2.1), None, 15), checked)
    assert (slot.status, slot.reason) == (Status.STOPPED, None)


def test_an_online_worker_that_dies_is_replaced_at_once() -> None:
    """No backoff for one that had been up; the restart is counted."""
    slot, actions = decide(online(), exited(later(60), None, 9), SPEC)
    assert has_spawn(actions)
    assert (slot.status, slot.restarts, slot.unstable_at) == (Status.STARTING, 1, ())
    assert slot.exits[-1].signal == 9
    assert slot.exits[-1].ran_s == 60
    assert slot.restart_times == (T0.wall + 60,)


def test_unstable_exits_back_off_and_end_in_errored() -> None:
    """Waits double up to the cap; the sixteenth exit within the window is the last."""
    slot, at, waits = started(Slot(0, 0)), 0.0, []
    while slot.status is not Status.ERRORED:
        slot, _actions = decide(slot, exited(later(at)), SPEC)
        if slot.status is Status.BACKOFF:
            assert slot.wake_at is not None
            waits.append(round(slot.wake_at - T0.mono - at, 3))
            at = slot.wake_at - T0.mono
            slot, _ = decide(slot, e.TimeCame(later(at)), SPEC)
            slot, _ = decide(slot, e.Spawned(later(at), Worker(7, 1, later(at))), SPEC)
    assert waits[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert waits[-1] == 30.0
    assert len(waits) == 15
    assert slot.restarts == 15
    assert "16 times" in (slot.reason or "")
    assert slot.wanted is Wanted.RUNNING


def test_exits_outside_the_window_do_not_count() -> None:
    """Rare failures never add up to `errored`."""
    short = spec(max_restarts=2, restart_window_s=10.0)
    slot, _ = decide(started(Slot(0, 0), of=short), exited(later(0)), short)
    slot, _ = decide(slot, e.TimeCame(later(20)), short)
    slot, _ = decide(slot, e.Spawned(later(20), Worker(7, 1, later(20))), short)
    slot, _ = decide(slot, exited(later(20.1)), short)
    assert slot.status is Status.BACKOFF


def test_stability_wipes_the_slate() -> None:
    """After `stable_after_s` online an old series of failures is forgotten."""
    slot, _ = decide(started(Slot(0, 0)), exited(later(0)), SPEC)
    slot, _ = decide(slot, e.TimeCame(later(1)), SPEC)
    slot, _ = decide(slot, e.Spawned(later(1), Worker(7, 1, later(1))), SPEC)
    slot, _ = decide(slot, e.TimeCame(later(2)), SPEC)
    assert len(slot.unstable_at) == 1
    assert slot.wake_at == T0.mono + 32
    slot, _ = decide(slot, e.TimeCame(later(32)), SPEC)
    assert slot.unstable_at == ()


@pytest.mark.parametrize(
    ("policy", "code"), [({"autorestart": False}, 1), ({"stop_exit_codes": (0, 3)}, 3)]
)
@pytest.mark.parametrize("up", [True, False])
def test_what_is_finished_is_not_started_again(
    policy: dict[str, object], code: int, up: bool
) -> None:
    """`autorestart` off or a stop exit code: stopped, while its user's wish stays on record."""
    of = spec(**policy)
    slot = online(of) if up else started(Slot(0, 0), of=of)
    slot, actions = decide(slot, exited(later(5), code), of)
    assert not has_spawn(actions)
    assert (slot.status, slot.wanted) == (Status.STOPPED, Wanted.RUNNING)


def test_stop_signals_waits_and_kills() -> None:
    """SIGTERM, then after `kill_timeout` SIGKILL, told once and repeated until it works."""
    slot, actions = decide(online(), e.StopAsked(later(10)), SPEC)
    assert Signal(0, 15) in actions
    assert (slot.status, slot.wanted) == (Status.STOPPING, Wanted.STOPPED)
    slot, actions = decide(slot, e.TimeCame(later(20)), SPEC)
    assert Signal(0, 9) in actions
    assert kinds(actions) == ["killed"]
    slot, actions = decide(slot, e.TimeCame(later(25)), SPEC)
    assert actions == (Signal(0, 9),)
    slot, actions = decide(slot, exited(later(26), None, 9), SPEC)
    assert slot.status is Status.STOPPED
    assert not has_spawn(actions)


def test_restart_is_never_unstable() -> None:
    """A restart of a worker that was starting goes on at once and counts one restart."""
    slot, _ = decide(started(Slot(0, 0)), e.RestartAsked(later(0.1)), SPEC)
    assert slot.after is After.AGAIN
    slot, actions = decide(slot, exited(later(0.2), None, 15), SPEC)
    assert has_spawn(actions)
    assert (slot.restarts, slot.unstable_at) == (1, ())
    assert slot.exits[-1].asked
    assert slot.restart_times == ()


def test_the_last_word_holds_while_stopping() -> None:
    """Stop after restart rests; start after stop runs again."""
    slot, _ = decide(online(), e.RestartAsked(later(2)), SPEC)
    slot, _ = decide(slot, e.StopAsked(later(2)), SPEC)
    assert decide(slot, exited(later(3)), SPEC)[0].status is Status.STOPPED
    slot, _ = decide(slot, e.StartAsked(later(2)), SPEC)
    assert has_spawn(decide(slot, exited(later(3)), SPEC)[1])


def test_a_program_that_cannot_run_is_errored_at_once() -> None:
    """No file, no permission: nobody has to wait for sixteen tries to be told."""
    slot = started(Slot(0, 0))
    slot, actions = decide(slot, e.SpawnFailed(later(0), "no such file", True, 0.5), SPEC)
    assert (slot.status, slot.reason) == (Status.ERRORED, "no such file")
    assert kinds(actions) == ["errored"]


def test_a_program_that_vanishes_while_it_is_deployed_is_tried_again() -> None:
    """One that had been online backs off instead: its file may be back in a moment."""
    slot, _ = decide(online(), exited(later(60)), SPEC)
    slot, _ = decide(slot, e.SpawnFailed(later(60), "no such file", True, 0.5), SPEC)
    assert slot.status is Status.BACKOFF


def test_a_daemon_is_told_apart_from_leftovers() -> None:
    """Exit 0 while starting with processes left: run it in the foreground."""
    _, actions = decide(started(Slot(0, 0)), exited(later(0.1), 0, left=2), SPEC)
    texts = [a.text for a in actions if isinstance(a, Tell) and a.kind == "left_behind"]
    assert len(texts) == 1
    assert "foreground" in texts[0]
    _, actions = decide(online(), exited(later(5), 1, left=2), SPEC)
    texts = [a.text for a in actions if isinstance(a, Tell) and a.kind == "left_behind"]
    assert texts == ["2 processes left behind and killed"]


def test_reset_clears_the_counters_and_nothing_else() -> None:
    """The worker goes on."""
    slot, _ = decide(online(), exited(later(5)), SPEC)
    slot, _ = decide(slot, e.Spawned(later(5), Worker(9, 1, later(5))), SPEC)
    after, actions = decide(slot, e.ResetAsked(later(6)), SPEC)
    assert (after.restarts, after.exits, after.restart_times, actions) == (0, (), (), ())
    assert after.worker == slot.worker
