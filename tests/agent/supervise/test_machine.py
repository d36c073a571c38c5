"""What one slot decides."""

import itertools

import pytest

from monit_agent.supervise import events as e
from monit_agent.supervise.actions import LogError, RecordEvent, Signal, Spawn
from monit_agent.supervise.machine import TABLE, decide
from monit_agent.supervise.spec import AppSpec, Checks, RestartPolicy
from monit_agent.supervise.state import RESTING, AfterStop, DesiredState, Now, Slot, Status, Worker

SPEC = AppSpec(name="web", script="web.py", argv=("python", "web.py"), cwd="/", user="u")
T0 = Now(100.0, 1_000.0)


def later(seconds: float) -> Now:
    return Now(T0.mono + seconds, T0.wall + seconds)


def spec(wait_ready: bool = False, **policy: object) -> AppSpec:
    return SPEC._replace(policy=RestartPolicy(**policy), wait_ready=wait_ready)


def slot_in(status: Status) -> Slot:
    worker = None if status in RESTING else Worker(7, 1, T0)
    expected = DesiredState.STOPPED if status is Status.STOPPED else DesiredState.RUNNING
    return Slot(0, 0, status=status, desired=expected, worker=worker, deadline=T0.mono + 1)


def exited(at: Now, code: int | None = 1, signal: int | None = None, left: int = 0) -> e.Exited:
    return e.Exited(at, code, signal, left, 0.0)


def kinds(actions: tuple[object, ...]) -> list[str]:
    return [action.kind for action in actions if isinstance(action, RecordEvent)]


def has_spawn(actions: tuple[object, ...]) -> bool:
    return any(isinstance(action, Spawn) for action in actions)


def started(slot: Slot, at: Now = T0, of: AppSpec = SPEC) -> Slot:
    slot, actions = decide(slot, e.StartRequested(at), of)
    assert has_spawn(actions)
    return decide(slot, e.Spawned(at, Worker(7, 1, at)), of)[0]


def online(of: AppSpec = SPEC) -> Slot:
    up, _ = decide(started(Slot(0, 0), of=of), e.DeadlinePassed(later(1.0)), of)
    assert up.status is Status.ONLINE
    return up


EVENTS: list[e.SlotEvent] = [
    e.StartRequested(later(2)),
    e.StopRequested(later(2)),
    e.StopRequested(later(2), keep_desired=True),
    e.RestartRequested(later(2)),
    e.ReplaceRequested(later(2)),
    e.ReplaceCancelled(later(2)),
    e.ResetRequested(later(2)),
    e.Spawned(later(2), Worker(8, 2, later(2))),
    e.SpawnFailed(later(2), "no such file", True, 0.5),
    e.BecameReady(later(2)),
    e.ReadinessFailed(later(2), "connection refused"),
    e.BoundPort(later(2)),
    e.StartedListening(later(2)),
    e.StartedListening(later(2), shared=False),
    e.Settled(later(2)),
    e.ReloadedInPlace(later(2)),
    e.Drained(later(2), 7),
    exited(later(2)),
    exited(later(2))._replace(again=True),
    e.DeadlinePassed(later(2)),
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
    if any(isinstance(action, LogError) for action in actions):
        assert slot == slot_in(status)


def test_a_worker_is_online_when_it_survived_min_uptime() -> None:
    """Not before, and only then is it ready."""
    slot = started(Slot(0, 0))
    early, _ = decide(slot, e.DeadlinePassed(later(0.9)), SPEC)
    assert (early.status, early.ready) == (Status.STARTING, False)
    up, actions = decide(slot, e.DeadlinePassed(later(1.0)), SPEC)
    assert (up.status, up.ready) == (Status.ONLINE, True)
    assert kinds(actions) == ["ready"]


def test_with_wait_ready_only_the_word_counts() -> None:
    """Uptime is not enough for an app that reports when it is ready."""
    patient = spec(wait_ready=True)
    slot = started(Slot(0, 0), of=patient)
    assert decide(slot, e.DeadlinePassed(later(5)), patient)[0].status is Status.STARTING
    assert decide(slot, e.BecameReady(later(5)), patient)[0].status is Status.ONLINE


def test_a_worker_that_listens_on_a_shared_port_is_online_at_once() -> None:
    """It reported that it is ready; from then on the ones after it must report so too."""
    slot, actions = decide(started(Slot(0, 0)), e.StartedListening(later(0.1)), SPEC)
    assert (slot.status, slot.ready, slot.listens) == (Status.ONLINE, True, True)
    assert kinds(actions) == ["ready"]
    slot, _ = decide(slot, exited(later(60)), SPEC)
    slot, _ = decide(slot, e.Spawned(later(60), Worker(8, 2, later(60))), SPEC)
    slot, _ = decide(slot, e.DeadlinePassed(later(62)), SPEC)
    assert (slot.status, slot.listens) == (Status.STARTING, False)
    assert decide(slot, e.StartedListening(later(63)), SPEC)[0].status is Status.ONLINE
    late, _ = decide(slot, e.DeadlinePassed(later(90)), SPEC)
    assert (late.status, late.shares_port) == (Status.ONLINE, False)


def test_one_that_is_ready_and_exits_within_min_uptime_backs_off() -> None:
    """A program that always listens and then exits does not do so hundreds of times a second."""
    slot, _ = decide(started(Slot(0, 0)), e.StartedListening(later(0.1)), SPEC)
    slot, actions = decide(slot, exited(later(0.3)), SPEC)
    assert slot.status is Status.BACKOFF
    assert not has_spawn(actions)


def test_one_that_does_not_become_ready_is_stopped_as_unstable() -> None:
    """It is stopped, counts as a failed start, and its reason says what was missing."""
    patient = spec(wait_ready=True, listen_timeout_s=3.0)
    slot = started(Slot(0, 0), of=patient)
    slot, actions = decide(slot, e.DeadlinePassed(later(3)), patient)
    assert Signal(0, 15) in actions
    slot, _ = decide(slot, exited(later(3.1), None, 15), patient)
    assert slot.status is Status.BACKOFF
    assert "not ready within 3.0 s" in (slot.reason or "")
    assert len(slot.failed_start_times) == 1


def test_only_the_check_makes_a_checked_worker_ready() -> None:
    """Surviving, listening and the app's own word are not enough where the user named a check."""
    checked = spec()._replace(checks=Checks(ready_url="http://127.0.0.1:8000/"))
    slot = started(Slot(0, 0), of=checked)
    for event in (
        e.DeadlinePassed(later(5)),
        e.BecameReady(later(5)),
        e.StartedListening(later(5)),
    ):
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
    """The last result of the check is in the event, and in why the slot waits; a worker that
    did become ready has no reason any more."""
    checked = spec(listen_timeout_s=3.0)._replace(checks=Checks(ready_command=("check",)))
    slot, _ = decide(
        started(Slot(0, 0), of=checked), e.ReadinessFailed(later(1), "status 503"), checked
    )
    same, _ = decide(slot, e.ReadinessFailed(later(2), "status 503"), checked)
    assert slot.reason == "status 503"
    assert same is slot, "what is known already is not written down again"
    up, _ = decide(slot, e.BecameReady(later(2), checked=True), checked)
    assert (up.status, up.reason) == (Status.ONLINE, None)
    late, actions = decide(slot, e.DeadlinePassed(later(3)), checked)
    assert [a.text for a in actions if isinstance(a, RecordEvent)] == [
        "not ready within 3.0 s: status 503"
    ]
    assert kinds(actions) == ["unready"]
    waiting, _ = decide(late, exited(later(3.1), None, 15), checked)
    assert waiting.status is Status.BACKOFF
    assert (waiting.reason or "").startswith("not ready within 3.0 s: status 503")


def test_a_reason_does_not_outlive_the_worker_that_it_was_about() -> None:
    """A worker that is not ready yet is stopped: the stopped slot has no reason."""
    checked = spec()._replace(checks=Checks(ready_command=("check",)))
    slot, _ = decide(
        started(Slot(0, 0), of=checked), e.ReadinessFailed(later(1), "status 503"), checked
    )
    slot, _ = decide(slot, e.StopRequested(later(2)), checked)
    slot, _ = decide(slot, exited(later(2.1), None, 15), checked)
    assert (slot.status, slot.reason) == (Status.STOPPED, None)


def test_an_online_worker_that_exits_is_replaced_at_once() -> None:
    """No backoff for one that had been up; the restart is counted."""
    slot, actions = decide(online(), exited(later(60), None, 9), SPEC)
    assert has_spawn(actions)
    assert (slot.status, slot.restarts, slot.failed_start_times) == (Status.STARTING, 1, ())
    assert slot.exits[-1].signal == 9
    assert slot.exits[-1].ran_s == 60
    assert slot.restart_times == (T0.wall + 60,)


@pytest.mark.parametrize("at", [0.1, 60.0])
def test_an_exit_that_monit_caused_is_started_again_and_does_not_count(at: float) -> None:
    """Also for an app that is not restarted when it exits."""
    once = SPEC._replace(policy=RestartPolicy(restart="never"))
    slot = started(Slot(0, 0), of=once) if at < 1 else online(once)
    slot, actions = decide(slot, exited(later(at))._replace(again=True), once)
    assert has_spawn(actions)
    assert (slot.status, slot.restarts, slot.failed_start_times) == (Status.STARTING, 0, ())


def test_unstable_exits_back_off_and_end_in_errored() -> None:
    """Waits double up to the cap; the sixteenth exit within the window is the last."""
    slot, at, waits = started(Slot(0, 0)), 0.0, []
    while slot.status is not Status.ERRORED:
        slot, _actions = decide(slot, exited(later(at)), SPEC)
        if slot.status is Status.BACKOFF:
            assert slot.deadline is not None
            waits.append(round(slot.deadline - T0.mono - at, 3))
            at = slot.deadline - T0.mono
            slot, _ = decide(slot, e.DeadlinePassed(later(at)), SPEC)
            slot, _ = decide(slot, e.Spawned(later(at), Worker(7, 1, later(at))), SPEC)
    assert waits[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert waits[-1] == 30.0
    assert len(waits) == 15
    assert slot.restarts == 15
    assert "16 times" in (slot.reason or "")
    assert slot.desired is DesiredState.RUNNING


def test_exits_outside_the_window_do_not_count() -> None:
    """Rare failures never add up to `errored`."""
    short = spec(max_restarts=2, restart_window_s=10.0)
    slot, _ = decide(started(Slot(0, 0), of=short), exited(later(0)), short)
    slot, _ = decide(slot, e.DeadlinePassed(later(20)), short)
    slot, _ = decide(slot, e.Spawned(later(20), Worker(7, 1, later(20))), short)
    slot, _ = decide(slot, exited(later(20.1)), short)
    assert slot.status is Status.BACKOFF


def test_stability_wipes_the_slate() -> None:
    """After `stable_after_s` online an old series of failures is forgotten."""
    slot, _ = decide(started(Slot(0, 0)), exited(later(0)), SPEC)
    slot, _ = decide(slot, e.DeadlinePassed(later(1)), SPEC)
    slot, _ = decide(slot, e.Spawned(later(1), Worker(7, 1, later(1))), SPEC)
    slot, _ = decide(slot, e.DeadlinePassed(later(2)), SPEC)
    assert len(slot.failed_start_times) == 1
    assert slot.deadline == T0.mono + 32
    slot, _ = decide(slot, e.DeadlinePassed(later(32)), SPEC)
    assert slot.failed_start_times == ()


@pytest.mark.parametrize("up", [True, False])
def test_on_failure_only_a_failure_restarts(up: bool) -> None:
    """Exit code 0 is the end of its work; another code and a signal are failures, except those that
    stop exit codes name."""
    of = spec(restart="on-failure", stop_exit_codes=(3,))
    slot = online(of) if up else started(Slot(0, 0), of=of)
    done, actions = decide(slot, exited(later(5), 0), of)
    assert not has_spawn(actions)
    assert (done.status, done.done, done.finished) == (Status.STOPPED, True, True)
    assert decide(slot, exited(later(5), 3), of)[0].status is Status.STOPPED
    for code, signal in ((1, None), (None, 15)):
        again, _ = decide(slot, exited(later(5), code, signal), of)
        assert again.status is (Status.STARTING if up else Status.BACKOFF)


def test_a_restart_waits_for_its_delay() -> None:
    """A worker that was online is restarted after the delay, and that is no failed start; after a
    failed start the longer wait counts."""
    of = spec(restart_delay_s=7.0)
    waiting, actions = decide(online(of), exited(later(60)), of)
    assert (waiting.status, waiting.deadline, waiting.failed_start_times) == (
        Status.BACKOFF, T0.mono + 67, (),
    )  # fmt: skip
    assert kinds(actions) == ["exited", "backoff"]
    again, actions = decide(waiting, e.DeadlinePassed(later(67)), of)
    assert has_spawn(actions)
    assert again.restarts == 1
    failed, _ = decide(started(Slot(0, 0), of=of), exited(later(0.1)), of)
    assert failed.deadline == T0.mono + 0.1 + 7
    stopped, actions = decide(waiting, e.StopRequested(later(61)), of)
    assert (stopped.status, has_spawn(actions)) == (Status.STOPPED, False)


@pytest.mark.parametrize(
    ("policy", "code"), [({"restart": "never"}, 0), ({"stop_exit_codes": (0, 3)}, 3)]
)
@pytest.mark.parametrize("up", [True, False])
def test_what_is_finished_is_not_started_again(
    policy: dict[str, object], code: int, up: bool
) -> None:
    """Restarts off or a stop exit code: stopped, while the desired state stays on record."""
    of = spec(**policy)
    slot = online(of) if up else started(Slot(0, 0), of=of)
    slot, actions = decide(slot, exited(later(5), code), of)
    assert not has_spawn(actions)
    assert (slot.status, slot.desired) == (Status.STOPPED, DesiredState.RUNNING)


@pytest.mark.parametrize(
    ("code", "signal", "reason"), [(3, None, "exit code 3"), (None, 11, "killed by SIGSEGV")]
)
@pytest.mark.parametrize("up", [True, False])
def test_a_failure_that_is_not_restarted_is_errored(
    code: int | None, signal: int | None, reason: str, up: bool
) -> None:
    """What is never restarted and failed is errored at its first exit, with the reason."""
    of = spec(restart="never")
    slot = online(of) if up else started(Slot(0, 0), of=of)
    slot, actions = decide(slot, exited(later(5), code, signal), of)
    assert kinds(actions) == ["exited", "errored"]
    assert (slot.status, slot.reason) == (Status.ERRORED, reason)
    assert slot.desired is DesiredState.RUNNING


def test_stop_signals_waits_and_kills() -> None:
    """SIGTERM, then after `kill_timeout` SIGKILL, recorded once and repeated until it works."""
    slot, actions = decide(online(), e.StopRequested(later(10)), SPEC)
    assert Signal(0, 15) in actions
    assert (slot.status, slot.desired) == (Status.STOPPING, DesiredState.STOPPED)
    slot, actions = decide(slot, e.DeadlinePassed(later(20)), SPEC)
    assert Signal(0, 9) in actions
    assert kinds(actions) == ["killed"]
    slot, actions = decide(slot, e.DeadlinePassed(later(25)), SPEC)
    assert actions == (Signal(0, 9),)
    slot, actions = decide(slot, exited(later(26), None, 9), SPEC)
    assert slot.status is Status.STOPPED
    assert not has_spawn(actions)


def test_restart_is_never_unstable() -> None:
    """A restart of a worker that was starting begins at once and counts one restart."""
    slot, _ = decide(started(Slot(0, 0)), e.RestartRequested(later(0.1)), SPEC)
    assert slot.after_stop is AfterStop.START_AGAIN
    slot, actions = decide(slot, exited(later(0.2), None, 15), SPEC)
    assert has_spawn(actions)
    assert (slot.restarts, slot.failed_start_times) == (1, ())
    assert slot.exits[-1].requested
    assert slot.restart_times == ()


def test_the_last_word_holds_while_stopping() -> None:
    """Stop after restart rests; start after stop runs again."""
    slot, _ = decide(online(), e.RestartRequested(later(2)), SPEC)
    slot, _ = decide(slot, e.StopRequested(later(2)), SPEC)
    assert decide(slot, exited(later(3)), SPEC)[0].status is Status.STOPPED
    slot, _ = decide(slot, e.StartRequested(later(2)), SPEC)
    assert has_spawn(decide(slot, exited(later(3)), SPEC)[1])


def test_a_program_that_cannot_run_is_errored_at_once() -> None:
    """No file, no permission: the reason is there without sixteen attempts."""
    slot = started(Slot(0, 0))
    slot, actions = decide(slot, e.SpawnFailed(later(0), "no such file", True, 0.5), SPEC)
    assert (slot.status, slot.reason) == (Status.ERRORED, "no such file")
    assert kinds(actions) == ["errored"]


def test_a_program_that_vanishes_while_it_is_deployed_is_tried_again() -> None:
    """One that had been online backs off instead: its file may be back in a moment."""
    slot, _ = decide(online(), exited(later(60)), SPEC)
    slot, _ = decide(slot, e.SpawnFailed(later(60), "no such file", True, 0.5), SPEC)
    assert slot.status is Status.BACKOFF


def test_a_daemon_is_distinguished_from_leftovers() -> None:
    """Exit 0 while starting with processes left: run it in the foreground."""
    _, actions = decide(started(Slot(0, 0)), exited(later(0.1), 0, left=2), SPEC)
    texts = [a.text for a in actions if isinstance(a, RecordEvent) and a.kind == "left_behind"]
    assert len(texts) == 1
    assert "foreground" in texts[0]
    _, actions = decide(online(), exited(later(5), 1, left=2), SPEC)
    texts = [a.text for a in actions if isinstance(a, RecordEvent) and a.kind == "left_behind"]
    assert texts == ["killed 2 processes that it left behind"]


def test_reset_clears_the_counters_and_nothing_else() -> None:
    """The worker keeps running."""
    slot, _ = decide(online(), exited(later(5)), SPEC)
    slot, _ = decide(slot, e.Spawned(later(5), Worker(9, 1, later(5))), SPEC)
    after, actions = decide(slot, e.ResetRequested(later(6)), SPEC)
    assert (after.restarts, after.exits, after.restart_times, actions) == (0, (), (), ())
    assert after.worker == slot.worker


def test_a_program_that_goes_into_the_background_late_is_a_failed_start() -> None:
    """It counted as online and would do the same again; a job, or a server that ran for long, may
    leave something behind."""
    slot, _ = decide(online(), exited(later(2.0), 0, left=1), SPEC)
    assert slot.status is Status.BACKOFF
    assert "went into the background" in (slot.reason or "")

    assert has_spawn(decide(online(), exited(later(2.0), 0), SPEC)[1])
    assert has_spawn(decide(online(), exited(later(31.0), 0, left=1), SPEC)[1])
    job = SPEC._replace(type="once")
    assert decide(online(job), exited(later(2.0), 0, left=1), job)[0].done
