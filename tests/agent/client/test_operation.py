"""A command is done when the workers are as asked, and fails with the reason."""

import itertools
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from monit_agent.client import scenes
from monit_agent.client.ask import ask_now, operate, wait
from monit_agent.client.operation import Progress
from monit_agent.client.plays import obey, spawn
from monit_agent.client.replay import ReplaySource
from monit_agent.client.replay_app import Play, ReplayedApp
from monit_agent.wire.messages import (
    CancelReload,
    Delete,
    Exit,
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
    """Give the healthy shop; waiting passes its time, not ours."""
    source = scenes.healthy()
    source.leaps = True
    return source


def run(source: ReplaySource, app: str, request: Request, timeout_s: float | None = None):
    """Operate to the end and give every progress, which is one at least."""
    return list(operate(source, {app: request}, timeout_s))


@pytest.mark.parametrize("request_", [Restart(), Reload()])
def test_replacing_is_done_with_new_workers_online(shop: ReplaySource, request_: Request) -> None:
    """Restart and reload end when each instance has another worker than before, online."""
    before = {n: view.record.pid for n, view in shop.fleet.apps["web"].instances.items()}

    steps = run(shop, "web", request_)

    after = shop.fleet.apps["web"].instances
    assert steps[-1] == Progress("web", done=(0, 1, 2), answered=True)
    assert steps[-1].ok
    assert not any(step.finished for step in steps[:-1])
    assert all(view.record.pid != before[n] for n, view in after.items())
    assert all(view.record.status == "online" for view in after.values())


def test_a_reload_shows_how_far_it_is(shop: ReplaySource) -> None:
    """While a reload runs, its progress counts instance by instance and tells each step."""
    steps = run(shop, "web", Reload())

    counts = [len(step.done) for step in steps if step.answered]
    assert [count for count, _ in itertools.groupby(counts)] == [0, 1, 2, 3]
    clauses = [text for step in steps for number, text in step.steps if number == 1]
    assert [text for text, _ in itertools.groupby(clauses)] == [
        "pid 5214 starting beside pid 4004",
        "pid 5214 ready, old pid 4004 draining",
    ]


def test_several_are_replaced_at_once(shop: ReplaySource) -> None:
    """With ``parallel`` two instances are under way together, and it takes fewer rounds."""
    steps = run(shop, "web", Reload(parallel=2))

    together = [tuple(number for number, _ in step.steps) for step in steps]
    assert (0, 1) in together
    assert (2,) in together
    assert steps[-1].done == (0, 1, 2)


def test_a_cancelled_reload_fails_for_who_waits_and_not_for_who_cancels(
    shop: ReplaySource,
) -> None:
    """The one hears who cancelled it, the other is done."""
    ask_now(shop, "web", Reload())
    assert run(shop, "web", CancelReload())[-1].ok

    def cancel() -> Play:
        obey(shop.stage["web"], CancelReload(), shop.play)
        yield 0.0

    shop.play(cancel(), after_s=2.0)
    trouble = run(shop, "web", Reload())[-1].trouble
    assert trouble is not None
    assert "the reload was cancelled by anna:4242" in trouble
    assert run(shop, "web", CancelReload())[-1].trouble == "there is no reload under way to cancel"


def test_an_instance_that_is_scaled_away_need_not_be_replaced(shop: ReplaySource) -> None:
    """A reload that waits for it ends with the others."""
    steps = operate(shop, {"web": Reload()})
    next(steps)
    ask_now(shop, "web", Scale(count=2))

    assert list(steps)[-1].ok


def test_stopping_starting_and_deleting_are_done_when_seen(shop: ReplaySource) -> None:
    """Stop ends with stopped, start with online, delete with the app gone."""
    assert run(shop, "api", Stop(instances=(1,)))[-1].done == (1,)
    assert shop.fleet.apps["api"].instances[1].record.status == "stopped"
    assert run(shop, "api", Start())[-1].done == (1,)  # the other one runs: nothing to do
    assert run(shop, "api", Delete())[-1].ok
    assert "api" not in shop.fleet.apps


@pytest.mark.parametrize(("count", "concerned"), [(5, (3, 4)), (1, (1, 2)), (3, ())])
def test_scaling_is_done_when_slots_came_or_went(
    shop: ReplaySource, count: int, concerned: tuple[int, ...]
) -> None:
    """New slots must be online, surplus ones gone; the same size is done at once."""
    last = run(shop, "web", Scale(count=count))[-1]

    assert last.ok
    assert last.done == concerned
    assert list(shop.fleet.apps["web"].instances) == list(range(count))


def test_several_apps_are_operated_at_once(shop: ReplaySource) -> None:
    """Commands to several apps run side by side: together they take as long as one."""
    began = shop.monotonic()
    requests: dict[str, Request] = {"web": Restart(), "api": Restart(), "worker": Restart()}

    ended = {step.app for step in operate(shop, requests) if step.ok}

    assert ended == {"web", "api", "worker"}
    assert shop.monotonic() - began < 2.0


def test_what_asks_for_no_worker_is_done_when_taken(shop: ReplaySource) -> None:
    """Emptying logs is done with the keeper's word."""
    assert run(shop, "web", Flush())[-1].ok


def test_a_refusal_is_the_end(shop: ReplaySource) -> None:
    """A command that the agent refuses fails with the agent's own words."""
    last = run(shop, "web", Stop(instances=(9,)))[-1]

    assert last.finished
    assert not last.ok
    assert last.trouble == "web has no instance 9; it has 0, 1, 2"


def test_a_worker_from_before_does_not_count(shop: ReplaySource) -> None:
    """A worker that came back by itself just before the command is not the one asked for."""
    app = shop.stage["worker"]
    steps = operate(shop, {"worker": Restart()})
    first = next(steps)
    app.change(0, pid=7777, started_at=shop.wall() - 0.5)
    later = next(steps)

    assert (first.done, later.done) == ((), ())
    assert list(steps)[-1].done == (0,)
    assert app.instances[0].pid != 7777


def _dies(app: ReplayedApp, times: int, end: str) -> Play:
    """Die right after each start, ``times`` times, then end in ``end``."""
    for turn in range(times):
        yield 0.05
        app.exited(0, Exit(code=3, at=app.wall(), ran_s=0.05))
        last = turn == times - 1 and end == "errored"
        app.change(0, status="errored" if last else "backoff")
        app.happened("errored" if last else "backoff", 0, "KEY is not set" if last else "again")
    app.take_turn(0)
    if end == "online":
        yield 0.1
        yield from spawn(app, 0, app.take_turn(0))


def _sabotage(source: ReplaySource, play: Iterator[float]) -> None:
    """Let the next worker of ``worker`` die: half a second after the command it starts."""
    source.play(play, after_s=0.5)


def test_three_deaths_in_a_row_are_enough(shop: ReplaySource) -> None:
    """A worker that dies again and again before it is online fails the restart soon."""
    _sabotage(shop, _dies(shop.stage["worker"], 5, "backoff"))

    last = run(shop, "worker", Restart())[-1]

    assert last.failed == ((0, "died 3 times before it was online, last with code 3 after 0.1 s"),)
    assert shop.monotonic() < 5.0


def test_two_deaths_are_not_enough(shop: ReplaySource) -> None:
    """One that comes online at the third attempt is done."""
    _sabotage(shop, _dies(shop.stage["worker"], 2, "online"))

    assert run(shop, "worker", Restart())[-1].ok


def test_giving_up_fails_with_the_reason(shop: ReplaySource) -> None:
    """When the keeper gives an instance up, the reason is the failure's text."""
    _sabotage(shop, _dies(shop.stage["worker"], 1, "errored"))

    assert run(shop, "worker", Restart())[-1].failed == ((0, "KEY is not set"),)


def test_an_old_error_is_not_the_answer() -> None:
    """Starting an errored instance waits for the new worker, whatever the old one did."""
    source = scenes.trouble()
    source.leaps = True

    assert run(source, "newsletter", Start())[-1].done == (0,)


def test_a_stop_meanwhile_ends_the_waiting(shop: ReplaySource) -> None:
    """Somebody else's stop ends a restart instead of letting it wait for ever."""
    steps = operate(shop, {"worker": Restart()})
    next(steps)
    ask_now(shop, "worker", Stop())

    assert list(steps)[-1].failed == ((0, "somebody stopped it meanwhile"),)


def test_a_failed_reload_fails_with_the_reason(shop: ReplaySource) -> None:
    """When the keeper gives a reload up, the command fails with what it says."""
    steps = operate(shop, {"web": Reload()})
    next(steps)
    shop.stage["web"].happened("reload_failed", 1, "not ready within 30 s")
    last = list(steps)[-1]

    assert last.trouble is not None
    assert "not ready within 30 s" in last.trouble


def test_time_is_over_some_day(shop: ReplaySource) -> None:
    """A stop that does not come is given up, with a hint, and may still come."""
    app = shop.stage["worker"]
    app.record = replace(app.record, limits=replace(app.record.limits, kill_timeout_s=500.0))
    app.stop_takes_s = 400.0

    last = run(shop, "worker", Stop(), timeout_s=20.0)[-1]

    assert last.waiting == (0,)
    assert last.trouble is not None
    assert "monit list worker" in last.trouble
    assert 20.0 <= shop.monotonic() < 25.0


def test_a_silent_agent_answers_with_a_refusal() -> None:
    """Asking an agent that hangs ends in time and says whom to look at."""
    source = scenes.trouble()
    source.leaps = True
    began = source.monotonic()

    answer = ask_now(source, "worker", LogTail(instance=0, stream="out"), timeout_s=2.0)

    assert isinstance(answer, Refused)
    assert "worker" in answer.message
    assert 2.0 <= source.monotonic() - began < 3.0


def test_waiting_ends_with_the_value_or_with_none(shop: ReplaySource) -> None:
    """`wait` gives what the predicate gave, or None after its time."""
    assert wait(shop, lambda: shop.monotonic() > 3.0, 10.0) is True
    assert wait(shop, lambda: None, 1.0) is None
