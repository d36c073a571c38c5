"""The keeper: carries out what `supervise` decides, and feeds it what happens."""

import os
import signal
import time
from collections.abc import Callable

from monit_agent import __version__
from monit_agent.keeper.agent.process import AgentCalls, AgentProcess
from monit_agent.keeper.clock import WallClock, now
from monit_agent.keeper.control import Control
from monit_agent.keeper.in_place import InPlaceReloads
from monit_agent.keeper.journal import note
from monit_agent.keeper.logs.logs import Logs
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.ports.held_socket import uses_reuseport
from monit_agent.keeper.ports.port_conflict import port_conflict
from monit_agent.keeper.ports.ports import BOUND, LISTENS, READY, PortCallbacks, Ports
from monit_agent.keeper.reports import event_of_report
from monit_agent.keeper.runner import Runner
from monit_agent.keeper.spawn_budget import SpawnBudget
from monit_agent.keeper.state import ids, statefile
from monit_agent.keeper.state.claim import Claim
from monit_agent.keeper.state.folder import FolderParts, FolderWatch
from monit_agent.keeper.state.kept_environment import KeptEnvironment
from monit_agent.keeper.state.saving import Saving
from monit_agent.keeper.upgrade.inherited import NOTHING_INHERITED, Inherited
from monit_agent.keeper.workers import environment, probe_env
from monit_agent.keeper.workers.app_environment import AppEnvironment
from monit_agent.keeper.workers.notify import Notify
from monit_agent.keeper.workers.orders import SpawnOrders
from monit_agent.keeper.workers.reload_command import ReloadResult
from monit_agent.keeper.workers.spawn import is_permanent
from monit_agent.keeper.workers.start_watch import (
    ACCEPTS,
    ACCEPTS_SHARED,
    StartWatch,
    StartWatchCallbacks,
)
from monit_agent.keeper.workers.succession import (
    SeenSockets,
    find_successor,
    listening_sockets,
)
from monit_agent.keeper.workers.worker_user import WorkerUser
from monit_agent.keeper.workers.workers import WorkerCalls, WorkerExit, Workers
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.appstate import App
from monit_agent.supervise.event_log import EventLog
from monit_agent.supervise.spec import AppSpec, has_port, has_ready_check, port_of
from monit_agent.supervise.state import Status, Worker, is_incoming
from monit_agent.supervise.supervisor import Effects, Save, Supervisor
from monit_agent.system.memory.shortage import is_shortage
from monit_agent.typed import Any
from monit_agent.wire.limits import EVENTS_KEPT
from monit_agent.wire.paths import AppPaths, next_id_file

GOODBYE_S = 1.0
"""How long an agent has to notify its clients that the app was deleted."""

LAST_BYTES = 4096
"""Node's message about a file that it cannot load has about 900 bytes."""


class Keeper(Effects):
    """The keeper of one app, from taking its lock to its exit."""

    def __init__(
        self,
        claim: Claim,
        paths: AppPaths,
        spec: AppSpec,
        variables: tuple[environment.Env, environment.Env],
        *,
        boot: str,
        subreaper: bool,
        inherited: Inherited = NOTHING_INHERITED,
    ) -> None:
        """``variables`` are those that are inherited and those that were named."""
        self.paths = paths
        self.claim = claim
        self.variables = AppEnvironment(*variables, self._record_app_event)
        self.kept_environment = KeptEnvironment(paths.folder)
        events = EventLog(EVENTS_KEPT)
        self.supervisor = Supervisor(spec, self, events, pid=os.getpid(), version=__version__)
        self.loop = Loop()
        self._budget = SpawnBudget(self.loop, self.supervisor)
        self.boot, self.node_probe = boot, True
        self._shutting_down = self.delete_files = False
        self.wall_clock = WallClock(inherited)
        self._problems: tuple[str, ...] = ()
        self.runner: Runner | None = None
        self.other_state: dict[str, Any] = {}
        """Keys of another version in ``state.json``."""
        self.other_child_exited: Callable[[int, int], None] = lambda _pid, _status: None
        places = paths.keeper, claim.socket
        self.control = Control(self.loop, *places, self._look_after_folder, inherited)
        self.logs = Logs(self.loop, paths, spec.log, self.control.broadcast, self.record_event)
        marks = environment.identifying_variables(paths)
        self.workers = Workers(self.loop, self._worker_calls(), marks, subreaper=subreaper)
        self.saving = Saving(self.loop, paths.state, self.saved_state, self._record_app_event)
        calls = AgentCalls(self.control, self._record_app_event, self.supervisor)
        self.agent = AgentProcess(self.loop, paths, calls, self.workers.trees.excluded)
        self.control.follower_gone = self.agent.agent_disconnected
        self.ports = Ports(self.loop, paths, self._port_callbacks(), inherited)
        self._start_watch = StartWatch(self.loop, self._start_calls())
        reports = self._worker_ready, self._main_announced
        self.notify = Notify(self.loop, paths.notify, *reports, inherited)
        self.seen = SeenSockets(self.loop)
        sockets = self.control.file, self.notify.file, self.ports.share.file
        self.worker_user = WorkerUser(self.loop, paths, sockets[1:], self.workers, inherited)
        self.orders = SpawnOrders(self.variables, self.worker_user, self.logs)
        self.reloads = InPlaceReloads(self.workers, self.orders, self._reloaded, self.record_event)
        keeps = self.saving.save, self._keep_environment, self.agent.looks_after_folder
        parts = FolderParts(claim, sockets, *keeps)
        self.folder = FolderWatch(self.loop, paths, parts, self._record_app_event)
        self.loop.on_signal(signal.SIGTERM, self._terminated)
        self.loop.at_round_end(self._round_finished)

    # ------------------------------------------------------------ the app

    @property
    def app(self) -> App:
        """The state of the app."""
        return self.supervisor.app

    @property
    def spec(self) -> AppSpec:
        """What the app runs."""
        return self.supervisor.spec

    def feed(self, event: e.AppEvent) -> None:
        """Let ``event`` be decided, and carry out everything that follows from it."""
        self.supervisor.feed(event)

    def adopt_app(self, app: App) -> None:
        """Begin with the slots of an earlier keeper; they are saved at once."""
        self.supervisor.app = app
        self.saving.mark_changed()
        self.loop.set_alarm("slots", apps.next_deadline(app), self._deadline_passed)

    def record_event(
        self, kind: str, instance: int | None, text: str, by: str | None = None
    ) -> None:
        """Add an entry to the event log and publish it."""
        self.supervisor.record_event(kind, instance, text, by)

    def watch_sockets(self, instance: int, pid: int) -> None:
        """Look from time to time what a worker listens on, if the app does not declare that."""
        if port_of(self.spec, instance) is None and not self.spec.listen:
            self.seen.watch(pid)

    def mark_changed(self) -> None:
        """Save soon: what the next keeper needs has changed."""
        self.saving.mark_changed()

    def snapshot(self) -> dict[str, Any]:
        """Return everything that a client needs when it connects."""
        return {**self.supervisor.snapshot(), "logs": self.logs.ends()}

    def allocate_ids(self, count: int) -> tuple[int, ...]:
        """Return ids for ``count`` new slots; raise OSError when that fails."""
        home = os.path.dirname(os.path.dirname(self.paths.folder))
        return ids.allocate(next_id_file(home), count)

    def run(self) -> None:
        """Supervise the app until it is deleted or the keeper is terminated."""
        self.loop.run()
        self.control.close()
        self.ports.close()
        if not self.delete_files:
            self._write_final_state()

    # ------------------------------------------------------------ effects of decisions

    def spawn(self, instance: int) -> e.AppEvent:
        """Start a worker process with its pipes, ports and environment."""
        self._budget.spend()
        return e.EachSlot((instance,), self._spawn(instance))

    def may_spawn(self) -> bool:
        """Return whether another worker may start in this round."""
        return self._budget.is_left

    def _spawn(self, instance: int) -> e.Spawned | e.SpawnFailed:
        beside = self.workers.is_running(instance)
        refusal = self.orders.refusal(self.spec, beside=beside, changed=self.supervisor.publish_app)
        if refusal is not None:
            return refusal
        setup = None
        try:
            self.logs.begin_worker(instance, shared=beside)
            setup = self.ports.prepare_worker(
                self.spec, instance, alone=apps.instance_count(self.app) == 1
            )
            self.kept_environment.write(self.variables)
            order = self.orders.worker(self.spec, instance, setup, node_probe=self.node_probe)
            worker = self.workers.start(instance, order)
        except OSError as error:
            if setup is not None:
                self.ports.start_failed(setup)
            text = f"cannot start a process: {error.strerror}"
            permanent, shortage = is_permanent(error.errno), is_shortage(error.errno)
            return e.SpawnFailed(now(), text, permanent, _chance(), shortage=shortage)
        self.ports.worker_started(worker.pid, setup)
        self.watch_start(instance, worker.pid)
        self.watch_sockets(instance, worker.pid)
        worker = worker._replace(settings=self.orders.settings_checksum(self.spec))
        return e.Spawned(now(), worker)

    def watch_start(self, instance: int, pid: int) -> None:
        """Wait until a worker that starts accepts connections or, without a port, has settled."""
        slot = apps.find_slot(self.app, instance)
        other = slot.replacement if slot else None
        incoming = other is not None and (other.worker is None or other.worker.pid == pid)
        timeout_s = self.spec.policy.listen_timeout_s
        if incoming and other is not None and other.portless:
            self._start_watch.await_settled(pid, timeout_s)
        elif has_port(self.spec) or self.ports.is_used_by(pid):
            self._start_watch.await_accept(pid, port_of(self.spec, instance), timeout_s)

    def signal(self, pid: int, number: int) -> None:
        """Send a worker its stop signal, or kill it."""
        if number == signal.SIGKILL:
            self.workers.kill(pid)
        else:
            self.workers.stop(pid, number)

    def drain(self, pid: int) -> None:
        """Let a worker accept no new connections, and wait for those it has."""
        self.ports.drain(pid, self.spec.policy.kill_timeout_s)

    def reload_in_place(self, instance: int, pid: int) -> e.AppEvent | None:
        """Let a worker reload itself; the next keeper must find its command."""
        self.saving.mark_changed(Save.EARLY)
        return self.reloads.begin(self.spec, instance, pid)

    def end_reload(self, instance: int) -> None:
        """Kill the reload command of an instance."""
        self.reloads.end(instance)

    def log_error(self, text: str) -> None:
        """Write to ``keeper.log``."""
        note(text)

    def remove_instance(self, instance: int) -> None:
        """Close the pipes of an instance that was scaled away."""
        self.logs.close_instance(instance)

    def shut_down(self, *, delete: bool) -> None:
        """Shut down: no worker is left."""
        self._shut_down(delete=delete)

    def broadcast(self, update: dict[str, Any]) -> None:
        """Send an update to the clients that follow."""
        self.control.broadcast(update)

    def before_publish(self) -> None:
        """Release ports first: who learns that all have stopped finds the port free."""
        self.ports.close_unused(self.app)

    def after_publish(self, save: Save) -> None:
        """Save, and set the alarm for the next deadline."""
        self.saving.mark_changed(save)
        self.loop.set_alarm("slots", apps.next_deadline(self.app), self._deadline_passed)

    def environment(self) -> dict[str, Any]:
        """Return the names of the variables that workers get."""
        return self.variables.record(self.spec)

    def problems(self) -> tuple[str, ...]:
        """Return what cannot be done at present, and why."""
        found = (
            self.loop.memory.problem,
            self.folder.problem,
            self.saving.problem,
            self.logs.problem(),
            next((slot.reason for slot in self.app.slots if slot.no_room), None),
            self.variables.missing(self.spec),
            self.variables.lost_text(self.spec.name),
        )
        return tuple(text for text in found if text is not None)

    def wall(self) -> float:
        """Return the wall time."""
        return time.time()

    # ------------------------------------------------------------ what workers do

    def _worker_exited(self, ended: WorkerExit) -> None:
        self.ports.worker_exited(ended.pid)
        self._start_watch.worker_exited(ended.pid)
        self.seen.forget(ended.pid)
        self.logs.move_rest(ended.instance)  # the last lines first, then the exit
        self.logs.publish(at_once=True)
        moment, chance = now(), _chance()
        event: e.SlotEvent
        if ended.exec_error is not None:
            why = ended.exec_error
            event = e.SpawnFailed(
                moment, why.text, why.permanent, chance, ended.pid, shortage=why.shortage
            )
        else:
            again = self._is_fault_of_node_probe(ended)
            left = ended.left, chance, ended.pid, ended.running
            why = "" if again else self._port_conflict(ended)
            event = e.Exited(moment, ended.code, ended.signal, *left, again=again, why=why)
        self.feed(e.EachSlot((ended.instance,), event))

    def _port_conflict(self, ended: WorkerExit) -> str:
        """Return that a worker found a port in use, and what can be done; "" if it did not."""
        several = apps.instance_count(self.app) > 1 and self.spec.increment is None
        slot = apps.find_slot(self.app, ended.instance)
        beside = is_incoming(slot, ended.pid)
        if not beside and not (several and ended.code):
            return ""
        printed = self.logs.last_bytes_of_worker(ended.instance, LAST_BYTES)
        port = port_of(self.spec, ended.instance)
        starting = beside or (slot is not None and slot.status is Status.STARTING)
        return port_conflict(printed, port, starting=starting, beside=beside)

    def _is_fault_of_node_probe(self, ended: WorkerExit) -> bool:
        """Return whether the worker exited because Node could not load the probe, as in a sandbox
        that its command does not show. Then the app's workers start without it from now on."""
        if not self.node_probe or not ended.code:
            return False
        printed = self.logs.last_bytes_of_worker(ended.instance, LAST_BYTES)
        if not any(map(probe_env.failed_to_load, printed)):
            return False
        self.node_probe = False
        text = "Node could not load the probe, so the app starts without it"
        self.record_event("probe_off", ended.instance, text)
        return True

    def _looked_up(self) -> None:
        """Start at once what waited for an answer."""
        self.worker_user.resume_if_unanswered(self.spec)
        self.supervisor.retry_starts(time.monotonic())

    def _child_exited(self, pid: int, status: int) -> None:
        self.agent.child_exited(pid, status)
        self.reloads.child_exited(pid, status)
        self.other_child_exited(pid, status)

    def _read_notices(self) -> None:
        self.notify.read()

    def _main_announced(self, sender: int, main: int) -> None:
        found, named = self.workers.worker_of(sender), self.workers.worker_of(main)
        if named is not None and found in (named, None):  # None: the sender has exited already
            self.workers.announced(named[1], main)

    def _successor(self, instance: int, pid: int, left: list[int], code: int | None) -> int | None:
        slot = apps.find_slot(self.app, instance)
        if not left or slot is None or slot.status is not Status.ONLINE:
            return None
        if slot.worker is None or slot.worker.pid != pid:
            return None
        shared = {listener.inode for listener in self.ports.listeners.all()}
        port = port_of(self.spec, instance)
        sockets = listening_sockets(left, port, shared, self.seen.of(pid))
        return find_successor(left, sockets, code)

    def _worker_took_over(self, instance: int, old: int, worker: Worker) -> None:
        self.ports.worker_replaced(old, worker.pid)
        self._start_watch.worker_replaced(old, worker.pid)
        self.seen.forget(old)
        self.watch_sockets(instance, worker.pid)
        self.feed(e.EachSlot((instance,), e.TookOver(now(), worker, old)))
        self.saving.save()  # the next keeper must not miss it: it would start another worker

    def _record_app_event(self, kind: str, text: str) -> None:
        self.record_event(kind, None, text)

    def _start_calls(self) -> StartWatchCallbacks:
        return StartWatchCallbacks(
            self._worker_reported, self._worker_not_ready, self.ports.listeners
        )

    def _reloaded(self, instance: int, result: ReloadResult) -> None:
        self.feed(e.EachSlot((instance,), e.ReloadedInPlace(now(), *result)))

    def _worker_calls(self) -> WorkerCalls:
        return WorkerCalls(
            self._worker_exited,
            self._child_exited,
            self._read_notices,
            self._successor,
            self._worker_took_over,
            lambda: self.spec.policy.kill_mode,
            self.mark_changed,
            self._looked_up,
        )

    def _keep_environment(self) -> bool:
        """Write again what somebody removed of the environment; return whether that was `env`."""
        return self.kept_environment.write_again(self.variables, self.paths.env)

    def _look_after_folder(self) -> None:
        self.folder.look()

    def _port_callbacks(self) -> PortCallbacks:
        calls = self._worker_reported, self.mark_changed, self.record_event, self.workers.worker_of
        return PortCallbacks(*calls, self._sockets_changed, lambda: self.worker_user)

    def _sockets_changed(self, count: int) -> None:
        """Notify the agent, which holds the sockets for the next keeper. That knows them only from
        the state, so they are saved first."""
        if count:
            self.saving.save()
        self.control.broadcast({"type": "sockets_changed", "count": count})

    def _worker_ready(self, pid: int) -> None:
        self._worker_reported(pid, READY)

    def _worker_reported(self, pid: int, what: str) -> None:
        found = self.workers.worker_of(pid)
        if found is None:
            return
        instance, worker = found
        if what == BOUND:
            port, timeout_s = port_of(self.spec, instance), self.spec.policy.listen_timeout_s
            self._start_watch.await_accept(worker, port, timeout_s)
        elif what in (LISTENS, ACCEPTS_SHARED):
            self._start_watch.worker_exited(worker)
            self.ports.listeners.listen_again()
        event = event_of_report(what, worker)
        if what == ACCEPTS:
            reuses = uses_reuseport(worker, port_of(self.spec, instance))
            event = e.StartedListening(now(), worker, shared=reuses, own=True)
        self.feed(e.EachSlot((instance,), event))

    def _worker_not_ready(self, pid: int, reason: str) -> None:
        found = self.workers.worker_of(pid)
        if found is not None and not has_ready_check(self.spec):
            self.feed(e.EachSlot((found[0],), e.ReadinessFailed(now(), reason, found[1])))

    def _deadline_passed(self) -> None:
        moment = now()
        self.feed(
            e.EachSlot(apps.overdue_instances(self.app, moment.mono), e.DeadlinePassed(moment))
        )
        self.loop.set_alarm("slots", apps.next_deadline(self.app), self._deadline_passed)

    def _terminated(self) -> None:
        note("got SIGTERM: stopping the workers")
        if self.app.ending is None:
            self.feed(e.ShutdownRequested(now()))

    # ------------------------------------------------------------ saving and shutting down

    def saved_state(self) -> statefile.Saved:
        """Return what the next keeper needs."""
        return statefile.Saved(
            self.supervisor.saved_spec,
            self.app,
            self.boot,
            left=False,
            ports=self.ports.saved(),
            trees=self.workers.saved(),
            inherited=self.variables.inherited_names(),
            runner=self.runner,
            other=self.other_state,
            reload_commands=self.reloads.saved(),
        )

    def _write_final_state(self) -> None:
        try:
            statefile.write(self.paths.state, self.saved_state()._replace(left=True))
        except OSError as error:
            note(f"cannot write {self.paths.state}: {error.strerror}")

    def _round_finished(self) -> None:
        delta_s = self.wall_clock.change_s()
        if delta_s:
            self.supervisor.clock_changed(delta_s)
        self.logs.configure(self.spec.log)
        self.logs.round_finished()
        self.ports.round_finished(self.app)
        self.saving.round_finished()
        problems = self.problems()
        if problems != self._problems:
            self._problems = problems
            self.supervisor.publish_app()

    def _shut_down(self, *, delete: bool) -> None:
        if self._shutting_down:
            return
        self._shutting_down = True
        self.folder.stop()
        self.saving.stop()
        self.delete_files = delete
        if delete:
            self.control.broadcast({"type": "app_deleted"})
        self.agent.stop(GOODBYE_S if delete else 0.0, self.loop.stop)


def _chance() -> float:
    return int.from_bytes(os.urandom(4), "little") / 2**32
