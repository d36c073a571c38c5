"""What a reload decides: how many at a time, when it fails, how it is called off."""

import pytest

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Quiesce, Signal, Spawn, Tell
from monit_agent.supervise.appstate import App, Rolling
from monit_agent.supervise.spec import AppSpec, Policy
from monit_agent.supervise.state import RESTING, Beside, Now, Role, Slot, Status, Wanted, Worker

SHARED = AppSpec(
    name="web", script="web.py", argv=("python",), cwd="/", user="u", mode="cluster",
    policy=Policy(listen_timeout_s=3.0),
)  # fmt: skip
ALONE = SHARED._replace(mode="fork")


class World:
    """An app of which every instance is online, imagined processes, and a clock."""

    def __init__(self, size: int, spec: AppSpec = SHARED) -> None:
        self.spec, self.mono, self.pid = spec, 100.0, 0
        self.app = App()
        self.actions: list[Action] = []
        self.feed(e.ScaleAsked(self.now, size, tuple(range(size))))
        self.wait(1.0)
        if spec.mode == "cluster":
            for instance in range(size):
                self.hear(instance, e.Listened(self.now))
        self.actions.clear()

    @property
    def now(self) -> Now:
        return Now(self.mono, self.mono + 1e9)

    @property
    def roll(self) -> Rolling:
        assert self.app.roll is not None
        return self.app.roll

    def feed(self, event: e.AppEvent) -> None:
        assert apps.refusal(self.app, event) is None
        self.app, actions = apps.decide(self.app, event, self.spec)
        self.actions += actions
        for action in actions:
            if isinstance(action, Spawn):
                self.pid += 1
                worker = Worker(self.pid, self.pid, self.now)
                self.hear(action.instance, e.Spawned(self.now, worker))

    def hear(self, instance: int, event: e.SlotEvent) -> None:
        self.feed(e.Each((instance,), event))

    def wait(self, seconds: float) -> None:
        self.mono += seconds
        self.feed(e.Each(apps.due(self.app, self.mono), e.TimeCame(self.now)))

    def slot(self, instance: int) -> Slot:
        slot = apps.find(self.app, instance)
        assert slot is not None
        return slot

    def reload(self, parallel: int = 1) -> None:
        self.feed(e.ReloadAsked(self.now, apps.steady(self.app), parallel))

    def heir(self, instance: int) -> int:
        beside = self.slot(instance).beside
        assert beside is not None
        assert beside.role is Role.HEIR
        assert beside.worker is not None
        return beside.worker.pid

    def heirs(self) -> list[int]:
        return [
            s.instance for s in self.app.slots if s.beside and s.beside.role is Role.HEIR
        ]  # fmt: skip

    def second_dies(self, instance: int, code: int = 0) -> None:
        beside = self.slot(instance).beside
        assert beside is not None
        assert beside.worker is not None
        self.hear(instance, e.Exited(self.now, code, None, 0, 0.0, beside.worker.pid))

    def succeed(self, *instances: int) -> None:
        """Let the new workers listen and prove themselves, and the old ones go."""
        for instance in instances:
            self.hear(instance, e.Listened(self.now, self.heir(instance)))
        self.wait(1.0)
        for instance in instances:
            self.second_dies(instance)

    def told(self, kind: str) -> list[str]:
        return [a.text for a in self.actions if isinstance(a, Tell) and a.kind == kind]


def test_so_many_are_replaced_at_once() -> None:
    """The next one begins as soon as one of them is done, and not before."""
    world = World(5)
    world.reload(2)
    assert (world.heirs(), world.roll.current, world.roll.waiting) == ([0, 1], (0, 1), (2, 3, 4))
    world.succeed(1)
    assert (world.roll.current, world.roll.done, world.roll.waiting) == ((0, 2), (1,), (3, 4))
    world.succeed(0, 2)
    assert world.roll.current == (3, 4)
    world.succeed(3, 4)
    assert world.app.roll is None
    assert world.told("reload_started") == ["5 instances, 2 at a time"]
    assert world.told("reload_done") == ["5 instances replaced"]


def test_more_at_once_than_there_are_is_all_of_them() -> None:
    """Nobody waits for instances that do not exist."""
    world = World(2)
    world.reload(9)
    assert world.roll.current == (0, 1)
    world.succeed(0, 1)
    assert world.app.roll is None


def test_a_failure_begins_nobody_new_and_those_under_way_finish() -> None:
    """The end is told once, with what failed, what was replaced and what was not."""
    world = World(5)
    world.reload(2)
    world.second_dies(0, code=3)
    assert world.heirs() == [1]
    assert world.told("reload_failed") == []
    assert "under way" in (apps.refusal(world.app, e.ReloadAsked(world.now, (0,))) or "")
    world.succeed(1)
    (text,) = world.told("reload_failed")
    assert text == (
        "instance 0: the new worker did not come up, the old one stays: exit code 3; "
        "replaced: 1; not replaced: 2, 3, 4"
    )
    assert (world.roll.failed, world.roll.current, world.roll.done) == (text, (), (1,))
    assert [number for number, _ in world.roll.broken] == [0]
    assert apps.refusal(world.app, e.ReloadAsked(world.now, (0,))) is None


def test_all_that_failed_are_named() -> None:
    """Two that break at the same time are both told of."""
    world = World(3)
    world.reload(2)
    world.second_dies(0, code=3)
    world.second_dies(1, code=4)
    (text,) = world.told("reload_failed")
    assert "instance 0" in text
    assert "instance 1" in text
    assert "exit code 4" in text
    assert text.endswith("not replaced: 2")


def test_a_cancelled_reload_sends_the_heirs_away() -> None:
    """The old workers stay, what is done stays done, and it is said by whom."""
    world = World(4)
    world.reload(2)
    world.succeed(0)
    assert world.roll.current == (1, 2)
    old = [world.slot(n).worker for n in range(4)]
    world.feed(e.CancelAsked(world.now, "bob:7"))
    assert (world.roll.current, world.roll.waiting, world.roll.done) == ((), (1, 2, 3), (0,))
    assert world.roll.cancelled
    text = "cancelled by bob:7; replaced: 0; not replaced: 1, 2, 3"
    assert (world.roll.failed, world.told("reload_failed")) == (text, [text])
    for instance in (1, 2):
        world.second_dies(instance)
    assert [world.slot(n).worker for n in range(4)] == old
    assert {slot.status for slot in world.app.slots} == {Status.ONLINE}


def test_what_has_taken_over_when_it_is_cancelled_is_finished() -> None:
    """The old worker goes, and only then the reload is over."""
    world = World(2)
    world.reload()
    world.hear(0, e.Listened(world.now, world.heir(0)))
    world.wait(1.0)
    world.feed(e.CancelAsked(world.now))
    assert world.roll.current == (0,)
    assert world.told("reload_failed") == []
    world.second_dies(0)
    assert world.told("reload_failed") == ["cancelled; replaced: 0; not replaced: 1"]


def test_an_heir_that_listens_takes_nothing_new_before_it_goes() -> None:
    """It has begun to answer perhaps: cancelling a reload must lose no request."""
    world = World(1)
    world.reload()
    heir = world.heir(0)
    world.hear(0, e.Listened(world.now, heir))
    world.feed(e.CancelAsked(world.now))
    assert Quiesce(0, heir) in world.actions
    assert not any(isinstance(action, Signal) for action in world.actions)


def test_without_a_shared_port_the_new_worker_is_started_all_the_same() -> None:
    """The old one was told to stop already: without a new one the instance would be away."""
    world = World(3, ALONE)
    world.reload(2)
    assert [world.slot(n).status for n in range(3)] == [
        Status.DRAINING, Status.DRAINING, Status.ONLINE,
    ]  # fmt: skip
    world.feed(e.CancelAsked(world.now))
    assert world.roll.current == (0, 1)
    for instance in (0, 1):
        world.hear(instance, e.Exited(world.now, 0, None, 0, 0.0))
    world.wait(1.0)
    assert {slot.status for slot in world.app.slots} == {Status.ONLINE}
    assert world.told("reload_failed") == ["cancelled; replaced: 0, 1; not replaced: 2"]


def test_a_reload_can_follow_a_cancelled_one_at_once() -> None:
    """An heir that is still on its way out is waited for; the others need not."""
    world = World(2)
    world.reload()
    world.feed(e.CancelAsked(world.now))
    world.reload()
    assert world.roll.current == (1,)
    world.second_dies(0)
    world.succeed(1)
    world.succeed(0)
    assert world.app.roll is None


@pytest.mark.parametrize("failed", [False, True])
def test_there_must_be_a_reload_to_cancel(failed: bool) -> None:
    """Without one, or with one that has come to its end, it is refused in words."""
    world = World(1)
    if failed:
        world.reload()
        world.second_dies(0, code=1)
    assert "no reload" in (apps.refusal(world.app, e.CancelAsked(world.now)) or "")


def test_cancelling_a_failed_reload_ends_what_goes_on() -> None:
    """Those under way go too; the reason stays the failure."""
    world = World(3)
    world.reload(2)
    world.second_dies(0, code=3)
    world.feed(e.CancelAsked(world.now, "bob:7"))
    assert (world.roll.current, world.roll.cancelled) == ((), False)
    (text,) = world.told("reload_failed")
    assert "exit code 3" in text
    assert text.endswith("not replaced: 1, 2")


def test_scaling_down_takes_instances_out_of_a_reload() -> None:
    """Waiting or current: what goes away need not be replaced, and that is no failure."""
    world = World(4)
    world.reload(2)
    world.feed(e.ScaleAsked(world.now, 1, ()))
    for instance in (1, 2, 3):
        while (slot := apps.find(world.app, instance)) is not None and slot.worker is not None:
            world.hear(instance, e.Exited(world.now, 0, None, 0, 0.0, slot.worker.pid))
    world.succeed(0)
    assert world.app.roll is None
    assert world.told("reload_done") == ["1 instance replaced"]
    assert [slot.instance for slot in world.app.slots] == [0]


def test_scaling_up_goes_on_beside_a_reload() -> None:
    """New instances have the new version anyway and are not replaced."""
    world = World(2)
    world.reload()
    world.feed(e.ScaleAsked(world.now, 3, (9,)))
    world.succeed(0)
    world.succeed(1)
    assert world.told("reload_done") == ["2 instances replaced"]
    assert world.slot(2).restarts == 0


def test_a_reload_during_a_scale_replaces_what_has_just_begun() -> None:
    """An instance that is not online yet is stopped and started with the rest."""
    world = World(1)
    world.feed(e.ScaleAsked(world.now, 2, (9,)))
    world.reload(2)
    assert world.slot(1).status is Status.DRAINING
    world.hear(1, e.Exited(world.now, 0, None, 0, 0.0))
    world.hear(1, e.Listened(world.now))
    world.succeed(0)
    assert world.app.roll is None


def test_stopping_ends_a_reload_and_both_workers_of_each_slot() -> None:
    """A stop in the middle of a parallel reload leaves nobody."""
    world = World(3)
    world.reload(2)
    world.feed(e.Each((0, 1, 2), e.StopAsked(world.now)))
    assert "was stopped meanwhile" in (world.roll.failed or "")
    for instance in (0, 1, 2):
        while (worker := world.slot(instance).worker) is not None:
            world.hear(instance, e.Exited(world.now, 0, None, 0, 0.0, worker.pid))
    assert {slot.status for slot in world.app.slots} == {Status.STOPPED}
    assert not any(slot.beside for slot in world.app.slots)


def test_a_restart_forgets_that_a_reload_failed() -> None:
    """The row must not complain for ever of what was mended."""
    world = World(1)
    world.reload()
    world.second_dies(0, code=1)
    world.hear(0, e.RestartAsked(world.now))
    assert world.app.roll is None


STATES = [
    *(Slot(0, 0, status=status, wanted=wanted, worker=None if status in RESTING else Worker(
        1, 1, Now(99.0, 99.0)), wake_at=200.0, listens=listens)
      for status in Status for wanted in Wanted for listens in (False, True)),
    *(Slot(0, 0, status=Status.ONLINE, wanted=Wanted.RUNNING, worker=Worker(
        1, 1, Now(99.0, 99.0)), listens=True,
        beside=Beside(Worker(2, 2, Now(99.5, 99.5)), role, wake_at=200.0, ready=ready,
                      listens=ready))
      for role in Role for ready in (False, True)),
]  # fmt: skip


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("slot", STATES)
def test_every_state_can_be_reloaded_and_cancelled(slot: Slot, parallel: int) -> None:
    """Whatever three instances are doing: not more begin than asked for, and after a cancel only
    what cannot be undone goes on."""
    slots = tuple(slot._replace(instance=n, id=n) for n in range(3))
    moment = Now(100.0, 100.0)
    app, _ = apps.decide(App(slots), e.ReloadAsked(moment, (0, 1, 2), parallel), SHARED)
    if app.roll is None:
        assert slot.wanted is Wanted.STOPPED
        return
    assert len(app.roll.current) <= parallel
    app, _ = apps.decide(app, e.CancelAsked(moment), SHARED)
    assert app.roll is not None
    for number in app.roll.current:
        current = apps.find(app, number)
        assert current is not None
        assert current.beside is None or current.beside.role is not Role.HEIR
    assert {*app.roll.waiting, *app.roll.current} <= {0, 1, 2}
