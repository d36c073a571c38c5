"""What holds whatever happens, in whatever order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise import roll as rolls
from monit_agent.supervise.actions import Complain, Forget, Leave, Quiesce, Signal, Spawn
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, Policy
from monit_agent.supervise.state import RESTING, Now, Role, Slot, Status, Wanted, Worker

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
        self.alive: dict[int, list[int]] = {}
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
                self.spawn(action.instance, beside=action.beside)
            elif isinstance(action, Signal | Quiesce):
                self.check_heard(action)
            elif isinstance(action, Forget):
                assert not self.alive.get(action.instance)
            elif isinstance(action, Leave):
                assert not any(self.alive.values())
                self.left = True

    def check_heard(self, action: Signal | Quiesce) -> None:
        """Whoever is told something is alive, and has not been told to go already."""
        slot = apps.find(self.app, action.instance)
        assert slot is not None
        pid = action.pid or (slot.worker.pid if slot.worker else None)
        assert pid in self.alive[action.instance]

    def spawn(self, instance: int, *, beside: bool) -> None:
        slot = apps.find(self.app, instance)
        assert slot is not None
        assert slot.wanted is Wanted.RUNNING, "what shall be stopped is not started"
        others = self.alive.setdefault(instance, [])
        leaving = slot.beside is not None and slot.beside.role is not Role.HEIR
        assert len(others) == (1 if beside or leaving else 0), "more workers than may be"
        if beside:
            assert slot.listens, "two can serve only where a port is shared"
        assert self.app.ending is None
        self.pid += 1
        others.append(self.pid)
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

    @rule(parallel=st.integers(1, 4))
    def reload(self, parallel: int) -> None:
        self.feed(e.ReloadAsked(self.now(), apps.steady(self.app), parallel))

    @rule()
    def cancel(self) -> None:
        done = self.app.roll.done if self.app.roll else ()
        event = e.CancelAsked(self.now(), "somebody")
        refused = apps.refusal(self.app, event)
        self.feed(event)
        if not refused:
            assert self.app.roll is not None
            assert self.app.roll.failed
            assert self.app.roll.done == done
            assert not rolls.heirs(self.app), "nobody is on the way to take over"

    @rule(instance=INSTANCES, code=st.sampled_from([0, 1]), jitter=JITTER, which=st.booleans())
    def die(self, instance: int, code: int, jitter: float, which: bool) -> None:
        if alive := self.alive.get(instance):
            pid = alive.pop(0 if which else -1)
            self.feed(e.Each((instance,), e.Exited(self.now(), code, None, 0, jitter, pid)))

    @rule(instance=INSTANCES, which=st.booleans())
    def listen(self, instance: int, which: bool) -> None:
        if alive := self.alive.get(instance):
            pid = alive[0 if which else -1]
            self.feed(e.Each((instance,), e.Listened(self.now(), pid)))

    @rule(instance=INSTANCES)
    def finish(self, instance: int) -> None:
        slot = apps.find(self.app, instance)
        if slot and slot.beside and slot.beside.worker and slot.beside.role is Role.QUIESCING:
            self.feed(e.Each((instance,), e.Quiesced(self.now(), slot.beside.worker.pid)))

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
        for slot in self.app.slots:
            both = (slot.worker, slot.beside.worker if slot.beside else None)
            pids = [worker.pid for worker in both if worker]
            assert sorted(pids) == sorted(self.alive.get(slot.instance, []))
            assert (slot.worker is None) == (slot.status in RESTING)
            if slot.beside is not None and slot.beside.role is Role.HEIR:
                assert slot.status is Status.ONLINE, "an heir is only beside one that serves"
        assert {n for n, pids in self.alive.items() if pids} <= {s.instance for s in self.app.slots}

    @invariant()
    def whoever_waits_wakes(self) -> None:
        """Nothing that is between two states waits for ever."""
        for slot in self.app.slots:
            if slot.status not in (Status.ONLINE, Status.STOPPED, Status.ERRORED):
                assert slot.wake_at is not None
            assert slot.beside is None or slot.beside.wake_at is not None

    @invariant()
    def no_more_than_asked_for_at_a_time(self) -> None:
        """A reload works at so many instances at most, and only at those it says."""
        heirs = [s for s in self.app.slots if s.beside and s.beside.role is Role.HEIR]
        drained = [s for s in self.app.slots if s.status is Status.DRAINING]
        roll = self.app.roll
        if self.app.ending is not None or roll is None:
            assert not heirs
            return
        assert len(roll.current) <= roll.parallel
        busy = {s.instance for s in (*heirs, *drained)}
        assert busy <= {*roll.current, *(n for n, _ in roll.broken)}
        told = (*roll.waiting, *roll.current, *roll.done, *(n for n, _ in roll.broken))
        assert len(told) == len(set(told)), "each instance is in one place"


AnyHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyHistory = AnyHistory.TestCase
