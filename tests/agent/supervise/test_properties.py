"""What holds whatever happens, in whatever order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.actions import Complain, Forget, Leave, Spawn
from monit_agent.supervise.app import App
from monit_agent.supervise.spec import AppSpec, Policy
from monit_agent.supervise.state import RESTING, Now, Slot, Status, Wanted, Worker

POLICY = Policy(max_restarts=4, restart_window_s=60.0, backoff_cap_s=2.0, kill_timeout_s=3.0)
INSTANCES = st.integers(0, 4)
JITTER = st.floats(0, 1)


class AnyHistory(RuleBasedStateMachine):
    """A keeper whose processes are imagined: they are born, die and are asked at random."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = AppSpec("web", "x", ("x",), "/", "u", policy=POLICY)
        self.app = App()
        self.mono = 1000.0
        self.pid = 0
        self.next_id = 0
        self.alive: dict[int, int] = {}
        self.left = False

    def now(self) -> Now:
        return Now(self.mono, self.mono + 5e8)

    def feed(self, event: e.AppEvent) -> None:
        if not isinstance(event, e.Each) and apps.refusal(self.app, event):
            return
        before = {slot.instance: slot for slot in self.app.slots}
        self.app, actions = apps.decide(self.app, event, self.spec)
        for slot in self.app.slots:
            self.compare(before.get(slot.instance), slot, event)
        for action in actions:
            assert not isinstance(action, Complain), action
            if isinstance(action, Spawn):
                self.spawn(action.instance)
            elif isinstance(action, Forget):
                assert action.instance not in self.alive
            elif isinstance(action, Leave):
                assert not self.alive
                self.left = True

    def spawn(self, instance: int) -> None:
        slot = apps.find(self.app, instance)
        assert slot is not None
        assert slot.wanted is Wanted.RUNNING, "what shall be stopped is not started"
        assert instance not in self.alive, "two workers in one slot"
        assert self.app.ending is None
        self.pid += 1
        self.alive[instance] = self.pid
        worker = Worker(self.pid, self.pid, self.now())
        self.feed(e.Each((instance,), e.Spawned(self.now(), worker)))

    def compare(self, old: Slot | None, new: Slot, event: e.AppEvent) -> None:
        if old is None:
            return
        reset = isinstance(event, e.Each) and isinstance(event.event, e.ResetAsked)
        if not reset:
            assert new.restarts >= old.restarts
        if new.status is Status.BACKOFF and old.status is not Status.BACKOFF:
            assert new.wake_at is not None
            wait = new.wake_at - self.mono
            assert POLICY.backoff_first_s - 1e-6 <= wait <= POLICY.backoff_cap_s + 1e-6
        if new.status is Status.ERRORED and old.status is not Status.ERRORED:
            assert len(new.unstable_at) >= POLICY.max_restarts
            assert new.unstable_at[0] > self.mono - POLICY.restart_window_s

    @rule(size=st.integers(0, 5))
    def scale(self, size: int) -> None:
        new = apps.missing(self.app, size)
        self.feed(e.ScaleAsked(self.now(), size, tuple(range(self.next_id, self.next_id + new))))
        self.next_id += new

    @rule(
        instance=INSTANCES,
        kind=st.sampled_from([e.StartAsked, e.StopAsked, e.RestartAsked, e.ResetAsked]),
    )
    @precondition(lambda self: self.app.ending is None)
    def ask(self, instance: int, kind: type) -> None:
        if not apps.unknown(self.app, (instance,)):
            self.feed(e.Each((instance,), kind(self.now())))

    @rule()
    def reload(self) -> None:
        self.feed(e.ReloadAsked(self.now(), apps.steady(self.app)))

    @rule(instance=INSTANCES, code=st.sampled_from([0, 1]), jitter=JITTER)
    def die(self, instance: int, code: int, jitter: float) -> None:
        if self.alive.pop(instance, None) is not None:
            self.feed(e.Each((instance,), e.Exited(self.now(), code, None, 0, jitter)))

    @rule(seconds=st.sampled_from([0.05, 0.5, 1.0, 4.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.mono += seconds
        self.feed(e.Each(apps.due(self.app, self.mono), e.TimeCame(self.now())))

    @rule(forget=st.booleans(), sure=st.integers(0, 9))
    def end(self, forget: bool, sure: int) -> None:
        if sure == 0:
            event = e.DeleteAsked if forget else e.LeaveAsked
            self.feed(event(self.now()))

    @invariant()
    def slots_and_processes_agree(self) -> None:
        """A slot has a worker exactly when a process of it is alive."""
        assert {s.instance for s in self.app.slots if s.worker} == set(self.alive)
        for slot in self.app.slots:
            assert (slot.worker is None) == (slot.status in RESTING)

    @invariant()
    def whoever_waits_wakes(self) -> None:
        """Nothing that is between two states waits for ever."""
        for slot in self.app.slots:
            if slot.status not in (Status.ONLINE, Status.STOPPED, Status.ERRORED):
                assert slot.wake_at is not None

    @invariant()
    def one_at_a_time(self) -> None:
        """A reload drains one instance at most."""
        assert sum(s.status is Status.DRAINING for s in self.app.slots) <= 1


AnyHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyHistory = AnyHistory.TestCase
