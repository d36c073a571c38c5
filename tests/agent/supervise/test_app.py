"""What the app decides about its slots together."""

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.actions import (
    Action,
    RecordEvent,
    RemoveInstance,
    ShutDown,
    Signal,
    Spawn,
)
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import DesiredState, Now, Status, Worker

SPEC = AppSpec(
    name="web", script="web.py", argv=("python",), cwd="/", user="u", policy=RestartPolicy()
)


class World:
    """An app, its imagined processes, and a clock."""

    def __init__(self, size: int, spec: AppSpec = SPEC) -> None:
        self.app = App()
        self.spec = spec
        self.mono = 100.0
        self.pid = 1
        self.actions: list[Action] = []
        self.feed(e.ScaleRequested(self.now, size, tuple(range(10, 10 + size))))

    @property
    def now(self) -> Now:
        return Now(self.mono, self.mono + 1e9)

    def feed(self, event: e.AppEvent) -> list[Action]:
        self.app, actions = apps.decide(self.app, event, self.spec)
        self.actions += actions
        for action in actions:
            if isinstance(action, Spawn):
                self.pid += 1
                self.feed(self.each(action.instance, e.Spawned(self.now, self.worker())))
        return list(actions)

    def worker(self) -> Worker:
        return Worker(self.pid, self.pid, self.now)

    def each(self, instance: int, event: e.SlotEvent) -> e.EachSlot:
        return e.EachSlot((instance,), event)

    def dies(self, instance: int, code: int = 0) -> list[Action]:
        return self.feed(self.each(instance, e.Exited(self.now, code, None, 0, 0.0)))

    def wait(self, seconds: float) -> None:
        self.mono += seconds
        self.feed(
            e.EachSlot(apps.overdue_instances(self.app, self.mono), e.DeadlinePassed(self.now))
        )

    def statuses(self) -> dict[int, Status]:
        return {slot.instance: slot.status for slot in self.app.slots}

    def recorded(self, kind: str) -> list[str]:
        return [a.text for a in self.actions if isinstance(a, RecordEvent) and a.kind == kind]


def test_scale_up_starts_and_gives_ids() -> None:
    """New slots get the next numbers and fresh ids, and run."""
    world = World(2)
    world.feed(e.ScaleRequested(world.now, 3, (99,)))
    assert [(slot.instance, slot.id) for slot in world.app.slots] == [(0, 10), (1, 11), (2, 99)]
    assert set(world.statuses().values()) == {Status.STARTING}


def test_scale_down_takes_the_highest_and_forgets_them_when_they_are_gone() -> None:
    """A slot stays listed until its worker has ended."""
    world = World(3)
    world.wait(1)
    world.feed(e.ScaleRequested(world.now, 1, ()))
    assert world.statuses() == {0: Status.ONLINE, 1: Status.STOPPING, 2: Status.STOPPING}
    assert RemoveInstance(2) in world.dies(2)
    assert RemoveInstance(1) in world.dies(1)
    assert world.statuses() == {0: Status.ONLINE}


def test_scale_up_again_brings_a_going_slot_back() -> None:
    """Its number and id are the same, and its worker is replaced when it has ended."""
    world = World(2)
    world.wait(1)
    world.feed(e.ScaleRequested(world.now, 1, ()))
    assert apps.new_slot_count(world.app, 2) == 0
    world.feed(e.ScaleRequested(world.now, 2, ()))
    assert Spawn(1) in world.dies(1)
    assert [slot.id for slot in world.app.slots] == [10, 11]


def test_reload_goes_one_by_one() -> None:
    """The next one is touched only when the one before is online again."""
    world = World(3)
    world.wait(1)
    world.feed(e.ReloadRequested(world.now, (0, 1, 2)))
    for instance in (0, 1, 2):
        draining = [n for n, status in world.statuses().items() if status is Status.DRAINING]
        assert draining == [instance]
        world.dies(instance)
        world.wait(1)
    assert set(world.statuses().values()) == {Status.ONLINE}
    assert [slot.restarts for slot in world.app.slots] == [1, 1, 1]
    assert world.app.rollout is None
    assert world.recorded("reload_done") == ["3 instances replaced"]


def test_reload_stops_at_the_first_failure_and_leaves_the_others() -> None:
    """A failures new version takes down one instance, not all of them."""
    world = World(3)
    world.wait(1)
    world.feed(e.ReloadRequested(world.now, (0, 1, 2)))
    world.dies(0)
    world.dies(0, code=1)
    rollout = world.app.rollout
    assert rollout is not None
    why = (
        "instance 0 did not start: exit code 1; "
        "the old worker was stopped first, because each opens its port itself"
    )
    assert rollout.failed == f"{why}; not replaced: 1, 2"
    assert (rollout.waiting, rollout.current, rollout.done) == ((1, 2), (), ())
    assert rollout.failures == ((0, why),)
    assert world.statuses() == {0: Status.BACKOFF, 1: Status.ONLINE, 2: Status.ONLINE}
    assert world.recorded("reload_failed") == [rollout.failed]


def test_reload_fails_when_the_current_one_is_stopped() -> None:
    """Nobody waits forever for a worker that will not come."""
    world = World(2)
    world.wait(1)
    world.feed(e.ReloadRequested(world.now, (0, 1)))
    world.feed(world.each(0, e.StopRequested(world.now)))
    assert world.app.rollout is not None
    assert "was stopped during the reload" in (world.app.rollout.failed or "")


def test_reload_leaves_stopped_ones_alone() -> None:
    """What its user stopped is not started by a reload."""
    world = World(2)
    world.wait(1)
    world.feed(world.each(0, e.StopRequested(world.now)))
    world.dies(0)
    world.feed(e.ReloadRequested(world.now, (0, 1)))
    assert world.statuses() == {0: Status.STOPPED, 1: Status.DRAINING}


def test_a_second_reload_is_refused_while_one_is_under_way() -> None:
    """And allowed after it failed."""
    world = World(1)
    world.wait(1)
    again = e.ReloadRequested(world.now, (0,))
    world.feed(again)
    assert "in progress" in (apps.refusal_reason(world.app, again) or "")
    world.dies(0)
    world.dies(0, code=1)
    assert apps.refusal_reason(world.app, again) is None


def test_delete_stops_all_and_then_leaves() -> None:
    """Leave comes exactly once all are down, and says to forget; meanwhile nothing is accepted."""
    world = World(2)
    world.wait(1)
    world.feed(e.DeleteRequested(world.now))
    assert "deleted" in (apps.refusal_reason(world.app, e.ScaleRequested(world.now, 1, ())) or "")
    assert ShutDown(delete=True) not in world.dies(0)
    assert ShutDown(delete=True) in world.dies(1)


def test_a_shutdown_stops_all_and_keeps_the_desired_state() -> None:
    """When the keeper shuts down, what must run after the next boot stays on record."""
    world = World(1)
    world.wait(1)
    actions = world.feed(e.ShutdownRequested(world.now))
    assert Signal(0, 15) in actions
    assert ShutDown(delete=False) in world.dies(0)
    assert [slot.desired for slot in world.app.slots] == [DesiredState.RUNNING]


def test_after_a_reboot_start_those_that_were_to_run() -> None:
    """Not what was stopped, nor what had finished by itself; but what monit had given up."""
    once = SPEC._replace(policy=RestartPolicy(stop_exit_codes=(0,), max_restarts=1))
    world = World(4, once)
    world.wait(2)
    world.feed(world.each(1, e.StopRequested(world.now)))
    world.dies(1)
    world.dies(2, code=0)
    world.feed(world.each(3, e.RestartRequested(world.now)))
    world.dies(3)
    world.dies(3, code=1)
    assert world.statuses()[3] is Status.ERRORED
    assert apps.restorable_instances(world.app) == (0, 3)


def test_what_exited_when_the_machine_shut_down_has_not_finished() -> None:
    """The worker got SIGTERM just before its keeper; one that exited long before has finished."""
    world = World(2, SPEC._replace(policy=RestartPolicy(restart="never")))
    world.wait(2)
    world.dies(0)
    world.wait(apps.SHUT_DOWN_S + 1)
    world.dies(1)
    world.feed(e.ShutdownRequested(world.now))
    assert apps.restorable_instances(world.app) == (1,)


def test_a_worker_that_a_signal_ended_has_not_finished() -> None:
    """It did not exit by itself, also where it is not restarted."""
    world = World(1, SPEC._replace(policy=RestartPolicy(restart="never")))
    world.wait(2)
    world.feed(world.each(0, e.Exited(world.now, None, 15, 0, 0.0)))
    assert world.statuses() == {0: Status.ERRORED}
    assert apps.restorable_instances(world.app) == (0,)
