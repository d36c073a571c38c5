"""What holds whatever happens, in whatever order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise import rollout as rollouts
from monit_agent.supervise.actions import Drain, LogError, RemoveInstance, ShutDown, Signal, Spawn
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.supervise.state import RESTING, DesiredState, Now, Role, Slot, Status, Worker

POLICY = RestartPolicy(max_restarts=4, restart_window_s=60.0, backoff_cap_s=2.0, kill_timeout_s=3.0)
INSTANCES = st.integers(0, 4)
JITTER = st.floats(0, 1)


class AnyHistory(RuleBasedStateMachine):
    """A keeper whose processes are imagined: they start, exit and get requests at random."""

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
        if not isinstance(event, e.EachSlot) and apps.refusal_reason(self.app, event):
            return
        before = {slot.instance: slot for slot in self.app.slots}
        self.app, actions = apps.decide(self.app, event, self.spec)
        for slot in self.app.slots:
            self.compare(before.get(slot.instance), slot, event)
        for action in actions:
            assert not isinstance(action, LogError), action
            if isinstance(action, Spawn):
                self.spawn(action.instance, replacement=action.replacement)
            elif isinstance(action, Signal | Drain):
                self.check_heard(action)
            elif isinstance(action, RemoveInstance):
                assert not self.alive.get(action.instance)
            elif isinstance(action, ShutDown):
                assert not any(self.alive.values())
                self.left = True

    def check_heard(self, action: Signal | Drain) -> None:
        """Whoever gets a signal is running, and was not stopped already."""
        slot = apps.find_slot(self.app, action.instance)
        assert slot is not None
        pid = action.pid or (slot.worker.pid if slot.worker else None)
        assert pid in self.alive[action.instance]

    def spawn(self, instance: int, *, replacement: bool) -> None:
        slot = apps.find_slot(self.app, instance)
        assert slot is not None
        assert slot.desired is DesiredState.RUNNING, "what must stop is not started"
        others = self.alive.setdefault(instance, [])
        leaving = slot.replacement is not None and slot.replacement.role is not Role.INCOMING
        assert len(others) == (1 if replacement or leaving else 0), "more workers than may be"
        if replacement:
            assert slot.listens, "two can serve only where a port is shared"
        assert self.app.ending is None
        self.pid += 1
        others.append(self.pid)
        worker = Worker(self.pid, self.pid, self.now())
        self.feed(e.EachSlot((instance,), e.Spawned(self.now(), worker)))

    def compare(self, old: Slot | None, new: Slot, event: e.AppEvent) -> None:
        if old is None:
            return
        reset = isinstance(event, e.EachSlot) and isinstance(event.event, e.ResetRequested)
        if not reset:
            assert new.restarts >= old.restarts
        if new.status is Status.BACKOFF and old.status is not Status.BACKOFF:
            assert new.deadline is not None
            wait = new.deadline - self.mono
            assert POLICY.backoff_first_s - 1e-6 <= wait <= POLICY.backoff_cap_s + 1e-6
        if new.status is Status.ERRORED and old.status is not Status.ERRORED:
            assert len(new.failed_start_times) >= POLICY.max_restarts
            assert new.failed_start_times[0] > self.mono - POLICY.restart_window_s

    @rule(size=st.integers(0, 5))
    def scale(self, size: int) -> None:
        new = apps.new_slot_count(self.app, size)
        self.feed(
            e.ScaleRequested(self.now(), size, tuple(range(self.next_id, self.next_id + new)))
        )
        self.next_id += new

    @rule(
        instance=INSTANCES,
        kind=st.sampled_from(
            [e.StartRequested, e.StopRequested, e.RestartRequested, e.ResetRequested]
        ),
    )
    @precondition(lambda self: self.app.ending is None)
    def ask(self, instance: int, kind: type) -> None:
        if not apps.unknown_instances(self.app, (instance,)):
            self.feed(e.EachSlot((instance,), kind(self.now())))

    @rule(parallel=st.integers(1, 4), itself=st.sets(INSTANCES))
    def reload(self, parallel: int, itself: set[int]) -> None:
        kept = apps.kept_instances(self.app)
        in_place = tuple(n for n in kept if n in itself)
        self.feed(e.ReloadRequested(self.now(), kept, parallel, in_place=in_place))

    @rule(instance=INSTANCES, failure=st.sampled_from([None, "exit code 1"]))
    def reload_itself(self, instance: int, failure: str | None) -> None:
        if apps.find_slot(self.app, instance):
            self.feed(e.EachSlot((instance,), e.ReloadedInPlace(self.now(), failure)))

    @rule()
    def cancel(self) -> None:
        done = self.app.rollout.done if self.app.rollout else ()
        event = e.CancelRequested(self.now(), "somebody")
        refused = apps.refusal_reason(self.app, event)
        self.feed(event)
        if not refused:
            assert self.app.rollout is not None
            assert self.app.rollout.failed
            assert self.app.rollout.done == done
            assert not rollouts.incoming_instances(self.app), "nobody is on the way to take over"

    @rule(instance=INSTANCES, code=st.sampled_from([0, 1]), jitter=JITTER, which=st.booleans())
    def die(self, instance: int, code: int, jitter: float, which: bool) -> None:
        if alive := self.alive.get(instance):
            pid = alive.pop(0 if which else -1)
            self.feed(e.EachSlot((instance,), e.Exited(self.now(), code, None, 0, jitter, pid)))

    @rule(instance=INSTANCES, which=st.booleans())
    def hand_over(self, instance: int, which: bool) -> None:
        if alive := self.alive.get(instance):
            old = alive.pop(0 if which else -1)
            self.pid += 1
            alive.append(self.pid)
            worker = Worker(self.pid, self.pid, self.now())
            self.feed(e.EachSlot((instance,), e.TookOver(self.now(), worker, old)))

    @rule(instance=INSTANCES, which=st.booleans())
    def listen(self, instance: int, which: bool) -> None:
        if alive := self.alive.get(instance):
            pid = alive[0 if which else -1]
            self.feed(e.EachSlot((instance,), e.StartedListening(self.now(), pid)))

    @rule(instance=INSTANCES)
    def finish(self, instance: int) -> None:
        slot = apps.find_slot(self.app, instance)
        if (
            slot
            and slot.replacement
            and slot.replacement.worker
            and slot.replacement.role is Role.DRAINING
        ):
            self.feed(e.EachSlot((instance,), e.Drained(self.now(), slot.replacement.worker.pid)))

    @rule(seconds=st.sampled_from([0.05, 0.5, 1.0, 4.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.mono += seconds
        self.feed(
            e.EachSlot(apps.overdue_instances(self.app, self.mono), e.DeadlinePassed(self.now()))
        )

    @rule(forget=st.booleans(), sure=st.integers(0, 9))
    def end(self, forget: bool, sure: int) -> None:
        if sure == 0:
            event = e.DeleteRequested if forget else e.ShutdownRequested
            self.feed(event(self.now()))

    @invariant()
    def slots_and_processes_agree(self) -> None:
        """A slot has a worker exactly when a process of it is alive."""
        for slot in self.app.slots:
            both = (slot.worker, slot.replacement.worker if slot.replacement else None)
            pids = [worker.pid for worker in both if worker]
            assert sorted(pids) == sorted(self.alive.get(slot.instance, []))
            assert (slot.worker is None) == (slot.status in RESTING)
            if slot.replacement is not None and slot.replacement.role is Role.INCOMING:
                assert slot.status is Status.ONLINE, "incoming only beside one that serves"
            if slot.in_place is not None:
                assert slot.status is Status.ONLINE, "only a worker that serves reloads itself"
                assert slot.replacement is None
        assert {n for n, pids in self.alive.items() if pids} <= {s.instance for s in self.app.slots}

    @invariant()
    def whoever_waits_wakes(self) -> None:
        """Nothing that is between two states waits without a deadline."""
        for slot in self.app.slots:
            if slot.status not in (Status.ONLINE, Status.STOPPED, Status.ERRORED):
                assert slot.deadline is not None
            assert slot.replacement is None or slot.replacement.deadline is not None

    @invariant()
    def no_more_than_asked_for_at_a_time(self) -> None:
        """A reload works at so many instances at most, and only at those it says."""
        incoming = [
            s for s in self.app.slots if s.replacement and s.replacement.role is Role.INCOMING
        ]
        drained = [s for s in self.app.slots if s.status is Status.DRAINING]
        incoming += [s for s in self.app.slots if s.in_place]
        rollout = self.app.rollout
        if self.app.ending is not None or rollout is None:
            assert not incoming
            return
        assert len(rollout.current) <= rollout.parallel
        busy = {s.instance for s in (*incoming, *drained)}
        assert busy <= {*rollout.current, *(n for n, _ in rollout.failures)}
        places = (
            *rollout.waiting,
            *rollout.current,
            *rollout.done,
            *(n for n, _ in rollout.failures),
        )
        assert len(places) == len(set(places)), "each instance is in one place"


AnyHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyHistory = AnyHistory.TestCase
