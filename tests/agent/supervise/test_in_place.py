"""What is decided while programs reload themselves."""

import pytest

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.actions import (
    Action,
    EndReload,
    RecordEvent,
    ReloadInPlace,
    Signal,
    Spawn,
)
from monit_agent.supervise.appstate import App, Rollout
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import DesiredState, Now, Slot, Status, Worker

BY_COMMAND = AppSpec(
    name="web", script="web", argv=("web",), cwd="/", user="u",
    policy=RestartPolicy(listen_timeout_s=3.0, reload_command=("web", "reload")),
)  # fmt: skip
BY_SIGNAL = BY_COMMAND._replace(policy=RestartPolicy(min_uptime_s=1.0, reload_signal=1))


def at(seconds: float) -> Now:
    """Return a moment after the reload was requested."""
    return Now(100.0 + seconds, 1_000.0 + seconds)


def running(*statuses: Status) -> App:
    slots = [
        Slot(
            number, number, status=status, desired=DesiredState.RUNNING, ready=True,
            worker=Worker(10 + number, 1, at(-50)) if status is Status.ONLINE else None,
        )
        for number, status in enumerate(statuses)
    ]  # fmt: skip
    return App(tuple(slots))


class World:
    """An app whose workers reload themselves, and everything that was to be done for it."""

    def __init__(self, spec: AppSpec, *statuses: Status, parallel: int = 1) -> None:
        self.spec, self.app = spec, running(*statuses)
        self.done: list[Action] = []
        every = apps.kept_instances(self.app)
        self.feed(e.ReloadRequested(at(0), every, parallel, in_place=every))

    def feed(self, event: e.AppEvent) -> None:
        self.app, actions = apps.decide(self.app, event, self.spec)
        self.done += actions

    def hear(self, event: e.SlotEvent, instance: int = 0) -> None:
        self.feed(e.EachSlot((instance,), event))

    def slot(self, instance: int = 0) -> Slot:
        return self.app.slots[instance]

    @property
    def failed(self) -> Rollout:
        assert self.app.rollout is not None
        assert self.app.rollout.failed is not None
        return self.app.rollout

    @property
    def begun(self) -> list[int]:
        return [each.instance for each in self.done if isinstance(each, ReloadInPlace)]

    @property
    def ended(self) -> list[int]:
        return [each.instance for each in self.done if isinstance(each, EndReload)]

    @property
    def texts(self) -> dict[str, str]:
        return {each.kind: each.text for each in self.done if isinstance(each, RecordEvent)}


def test_instances_reload_one_after_another_and_no_worker_is_touched() -> None:
    """The command of the next instance runs when that of the one before has exited with 0."""
    world = World(BY_COMMAND, Status.ONLINE, Status.ONLINE)
    before = world.slot(0).worker, world.slot(1).worker
    assert world.done[-1] == ReloadInPlace(0, 10)

    world.hear(e.ReloadedInPlace(at(1)))
    assert world.begun == [0, 1]
    world.hear(e.ReloadedInPlace(at(2)), 1)

    assert world.app.rollout is None
    assert (world.slot(0).worker, world.slot(1).worker) == before
    assert not any(isinstance(each, Signal | Spawn) for each in world.done)
    assert world.texts["reload_done"] == "2 instances reloaded in place"


def test_a_failed_command_ends_the_reload_with_its_reason_and_lines() -> None:
    """The worker keeps running, and no other instance is begun."""
    world = World(BY_COMMAND, Status.ONLINE, Status.ONLINE)
    world.hear(e.ReloadedInPlace(at(1), "exit code 1: no such directive", ("no such directive",)))

    assert world.begun == [0]
    assert (world.slot().status, world.slot().in_place) == (Status.ONLINE, None)
    assert world.failed.output == ((0, ("no such directive",)),)
    assert world.texts["reload_failed"] == (
        "instance 0 was not reloaded: exit code 1: no such directive; not reloaded: 1"
    )


def test_a_command_that_takes_too_long_is_killed() -> None:
    """After the listen timeout, and then the reload has failed."""
    world = World(BY_COMMAND, Status.ONLINE)
    world.hear(e.DeadlinePassed(at(2.9)))
    assert world.ended == []
    assert apps.next_deadline(world.app) == at(3.0).mono

    world.hear(e.DeadlinePassed(at(3.0)))
    assert world.ended == [0]
    assert "did not exit within 3.0 s" in (world.failed.failed or "")
    assert world.slot().status is Status.ONLINE


def test_a_worker_that_survives_the_signal_is_reloaded() -> None:
    """The program does not report the result: after the minimum uptime it counts."""
    world = World(BY_SIGNAL, Status.ONLINE)
    assert world.app.rollout is not None
    world.hear(e.DeadlinePassed(at(1.0)))

    assert world.app.rollout is None
    assert world.texts["reloaded"] == "pid 10: SIGHUP"


def test_a_worker_that_dies_of_its_reload_is_a_failed_reload_and_starts_again() -> None:
    """The next worker starts as after any exit."""
    world = World(BY_SIGNAL, Status.ONLINE)
    world.hear(e.Exited(at(0.2), None, 1, 0, 0.0, 10))

    assert "its worker exited during the reload (killed by SIGHUP)" in (world.failed.failed or "")
    assert (world.slot().status, world.slot().in_place) == (Status.STARTING, None)


@pytest.mark.parametrize("status", [Status.BACKOFF, Status.ERRORED])
def test_an_instance_without_a_worker_is_started(status: Status) -> None:
    """There is nothing that could reload itself."""
    world = World(BY_COMMAND, status)
    assert world.begun == []
    assert Spawn(0) in world.done


def test_a_stop_and_a_restart_end_the_command() -> None:
    """Nothing runs on for a worker that is told to exit."""
    for event in (e.StopRequested(at(1)), e.RestartRequested(at(1))):
        world = World(BY_COMMAND, Status.ONLINE)
        world.hear(event)
        assert world.ended == [0]
        assert (world.slot().status, world.slot().in_place) == (Status.STOPPING, None)


def test_a_worker_that_is_restarted_was_not_reloaded_in_place() -> None:
    """Its command was killed, so the reload has failed."""
    world = World(BY_COMMAND, Status.ONLINE, Status.ONLINE)
    world.hear(e.RestartRequested(at(1)))
    assert world.texts["reload_failed"] == (
        "instance 0 was not reloaded: it was restarted during the reload; not reloaded: 1"
    )


def test_a_cancelled_reload_ends_the_command() -> None:
    """What was not begun is left, and the worker keeps running."""
    world = World(BY_COMMAND, Status.ONLINE, Status.ONLINE)
    world.feed(e.CancelRequested(at(1), "ann:12"))

    assert (world.ended, world.begun) == ([0], [0])
    assert world.failed.cancelled
    assert (world.slot().status, world.slot().in_place) == (Status.ONLINE, None)


def test_a_successor_is_reloaded_in_the_place_of_its_worker() -> None:
    """A server that upgrades itself is another process at the end of its reload."""
    world = World(BY_COMMAND, Status.ONLINE)
    before = world.slot().worker
    assert before is not None
    world.hear(e.TookOver(at(0.5), Worker(77, 2, at(0.4)), 10))
    world.hear(e.ReloadedInPlace(at(1)))

    assert world.app.rollout is None
    assert world.slot().worker == Worker(77, 2, at(0.4), settings=before.settings)
    assert world.texts["reloaded"] == "pid 77: reload command"


def test_some_reload_themselves_while_others_are_replaced() -> None:
    """Those whose settings changed since their start need a new worker."""
    world = World.__new__(World)
    world.spec, world.app, world.done = BY_COMMAND, running(Status.ONLINE, Status.ONLINE), []
    world.feed(e.ReloadRequested(at(0), (0, 1), 2, in_place=(1,)))

    assert world.begun == [1]
    assert Signal(0, 15) in world.done
    assert world.texts["reload_started"] == "2 instances, 2 at a time; in place: 1"
