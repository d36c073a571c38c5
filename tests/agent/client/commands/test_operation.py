"""A command is done when the workers are as requested, and fails with the reason."""

import itertools

import pytest
from msgspec.structs import replace

from monit_agent.client.commands.blocking import poll_until, request_and_wait, run_commands
from monit_agent.client.commands.operation import CommandProgress, Operation
from monit_agent.replay import scenes
from monit_agent.replay.app import Play, keep_running
from monit_agent.replay.commands import carry_out
from monit_agent.replay.source import ReplaySource
from monit_agent.replay.workers import WorkerPlan
from monit_agent.wire.ids import AppId, local_app
from monit_agent.wire.messages import (
    Accepted,
    CancelReload,
    Delete,
    Flush,
    LogTail,
    Refused,
    Reload,
    Request,
    Restart,
    Scale,
    Start,
    Stop,
)


@pytest.fixture(name="shop")
def _shop() -> ReplaySource:
    """Return the healthy shop; waiting passes its time, not ours."""
    source = scenes.healthy()
    source.leaps = True
    return source


def run(source: ReplaySource, app: AppId, request: Request, timeout_s: float | None = None):
    """Operate to the end and give every progress, which is one at least."""
    return list(run_commands(source, {app: request}, timeout_s))


@pytest.mark.parametrize("request_", [Restart(), Reload()])
def test_replacing_is_done_with_new_workers_online(shop: ReplaySource, request_: Request) -> None:
    """Restart and reload end when each instance has another worker than before, online."""
    before = {n: view.record.pid for n, view in shop.fleet.apps[local_app("web")].instances.items()}

    steps = run(shop, local_app("web"), request_)

    after = shop.fleet.apps[local_app("web")].instances
    assert steps[-1] == CommandProgress(local_app("web"), done=(0, 1, 2), answered=True)
    assert steps[-1].ok
    assert not any(step.finished for step in steps[:-1])
    assert all(view.record.pid != before[n] for n, view in after.items())
    assert all(view.record.status == "online" for view in after.values())


def test_a_reload_shows_how_far_it_is(shop: ReplaySource) -> None:
    """While a reload runs, its progress counts instance by instance and names each step."""
    steps = run(shop, local_app("web"), Reload())

    counts = [len(step.done) for step in steps if step.answered]
    assert [count for count, _ in itertools.groupby(counts)] == [0, 1, 2, 3]
    clauses = [text for step in steps for number, text in step.steps if number == 1]
    assert [text for text, _ in itertools.groupby(clauses)] == [
        "new pid 5208 starting, old pid 4004 running",
        "new pid 5208 ready, old pid 4004 running",
        "new pid 5208 ready, old pid 4004 draining",
        "new pid 5208 ready, old pid 4004 stopping",
    ]


def test_several_are_replaced_at_once(shop: ReplaySource) -> None:
    """With ``parallel`` two instances are under way together, and it takes fewer rounds."""
    steps = run(shop, local_app("web"), Reload(parallel=2))

    together = [tuple(number for number, _ in step.steps) for step in steps]
    assert (0, 1) in together
    assert (2,) in together
    assert steps[-1].done == (0, 1, 2)


def test_a_cancelled_reload_fails_for_who_waits_and_not_for_who_cancels(
    shop: ReplaySource,
) -> None:
    """The one gets who cancelled it, the other is done."""
    request_and_wait(shop, local_app("web"), Reload())
    assert run(shop, local_app("web"), CancelReload())[-1].ok

    def cancel() -> Play:
        carry_out(shop.stage["web"], CancelReload())
        yield 0.0

    shop.play(cancel(), after_s=2.0)
    error = run(shop, local_app("web"), Reload())[-1].error
    assert error is not None
    assert "the reload was cancelled by anna:4242" in error
    assert run(shop, local_app("web"), CancelReload())[-1].error == "no reload is in progress"


def test_an_instance_that_is_scaled_away_need_not_be_replaced(shop: ReplaySource) -> None:
    """A reload that waits for it ends with the others."""
    steps = run_commands(shop, {local_app("web"): Reload()})
    next(steps)
    request_and_wait(shop, local_app("web"), Scale(count=2))

    assert list(steps)[-1].ok


def test_stopping_starting_and_deleting_are_done_when_seen(shop: ReplaySource) -> None:
    """Stop ends with stopped, start with online, delete with the app gone."""
    assert run(shop, local_app("api"), Stop(instances=(1,)))[-1].done == (1,)
    assert shop.fleet.apps[local_app("api")].instances[1].record.status == "stopped"
    assert run(shop, local_app("api"), Start())[-1].done == (1,)
    assert run(shop, local_app("api"), Delete())[-1].ok
    assert local_app("api") not in shop.fleet.apps


@pytest.mark.parametrize(("count", "concerned"), [(5, (3, 4)), (1, (1, 2)), (3, ())])
def test_scaling_is_done_when_slots_came_or_went(
    shop: ReplaySource, count: int, concerned: tuple[int, ...]
) -> None:
    """New slots must be online, surplus ones gone; the same size is done at once."""
    last = run(shop, local_app("web"), Scale(count=count))[-1]

    assert last.ok
    assert last.done == concerned
    assert list(shop.fleet.apps[local_app("web")].instances) == list(range(count))


def test_several_apps_are_operated_at_once(shop: ReplaySource) -> None:
    """Commands to several apps run side by side: together they take as long as one."""
    began = shop.monotonic()
    names = [local_app(name) for name in ("web", "api", "worker")]
    requests: dict[AppId, Request] = dict.fromkeys(names, Restart())

    ended = {step.app for step in run_commands(shop, requests) if step.ok}

    assert ended == set(names)
    assert shop.monotonic() - began < 2.0


def test_what_asks_for_no_worker_is_done_when_taken(shop: ReplaySource) -> None:
    """Emptying logs is done with the keeper's word."""
    assert run(shop, local_app("web"), Flush())[-1].ok


def test_a_refusal_is_the_end(shop: ReplaySource) -> None:
    """A command that the agent refuses fails with the agent's own words."""
    last = run(shop, local_app("web"), Stop(instances=(9,)))[-1]

    assert last.finished
    assert not last.ok
    assert last.error == "web has no instance 9"


def test_a_worker_from_before_does_not_count(shop: ReplaySource) -> None:
    """A worker that came back by itself just before the command is not the one requested."""
    app = shop.stage["worker"]
    steps = run_commands(shop, {local_app("worker"): Restart()})
    first = next(steps)
    (record,) = app.supervisor.snapshot()["instances"]
    before = {**record, "pid": 7777, "started_at": shop.wall() - 0.5}
    app.broadcast({"type": "instance_changed", "instance": before})
    later = next(steps)

    assert (first.done, later.done) == ((), ())
    assert list(steps)[-1].done == (0,)
    assert app.instances[0].pid != 7777


def _sabotage(source: ReplaySource, starts: range, plan: WorkerPlan) -> None:
    """Let the next workers of ``worker`` behave as ``plan`` says; the first start was number 0."""
    source.stage["worker"].workers.plan = lambda _instance, start: (
        plan if start in starts else WorkerPlan()
    )


EXITS_EARLY = WorkerPlan(exits_after_s=0.06, code=3)


def test_three_failed_starts_in_a_row_are_enough(shop: ReplaySource) -> None:
    """A worker that exits again and again before it is online fails the restart soon."""
    _sabotage(shop, range(1, 6), EXITS_EARLY)

    last = run(shop, local_app("worker"), Restart())[-1]

    reason = "exited 3 times before becoming online (last: exit code 3 after 0.1 s)"
    assert last.failed == ((0, reason),)
    assert shop.monotonic() < 5.0


def test_two_failed_starts_are_not_enough(shop: ReplaySource) -> None:
    """One that comes online at the third attempt is done."""
    _sabotage(shop, range(1, 3), EXITS_EARLY)

    assert run(shop, local_app("worker"), Restart())[-1].ok


def test_workers_that_exit_soon_after_they_are_online_fail_the_command(shop: ReplaySource) -> None:
    """Being online for a moment, again and again, is no success for those who wait for others."""
    plans = {
        0: WorkerPlan(listens_after_s=20.0),
        1: WorkerPlan(listens_after_s=0.1, exits_after_s=1.5),
    }
    quick = WorkerPlan(listens_after_s=0.1)
    shop.stage["web"].workers.plan = lambda instance, _start: plans.get(instance, quick)

    last = run(shop, local_app("web"), Restart())[-1]

    ((number, reason),) = last.failed
    assert number == 1
    assert reason.endswith("times soon after its start (last: exit code 1 after 1.5 s)")
    assert set(last.done) == {0, 2}


def test_giving_up_fails_with_the_reason(shop: ReplaySource) -> None:
    """When the keeper gives an instance up, the reason is the failure's text."""
    _sabotage(shop, range(1, 2), WorkerPlan(cannot_start="no such program"))

    assert run(shop, local_app("worker"), Restart())[-1].failed == ((0, "no such program"),)


def test_an_old_error_is_not_the_answer() -> None:
    """Starting an errored instance waits for the new worker, whatever the old one did."""
    source = scenes.trouble()
    source.leaps = True
    source.stage["newsletter"].workers.plan = keep_running

    assert run(source, local_app("newsletter"), Start())[-1].done == (0,)


def test_a_stop_meanwhile_ends_the_waiting(shop: ReplaySource) -> None:
    """Somebody else's stop ends a restart instead of letting it wait without end."""
    steps = run_commands(shop, {local_app("worker"): Restart()})
    next(steps)
    request_and_wait(shop, local_app("worker"), Stop())

    assert list(steps)[-1].failed == ((0, "it was stopped in the meantime"),)


def test_a_failed_reload_fails_with_the_reason(shop: ReplaySource) -> None:
    """When the keeper gives a reload up, the command fails with what it says."""
    steps = run_commands(shop, {local_app("web"): Reload()})
    next(steps)
    shop.stage["web"].supervisor.record_event("reload_failed", 1, "not ready within 30 s")
    last = list(steps)[-1]

    assert last.error is not None
    assert "not ready within 30 s" in last.error


def test_time_is_over_some_day(shop: ReplaySource) -> None:
    """A stop that does not come is given up, with a hint, and may still come."""
    app = shop.stage["worker"]
    patient = app.spec.policy._replace(kill_timeout_s=500.0)
    app.supervisor.spec = app.spec._replace(policy=patient)
    app.supervisor.publish_app()
    app.workers.stops_after_s = 400.0

    last = run(shop, local_app("worker"), Stop(), timeout_s=20.0)[-1]

    assert last.waiting == (0,)
    assert last.error is not None
    assert "monit list worker" in last.error
    assert 20.0 <= shop.monotonic() < 25.0


def test_a_silent_agent_answers_with_a_refusal() -> None:
    """Asking an agent that hangs ends in time and says whom to look at."""
    source = scenes.trouble()
    source.leaps = True
    began = source.monotonic()

    answer = request_and_wait(
        source, local_app("worker"), LogTail(instance=0, stream="out"), timeout_s=2.0
    )

    assert isinstance(answer, Refused)
    assert "worker" in answer.message
    assert 2.0 <= source.monotonic() - began < 3.0


def test_waiting_ends_with_the_value_or_with_none(shop: ReplaySource) -> None:
    """`wait` gives what the predicate gave, or None after its time."""
    assert poll_until(shop, lambda: shop.monotonic() > 3.0, 10.0) is True
    assert poll_until(shop, lambda: None, 1.0) is None


@pytest.mark.parametrize("back_s", [0.0, 3600.0])
def test_an_old_worker_from_the_future_proves_nothing(shop: ReplaySource, back_s: float) -> None:
    """When the clock was set back before a restart, the old worker's start lies in the future; when
    during it, the new worker's start lies before the command. Neither misleads the command."""
    app = shop.fleet.apps[local_app("web")]
    sent_at = shop.wall()
    operation = Operation(app.id, app, Restart(instances=(0,)), sent_at)
    operation.handle_answer(Accepted(instances=(0,)))
    record = app.instances[0].record

    app.instances[0].record = replace(record, started_at=sent_at + 3000.0)
    assert operation.progress(app).waiting == (0,)

    if back_s:
        operation.clock_changed(-back_s)
    app.instances[0].record = replace(record, pid=99999, started_at=sent_at - back_s + 1.0)
    assert operation.progress(app).done == (0,)


def _progress(done: int) -> CommandProgress:
    """Return that so many of 1,000 instances are online."""
    web, numbers = local_app("web"), tuple(range(1000))
    return CommandProgress(web, waiting=numbers[done:], done=numbers[:done], answered=True)


def test_a_command_has_time_as_long_as_it_moves_on() -> None:
    """A thousand instances on a slow machine take long; only a standstill is a failure."""
    operation = Operation(local_app("web"), None, Restart(), 0.0)
    operation.handle_answer(Accepted(instances=tuple(range(1000))))
    allowed_s = operation.timeout_s()

    moments = [number * 0.9 * allowed_s for number in range(11)]
    assert not any(
        operation.end_if_overdue(_progress(number * 90), 0.0, moment)
        for number, moment in enumerate(moments)
    )
    assert not operation.end_if_overdue(_progress(900), 0.0, moments[-1] + allowed_s)
    assert operation.end_if_overdue(_progress(900), 0.0, moments[-1] + allowed_s + 1)
    error = operation.progress(None).error
    assert error is not None
    assert error.startswith("web: 900 of 1000 are done, and no further one for ")


def test_a_command_that_never_moves_is_not_done_in_time() -> None:
    """It has as long as one instance may take."""
    operation = Operation(local_app("web"), None, Restart(), 0.0)
    operation.handle_answer(Accepted(instances=tuple(range(1000))))
    allowed_s = operation.timeout_s()

    assert not operation.end_if_overdue(_progress(0), 100.0, 100.0 + allowed_s)
    assert operation.end_if_overdue(_progress(0), 100.0, 101.0 + allowed_s)
    assert f"web: not done within {allowed_s:.0f} s" in str(operation.progress(None).error)


def test_time_that_the_caller_sets_counts_for_the_whole_command() -> None:
    """It is not longer because instances are done meanwhile."""
    operation = Operation(local_app("web"), None, Restart(), 0.0)
    operation.handle_answer(Accepted(instances=tuple(range(1000))))

    assert not operation.end_if_overdue(_progress(900), 0.0, 5.0, 5.0)
    assert operation.end_if_overdue(_progress(990), 0.0, 6.0, 5.0)
    assert "not done within 5 s" in str(operation.progress(None).error)


def test_an_app_that_is_gone_before_its_answer_comes_was_deleted_whole(shop: ReplaySource) -> None:
    """Nobody is left to say which instances it had."""
    web = local_app("web")
    operation = Operation(web, shop.fleet.apps[web], Delete(), shop.wall())
    operation.handle_answer(Accepted())

    assert operation.progress(None) == CommandProgress(web, done=(0, 1, 2), answered=True)
