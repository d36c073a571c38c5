"""What a reload decides: how many at a time, when it fails, how it is called off."""

import pytest

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Drain, RecordEvent, Signal, Spawn
from monit_agent.supervise.appstate import App, Rollout
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import (
    RESTING,
    DesiredState,
    Now,
    Replacement,
    Role,
    Slot,
    Status,
    Worker,
)

SHARED = AppSpec(
    name="web", script="web.py", argv=("python",), cwd="/", user="u", mode="cluster",
    policy=RestartPolicy(listen_timeout_s=3.0),
)  # fmt: skip
ALONE = SHARED._replace(mode="fork")


class World:
    """An app of which every instance is online, imagined processes, and a clock."""

    def __init__(self, size: int, spec: AppSpec = SHARED) -> None:
        self.spec, self.mono, self.pid = spec, 100.0, 0
        self.app = App()
        self.actions: list[Action] = []
        self.feed(e.ScaleRequested(self.now, size, tuple(range(size))))
        self.wait(1.0)
        if spec.mode == "cluster":
            for instance in range(size):
                self.hear(instance, e.StartedListening(self.now))
        self.actions.clear()

    @property
    def now(self) -> Now:
        return Now(self.mono, self.mono + 1e9)

    @property
    def rollout(self) -> Rollout:
        assert self.app.rollout is not None
        return self.app.rollout

    def feed(self, event: e.AppEvent) -> None:
        assert apps.refusal_reason(self.app, event) is None
        self.app, actions = apps.decide(self.app, event, self.spec)
        self.actions += actions
        for action in actions:
            if isinstance(action, Spawn):
                self.pid += 1
                worker = Worker(self.pid, self.pid, self.now)
                self.hear(action.instance, e.Spawned(self.now, worker))

    def hear(self, instance: int, event: e.SlotEvent) -> None:
        self.feed(e.EachSlot((instance,), event))

    def wait(self, seconds: float) -> None:
        self.mono += seconds
        self.feed(
            e.EachSlot(apps.overdue_instances(self.app, self.mono), e.DeadlinePassed(self.now))
        )

    def slot(self, instance: int) -> Slot:
        slot = apps.find_slot(self.app, instance)
        assert slot is not None
        return slot

    def reload(self, parallel: int = 1) -> None:
        self.feed(e.ReloadRequested(self.now, apps.kept_instances(self.app), parallel))

    def incoming_pid(self, instance: int) -> int:
        replacement = self.slot(instance).replacement
        assert replacement is not None
        assert replacement.role is Role.INCOMING
        assert replacement.worker is not None
        return replacement.worker.pid

    def incoming_pids(self) -> list[int]:
        return [
            s.instance
            for s in self.app.slots
            if s.replacement and s.replacement.role is Role.INCOMING
        ]  # fmt: skip

    def second_dies(self, instance: int, code: int = 0) -> None:
        replacement = self.slot(instance).replacement
        assert replacement is not None
        assert replacement.worker is not None
        self.hear(instance, e.Exited(self.now, code, None, 0, 0.0, replacement.worker.pid))

    def succeed(self, *instances: int) -> None:
        """Let the new workers listen and prove themselves, and the old ones go."""
        for instance in instances:
            self.hear(instance, e.StartedListening(self.now, self.incoming_pid(instance)))
        self.wait(1.0)
        for instance in instances:
            self.second_dies(instance)

    def recorded(self, kind: str) -> list[str]:
        return [a.text for a in self.actions if isinstance(a, RecordEvent) and a.kind == kind]


def test_so_many_are_replaced_at_once() -> None:
    """The next one begins as soon as one of them is done, and not before."""
    world = World(5)
    world.reload(2)
    assert (world.incoming_pids(), world.rollout.current, world.rollout.waiting) == (
        [0, 1],
        (0, 1),
        (2, 3, 4),
    )
    world.succeed(1)
    assert (world.rollout.current, world.rollout.done, world.rollout.waiting) == (
        (0, 2),
        (1,),
        (3, 4),
    )
    world.succeed(0, 2)
    assert world.rollout.current == (3, 4)
    world.succeed(3, 4)
    assert world.app.rollout is None
    assert world.recorded("reload_started") == ["5 instances, 2 at a time"]
    assert world.recorded("reload_done") == ["5 instances replaced"]


def test_more_at_once_than_there_are_is_all_of_them() -> None:
    """Nobody waits for instances that do not exist."""
    world = World(2)
    world.reload(9)
    assert world.rollout.current == (0, 1)
    world.succeed(0, 1)
    assert world.app.rollout is None


def test_a_failure_begins_nobody_new_and_those_under_way_finish() -> None:
    """The end is recorded once, with what failed, what was replaced and what was not."""
    world = World(5)
    world.reload(2)
    world.second_dies(0, code=3)
    assert world.incoming_pids() == [1]
    assert world.recorded("reload_failed") == []
    assert "in progress" in (
        apps.refusal_reason(world.app, e.ReloadRequested(world.now, (0,))) or ""
    )
    world.succeed(1)
    (text,) = world.recorded("reload_failed")
    assert text == (
        "instance 0: the new worker failed, so the old one keeps running: "
        "exit code 3; replaced: 1; not replaced: 2, 3, 4"
    )
    assert (world.rollout.failed, world.rollout.current, world.rollout.done) == (text, (), (1,))
    assert [number for number, _ in world.rollout.failures] == [0]
    assert apps.refusal_reason(world.app, e.ReloadRequested(world.now, (0,))) is None


def test_all_that_failed_are_named() -> None:
    """Two that break at the same time are both recorded."""
    world = World(3)
    world.reload(2)
    world.second_dies(0, code=3)
    world.second_dies(1, code=4)
    (text,) = world.recorded("reload_failed")
    assert "instance 0" in text
    assert "instance 1" in text
    assert "exit code 4" in text
    assert text.endswith("not replaced: 2")


def test_a_cancelled_reload_sends_the_incoming_workers_away() -> None:
    """The old workers stay, what is done stays done, and the requester is recorded."""
    world = World(4)
    world.reload(2)
    world.succeed(0)
    assert world.rollout.current == (1, 2)
    old = [world.slot(n).worker for n in range(4)]
    world.feed(e.CancelRequested(world.now, "bob:7"))
    assert (world.rollout.current, world.rollout.waiting, world.rollout.done) == (
        (),
        (1, 2, 3),
        (0,),
    )
    assert world.rollout.cancelled
    text = "cancelled by bob:7; replaced: 0; not replaced: 1, 2, 3"
    assert (world.rollout.failed, world.recorded("reload_failed")) == (text, [text])
    for instance in (1, 2):
        world.second_dies(instance)
    assert [world.slot(n).worker for n in range(4)] == old
    assert {slot.status for slot in world.app.slots} == {Status.ONLINE}


def test_what_has_taken_over_when_it_is_cancelled_is_finished() -> None:
    """The old worker goes, and only then the reload is over."""
    world = World(2)
    world.reload()
    world.hear(0, e.StartedListening(world.now, world.incoming_pid(0)))
    world.wait(1.0)
    world.feed(e.CancelRequested(world.now))
    assert world.rollout.current == (0,)
    assert world.recorded("reload_failed") == []
    world.second_dies(0)
    assert world.recorded("reload_failed") == ["cancelled; replaced: 0; not replaced: 1"]


def test_an_incoming_worker_that_listens_takes_nothing_new_before_it_goes() -> None:
    """It has begun to answer perhaps: cancelling a reload must lose no request."""
    world = World(1)
    world.reload()
    incoming = world.incoming_pid(0)
    world.hear(0, e.StartedListening(world.now, incoming))
    world.feed(e.CancelRequested(world.now))
    assert Drain(0, incoming) in world.actions
    assert not any(isinstance(action, Signal) for action in world.actions)


def test_without_a_shared_port_the_new_worker_is_started_all_the_same() -> None:
    """The old one is being stopped already: without a new one the instance would be away."""
    world = World(3, ALONE)
    world.reload(2)
    assert [world.slot(n).status for n in range(3)] == [
        Status.DRAINING, Status.DRAINING, Status.ONLINE,
    ]  # fmt: skip
    world.feed(e.CancelRequested(world.now))
    assert world.rollout.current == (0, 1)
    for instance in (0, 1):
        world.hear(instance, e.Exited(world.now, 0, None, 0, 0.0))
    world.wait(1.0)
    assert {slot.status for slot in world.app.slots} == {Status.ONLINE}
    assert world.recorded("reload_failed") == ["cancelled; replaced: 0, 1; not replaced: 2"]


def test_a_reload_can_follow_a_cancelled_one_at_once() -> None:
    """A worker that still stops is waited for; the others are not."""
    world = World(2)
    world.reload()
    world.feed(e.CancelRequested(world.now))
    world.reload()
    assert world.rollout.current == (1,)
    world.second_dies(0)
    world.succeed(1)
    world.succeed(0)
    assert world.app.rollout is None


@pytest.mark.parametrize("failed", [False, True])
def test_there_must_be_a_reload_to_cancel(failed: bool) -> None:
    """Without one, or with one that has come to its end, it is refused in words."""
    world = World(1)
    if failed:
        world.reload()
        world.second_dies(0, code=1)
    assert "no reload" in (apps.refusal_reason(world.app, e.CancelRequested(world.now)) or "")


def test_cancelling_a_failed_reload_ends_what_is_in_progress() -> None:
    """Those under way go too; the reason stays the failure."""
    world = World(3)
    world.reload(2)
    world.second_dies(0, code=3)
    world.feed(e.CancelRequested(world.now, "bob:7"))
    assert (world.rollout.current, world.rollout.cancelled) == ((), False)
    (text,) = world.recorded("reload_failed")
    assert "exit code 3" in text
    assert text.endswith("not replaced: 1, 2")


def test_scaling_down_takes_instances_out_of_a_reload() -> None:
    """Waiting or current: what goes away need not be replaced, and that is no failure."""
    world = World(4)
    world.reload(2)
    world.feed(e.ScaleRequested(world.now, 1, ()))
    for instance in (1, 2, 3):
        while (slot := apps.find_slot(world.app, instance)) is not None and slot.worker is not None:
            world.hear(instance, e.Exited(world.now, 0, None, 0, 0.0, slot.worker.pid))
    world.succeed(0)
    assert world.app.rollout is None
    assert world.recorded("reload_done") == ["1 instance replaced"]
    assert [slot.instance for slot in world.app.slots] == [0]


def test_scaling_up_is_possible_during_a_reload() -> None:
    """New instances have the new version anyway and are not replaced."""
    world = World(2)
    world.reload()
    world.feed(e.ScaleRequested(world.now, 3, (9,)))
    world.succeed(0)
    world.succeed(1)
    assert world.recorded("reload_done") == ["2 instances replaced"]
    assert world.slot(2).restarts == 0


def test_a_reload_during_a_scale_replaces_what_has_just_begun() -> None:
    """An instance that is not online yet is stopped and started with the rest."""
    world = World(1)
    world.feed(e.ScaleRequested(world.now, 2, (9,)))
    world.reload(2)
    assert world.slot(1).status is Status.DRAINING
    world.hear(1, e.Exited(world.now, 0, None, 0, 0.0))
    world.hear(1, e.StartedListening(world.now))
    world.succeed(0)
    assert world.app.rollout is None


def test_stopping_ends_a_reload_and_both_workers_of_each_slot() -> None:
    """A stop in the middle of a parallel reload leaves nobody."""
    world = World(3)
    world.reload(2)
    world.feed(e.EachSlot((0, 1, 2), e.StopRequested(world.now)))
    assert "was stopped during the reload" in (world.rollout.failed or "")
    for instance in (0, 1, 2):
        while (worker := world.slot(instance).worker) is not None:
            world.hear(instance, e.Exited(world.now, 0, None, 0, 0.0, worker.pid))
    assert {slot.status for slot in world.app.slots} == {Status.STOPPED}
    assert not any(slot.replacement for slot in world.app.slots)


def test_a_restart_forgets_that_a_reload_failed() -> None:
    """The row must not show an error that was fixed."""
    world = World(1)
    world.reload()
    world.second_dies(0, code=1)
    world.hear(0, e.RestartRequested(world.now))
    assert world.app.rollout is None


STATES = [
    *(Slot(0, 0, status=status, desired=expected, worker=None if status in RESTING else Worker(
        1, 1, Now(99.0, 99.0)), deadline=200.0, listens=listens)
      for status in Status for expected in DesiredState for listens in (False, True)),
    *(Slot(0, 0, status=Status.ONLINE, desired=DesiredState.RUNNING, worker=Worker(
        1, 1, Now(99.0, 99.0)), listens=True,
        replacement=Replacement(Worker(2, 2, Now(99.5, 99.5)), role, deadline=200.0, ready=ready,
                      listens=ready))
      for role in Role for ready in (False, True)),
]  # fmt: skip


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("slot", STATES)
def test_every_state_can_be_reloaded_and_cancelled(slot: Slot, parallel: int) -> None:
    """Whatever three instances are doing: not more begin than requested, and after a cancel only
    what cannot be undone is finished."""
    slots = tuple(slot._replace(instance=n, id=n) for n in range(3))
    moment = Now(100.0, 100.0)
    app, _ = apps.decide(App(slots), e.ReloadRequested(moment, (0, 1, 2), parallel), SHARED)
    if app.rollout is None:
        assert slot.desired is DesiredState.STOPPED
        return
    assert len(app.rollout.current) <= parallel
    app, _ = apps.decide(app, e.CancelRequested(moment), SHARED)
    assert app.rollout is not None
    for number in app.rollout.current:
        current = apps.find_slot(app, number)
        assert current is not None
        assert current.replacement is None or current.replacement.role is not Role.INCOMING
    assert {*app.rollout.waiting, *app.rollout.current} <= {0, 1, 2}
