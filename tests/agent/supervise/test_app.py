"""What the app decides about its slots together."""

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Action, Forget, Leave, Signal, Spawn, Tell
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, Policy
from monit_agent.supervise.state import Now, Status, Wanted, Worker

SPEC = AppSpec(name="web", script="web.py", argv=("python",), cwd="/", user="u", policy=Policy())


class World:
    """An app, its imagined processes, and a clock."""

    def __init__(self, size: int) -> None:
        self.app = App()
        self.mono = 100.0
        self.pid = 1
        self.actions: list[Action] = []
        self.feed(e.ScaleAsked(self.now, size, tuple(range(10, 10 + size))))

    @property
    def now(self) -> Now:
        return Now(self.mono, self.mono + 1e9)

    def feed(self, event: e.AppEvent) -> list[Action]:
        self.app, actions = apps.decide(self.app, event, SPEC)
        self.actions += actions
        for action in actions:
            if isinstance(action, Spawn):
                self.pid += 1
                self.feed(self.each(action.instance, e.Spawned(self.now, self.worker())))
        return list(actions)

    def worker(self) -> Worker:
        return Worker(self.pid, self.pid, self.now)

    def each(self, instance: int, event: e.SlotEvent) -> e.Each:
        return e.Each((instance,), event)

    def dies(self, instance: int, code: int = 0) -> list[Action]:
        return self.feed(self.each(instance, e.Exited(self.now, code, None, 0, 0.0)))

    def wait(self, seconds: float) -> None:
        self.mono += seconds
        self.feed(e.Each(apps.due(self.app, self.mono), e.TimeCame(self.now)))

    def statuses(self) -> dict[int, Status]:
        return {slot.instance: slot.status for slot in self.app.slots}

    def told(self, kind: str) -> list[str]:
        return [a.text for a in self.actions if isinstance(a, Tell) and a.kind == kind]


def test_scale_up_starts_and_gives_ids() -> None:
    """New slots get the next numbers and fresh ids, and run."""
    world = World(2)
    world.feed(e.ScaleAsked(world.now, 3, (99,)))
    assert [(slot.instance, slot.id) for slot in world.app.slots] == [(0, 10), (1, 11), (2, 99)]
    assert set(world.statuses().values()) == {Status.STARTING}


def test_scale_down_takes_the_highest_and_forgets_them_when_they_are_gone() -> None:
    """A slot stays listed until its worker has ended."""
    world = World(3)
    world.wait(1)
    world.feed(e.ScaleAsked(world.now, 1, ()))
    assert world.statuses() == {0: Status.ONLINE, 1: Status.STOPPING, 2: Status.STOPPING}
    assert Forget(2) in world.dies(2)
    assert Forget(1) in world.dies(1)
    assert world.statuses() == {0: Status.ONLINE}


def test_scale_up_again_brings_a_going_slot_back() -> None:
    """Its number and id are the same, and its worker is replaced when it has ended."""
    world = World(2)
    world.wait(1)
    world.feed(e.ScaleAsked(world.now, 1, ()))
    assert apps.missing(world.app, 2) == 0
    world.feed(e.ScaleAsked(world.now, 2, ()))
    assert Spawn(1) in world.dies(1)
    assert [slot.id for slot in world.app.slots] == [10, 11]


def test_reload_goes_one_by_one() -> None:
    """The next one is touched only when the one before is online again."""
    world = World(3)
    world.wait(1)
    world.feed(e.ReloadAsked(world.now, (0, 1, 2)))
    for instance in (0, 1, 2):
        draining = [n for n, status in world.statuses().items() if status is Status.DRAINING]
        assert draining == [instance]
        world.dies(instance)
        world.wait(1)
    assert set(world.statuses().values()) == {Status.ONLINE}
    assert [slot.restarts for slot in world.app.slots] == [1, 1, 1]
    assert world.app.roll is None
    assert world.told("reload_done") == ["3 instances replaced"]


def test_reload_stops_at_the_first_failure_and_leaves_the_others() -> None:
    """A broken new version takes down one instance, not all of them."""
    world = World(3)
    world.wait(1)
    world.feed(e.ReloadAsked(world.now, (0, 1, 2)))
    world.dies(0)
    world.dies(0, code=1)
    roll = world.app.roll
    assert roll is not None
    assert roll.failed == "instance 0 did not come up: exit code 1; not replaced: 1, 2"
    assert (roll.waiting, roll.current, roll.done) == ((1, 2), (), ())
    assert roll.broken == ((0, "instance 0 did not come up: exit code 1"),)
    assert world.statuses() == {0: Status.BACKOFF, 1: Status.ONLINE, 2: Status.ONLINE}
    assert world.told("reload_failed") == [roll.failed]


def test_reload_fails_when_the_current_one_is_stopped() -> None:
    """Nobody waits for ever for a worker that shall not come."""
    world = World(2)
    world.wait(1)
    world.feed(e.ReloadAsked(world.now, (0, 1)))
    world.feed(world.each(0, e.StopAsked(world.now)))
    assert world.app.roll is not None
    assert "was stopped meanwhile" in (world.app.roll.failed or "")


def test_reload_leaves_stopped_ones_alone() -> None:
    """What its user stopped is not started by a reload."""
    world = World(2)
    world.wait(1)
    world.feed(world.each(0, e.StopAsked(world.now)))
    world.dies(0)
    world.feed(e.ReloadAsked(world.now, (0, 1)))
    assert world.statuses() == {0: Status.STOPPED, 1: Status.DRAINING}


def test_a_second_reload_is_refused_while_one_is_under_way() -> None:
    """And allowed after it failed."""
    world = World(1)
    world.wait(1)
    again = e.ReloadAsked(world.now, (0,))
    world.feed(again)
    assert "under way" in (apps.refusal(world.app, again) or "")
    world.dies(0)
    world.dies(0, code=1)
    assert apps.refusal(world.app, again) is None


def test_delete_stops_all_and_then_leaves() -> None:
    """Leave comes exactly once all are down, and says to forget; meanwhile nothing is accepted."""
    world = World(2)
    world.wait(1)
    world.feed(e.DeleteAsked(world.now))
    assert "deleted" in (apps.refusal(world.app, e.ScaleAsked(world.now, 1, ())) or "")
    assert Leave(forget=True) not in world.dies(0)
    assert Leave(forget=True) in world.dies(1)


def test_leaving_stops_all_and_keeps_the_wish() -> None:
    """When the keeper is told to end, what shall run after the next boot stays on record."""
    world = World(1)
    world.wait(1)
    actions = world.feed(e.LeaveAsked(world.now))
    assert Signal(0, 15) in actions
    assert Leave(forget=False) in world.dies(0)
    assert [slot.wanted for slot in world.app.slots] == [Wanted.RUNNING]
