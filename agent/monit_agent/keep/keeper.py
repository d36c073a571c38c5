"""The keeper: asks `supervise` what to do, does it, and tells what became of it."""

import os
import signal
import time
from collections import deque

from monit_agent.keep import environment, ids, records, statefile
from monit_agent.keep.agentproc import AgentProcess
from monit_agent.keep.clock import now
from monit_agent.keep.commands import Commands
from monit_agent.keep.control import Control
from monit_agent.keep.happenings import Happenings
from monit_agent.keep.journal import note
from monit_agent.keep.logs import Logs
from monit_agent.keep.loop import Loop
from monit_agent.keep.notify import Notify
from monit_agent.keep.ports import LISTENS, READY, Calls, Outfit, Ports
from monit_agent.keep.saving import Saving
from monit_agent.keep.spawn import Order, is_lasting
from monit_agent.keep.workers import Death, Workers
from monit_agent.supervise import actions as a
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.typed import Any
from monit_agent.wire.places import AppPlaces, next_id_file

BYE_S = 1.0
"""How long an agent has to say goodbye to its clients."""


class Keeper:
    """One app's keeper, between its lock and its end."""

    def __init__(
        self, places: AppPlaces, spec: AppSpec, env: environment.Env, *, boot: str, subreaper: bool
    ) -> None:
        self.places = places
        self.spec = spec
        self.env = env
        self.app = App()
        self.happenings = Happenings()
        self.loop = Loop()
        self.boot = boot
        self._queue: deque[e.AppEvent] = deque()
        self._feeding = False
        self._leaving = False
        self.forget = False
        self.control = Control(self.loop, places.keeper, Commands(self).answer)
        self.logs = Logs(self.loop, places, self.control.broadcast, self.tell)
        self.workers = Workers(self.loop, self._mourn, self._other_died, subreaper=subreaper)
        self._saving = Saving(self.loop, places.state, self._saved, self._tell_all)
        self.agent = AgentProcess(self.loop, places, self._tell_all, self.workers.families.spared)
        calls = Calls(self._worker_said, self.touch, self.tell, self.workers.who)
        self.ports = Ports(self.loop, places, calls)
        self._notify = Notify(self.loop, places.notify, self._heard_ready)
        self.loop.on_signal(signal.SIGTERM, self._told_to_end)
        self.loop.afterwards(self._round_over)

    # ------------------------------------------------------------ what happens

    def feed(self, event: e.AppEvent) -> None:
        """Let ``event`` be decided, and all that follows from it be done."""
        self._queue.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._queue:
                self._step(self._queue.popleft())
        finally:
            self._feeding = False

    def take_over(self, app: App) -> None:
        """Begin with slots that an earlier keeper left; the file is written anew at once."""
        self.app = app
        self._saving.touch()
        self.loop.alarm("slots", apps.next_wake(app), self._time_came)

    def tell(self, kind: str, instance: int | None, text: str, by: str | None = None) -> None:
        """Remember and publish a happening."""
        record = self.happenings.add(time.time(), kind, instance, text, by)
        self.control.broadcast({"event": "happened", "happening": record})

    def touch(self) -> None:
        """What the next keeper must know has changed: write it down soon."""
        self._saving.touch()

    def snapshot(self) -> dict[str, Any]:
        """Give everything that a client wants to know when it comes."""
        return {
            "app": records.app_record(self.app, self.spec),
            "roll": records.roll_record(self.app.roll),
            "instances": [records.instance_record(slot) for slot in self.app.slots],
            "logs": self.logs.ends(),
            "happenings": self.happenings.all(),
        }

    def take_ids(self, count: int) -> tuple[int, ...]:
        """Take ids for ``count`` new slots; OSError when that fails."""
        home = os.path.dirname(os.path.dirname(self.places.folder))
        return ids.take(next_id_file(home), count)

    def run(self) -> None:
        """Keep the app until it is deleted or the keeper told to end."""
        self.loop.run()
        self.control.close()
        self.ports.close()
        if not self.forget:
            self._write_last()

    # ------------------------------------------------------------ deciding and doing

    def _step(self, event: e.AppEvent) -> None:
        before = self.app
        self.app, actions = apps.decide(before, event, self.spec)
        if self.app is not before:
            self.ports.sweep(self.app)  # who hears that all have stopped finds the port free
            self._publish(before)
        answers: list[e.AppEvent] = []
        for action in actions:
            if isinstance(action, a.Spawn):
                answers.append(self._spawn(action.instance))
            else:
                self._do(action)
        self._queue.extendleft(reversed(answers))

    def _do(self, action: a.Action) -> None:
        if isinstance(action, a.Signal):
            pid = action.pid or self._pid(action.instance)
            if pid is not None:
                self.workers.stop(pid, action.signal)
        elif isinstance(action, a.Quiesce):
            self.ports.quiesce(action.pid, self.spec.policy.kill_timeout_s)
        elif isinstance(action, a.Tell):
            self.tell(action.kind, action.instance, action.text)
        elif isinstance(action, a.Complain):
            note(action.text)
        elif isinstance(action, a.Forget):
            self.logs.forget(action.instance)
            self.control.broadcast({"event": "gone", "instance": action.instance})
        elif isinstance(action, a.Leave):
            self._leave(forget=action.forget)

    def _publish(self, before: App) -> None:
        """Tell the difference to those who follow, and see to it that it is written down."""
        old = {slot.instance: slot for slot in before.slots}
        for slot in self.app.slots:
            if slot is not old.get(slot.instance):
                self._saving.touch()
                record = records.instance_record(slot)
                self.control.broadcast({"event": "instance", "instance": record})
        others = [slot.instance for slot in self.app.slots] != list(old)
        if others or self.app.roll != before.roll or apps.size(self.app) != apps.size(before):
            self._saving.touch()
            self.publish_app()
        if others:
            self._saving.save()  # a slot that is nowhere written down must have no worker
        self.loop.alarm("slots", apps.next_wake(self.app), self._time_came)

    def publish_app(self) -> None:
        """Tell the app's record to those who follow."""
        app = records.app_record(self.app, self.spec)
        roll = records.roll_record(self.app.roll)
        self.control.broadcast({"event": "app", "app": app, "roll": roll})

    def _spawn(self, instance: int) -> e.AppEvent:
        outfit = None
        try:
            self.logs.ready(instance)
            outfit = self.ports.fit_out(self.spec, instance)
            worker = self.workers.start(instance, self._order(instance, outfit))
        except OSError as error:
            if outfit is not None:
                self.ports.unborn(outfit)
            text = f"cannot start a process: {error.strerror}"
            return e.Each(
                (instance,), e.SpawnFailed(now(), text, is_lasting(error.errno), _chance())
            )
        self.ports.born(worker.pid, outfit)
        return e.Each((instance,), e.Spawned(now(), worker))

    def _order(self, instance: int, outfit: Outfit) -> Order:
        spec, places = self.spec, self.places
        return Order(
            argv=tuple(part.encode("utf-8", "surrogateescape") for part in spec.argv),
            env=environment.for_worker(self.env, places, spec, instance, outfit.env),
            cwd=spec.cwd,
            umask=spec.umask,
            out=places.fifo(instance, "out"),
            err=places.fifo(instance, "err"),
            flags=os.O_RDWR,
            fds=outfit.fds,
        )

    # ------------------------------------------------------------ news from below

    def _mourn(self, death: Death) -> None:
        self.ports.died(death.pid)
        self.logs.drain(death.instance)  # the last lines first, then the news
        self.logs.publish(at_once=True)
        moment, chance = now(), _chance()
        event: e.SlotEvent
        if death.trouble is not None:
            event = e.SpawnFailed(moment, *death.trouble, chance, death.pid)
        else:
            event = e.Exited(moment, death.code, death.signal, death.left, chance, death.pid)
        self.feed(e.Each((death.instance,), event))

    def _other_died(self, pid: int, status: int) -> None:
        self.agent.died(pid, status)

    def _tell_all(self, kind: str, text: str) -> None:
        self.tell(kind, None, text)

    def _heard_ready(self, pid: int) -> None:
        self._worker_said(pid, READY)

    def _worker_said(self, pid: int, what: str) -> None:
        found = self.workers.who(pid)
        if found is None:
            return
        instance, worker = found
        event: e.SlotEvent
        if what == READY:
            event = e.BecameReady(now(), worker)
        elif what == LISTENS:
            event = e.Listened(now(), worker)
        else:
            event = e.Quiesced(now(), worker)
        self.feed(e.Each((instance,), event))

    def _pid(self, instance: int) -> int | None:
        slot = apps.find(self.app, instance)
        return slot.worker.pid if slot and slot.worker else None

    def _time_came(self) -> None:
        moment = now()
        self.feed(e.Each(apps.due(self.app, moment.mono), e.TimeCame(moment)))
        self.loop.alarm("slots", apps.next_wake(self.app), self._time_came)

    def _told_to_end(self) -> None:
        note("told to end by SIGTERM: stopping the workers")
        if self.app.ending is None:
            self.feed(e.LeaveAsked(now()))

    # ------------------------------------------------------------ saving and leaving

    def _saved(self) -> statefile.Saved:
        return statefile.Saved(self.spec, self.app, self.boot, left=False, ports=self.ports.saved())

    def _write_last(self) -> None:
        try:
            statefile.write(self.places.state, self._saved()._replace(left=True))
        except OSError as error:
            note(f"cannot write {self.places.state}: {error.strerror}")

    def _round_over(self) -> None:
        self.logs.publish()
        self.ports.sweep(self.app)
        self._saving.round_over()

    def _leave(self, *, forget: bool) -> None:
        if self._leaving:
            return
        self._leaving = True
        self._saving.end()
        self.forget = forget
        if forget:
            self.control.broadcast({"event": "bye"})
        self.agent.end(BYE_S if forget else 0.0, self.loop.end)


def _chance() -> float:
    return int.from_bytes(os.urandom(4), "little") / 2**32
