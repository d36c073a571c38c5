"""The agent of one app: this file only connects its parts.

Killing it costs the app nothing: it holds no pipe, no listener and no child but a keeper that it
may have had to start, and all that it knows it can read again.

Agents of a home share a process (``agent/shared_process.py``). So nothing here is the process's:
not the environment, the limit of descriptors, the log, or the event loop.
"""

import contextlib
import os
import time
from collections.abc import Callable

from monit_agent.agent.agent_loop import AgentLoop
from monit_agent.agent.agent_order import AgentOrder
from monit_agent.agent.alerts.hooks import HookSender
from monit_agent.agent.alerts.requests import AlertRequests
from monit_agent.agent.alerts.watch import AlertOutput, AlertWatch
from monit_agent.agent.awake_clock import AwakeClock
from monit_agent.agent.crashes.collector import CrashCollector, CrashSources
from monit_agent.agent.crashes.store import CrashStore
from monit_agent.agent.event_loop import RepeatedCall
from monit_agent.agent.health.checks import CheckScheduler
from monit_agent.agent.health.keeper_requests import KeeperRequests, ignore_answer
from monit_agent.agent.health.stuck_loops import StuckWatch
from monit_agent.agent.history.answers import past_seconds
from monit_agent.agent.history.store import HistoryStore
from monit_agent.agent.journal import log
from monit_agent.agent.keeper.folder_changes import FolderChanges, knock
from monit_agent.agent.keeper.link import KeeperLink, stopped_text
from monit_agent.agent.keeper.messages import KeeperSnapshot, LogChanged
from monit_agent.agent.keeper.state import AppState
from monit_agent.agent.lock import AgentLock
from monit_agent.agent.logs.compressor import Compressor
from monit_agent.agent.logs.follower import LogFollower
from monit_agent.agent.logs.places import stream_reader
from monit_agent.agent.logs.reader import StreamReader
from monit_agent.agent.logs.search_process import SearchProcess
from monit_agent.agent.probes.receiver import Probes
from monit_agent.agent.profiles.requests import ProfileRequests, ProfileSources
from monit_agent.agent.restarts.automatic_restarts import AutomaticRestarts
from monit_agent.agent.sampling.proctree import TreeReader, make_reader
from monit_agent.agent.sampling.recent import RecentSamples
from monit_agent.agent.sampling.ring import MetricColumns
from monit_agent.agent.sampling.sample import Inside
from monit_agent.agent.sampling.whole_app import WholeApp
from monit_agent.agent.serve.handlers import AgentIdentity, RequestHandlers
from monit_agent.agent.serve.publish import Publisher
from monit_agent.agent.serve.router import RequestServer
from monit_agent.agent.serve.sockets import Sockets
from monit_agent.agent.totals.totals import AppTotals
from monit_agent.wire.limits import BEAT_S
from monit_agent.wire.messages import (
    EventAdded,
    InstanceChanged,
    InstanceRecord,
    InstanceRemoved,
    LogEnd,
    Sample,
    Stream,
    Update,
)
from monit_agent.wire.paths import AppPaths, home_of

BIND_ANYWAY_S = 2.0
"""Without a keeper the sockets are bound this late: until then a client would only be refused, and
one that finds no socket yet tries again."""

KEEPER_LOOK_S = 3.0
"""How often it looks whether the keeper is stopped. A look each second would be a twentieth of what
an idle agent does."""

CANCEL_S = 1.0
"""How long checks may take to kill their commands at the end."""

LINGER_S = 0.5
"""How long the last messages may take to reach subscribers."""


class Agent:
    """One app's agent. It calls ``leaves()`` once, when the app was deleted, its folder vanished or
    the keeper wants another agent; `close` is to be called then.

    Create it in a context of its own, with its journal.
    """

    def __init__(
        self, loop: AgentLoop, order: AgentOrder, lock: AgentLock, leaves: Callable[[], None]
    ) -> None:
        paths = self._paths = AppPaths(order.folder)
        self._lock = lock
        self._folder = FolderChanges(order.folder)
        self._loop = loop
        self._leaves = leaves
        self._is_leaving = False
        self._surroundings = order.surroundings
        self._known: AppState | None = None
        identity = AgentIdentity(time.time_ns(), os.getpid())
        self._sockets = Sockets(self._loop, paths)
        self._publisher = Publisher(self._loop, self._sockets.pub, paths.name, identity.epoch)
        self._follower = LogFollower(self._loop, paths, self._publisher, self._log_reader)
        self._compressor = self._new_compressor()
        self._awake = AwakeClock()
        self._totals = self._new_totals()
        self._probes = Probes(
            self._loop, paths, self._instances, self._awake, self._totals.report_received
        )
        self._whole = WholeApp()
        self._store = HistoryStore(paths.history, paths.history_file)
        self._search = SearchProcess(self._loop)
        reader = make_reader()
        self._recent = self._new_recent(reader)
        self._link = KeeperLink(self._loop, paths, self, self._surroundings)
        self._restarts = AutomaticRestarts(
            self._loop,
            self._link.request,
            lambda: self._known,
            reader,
            home=home_of(paths.folder),
            publish=self._publish,
        )
        requests = KeeperRequests(
            self._awake, self._link.request, self._restarts.restart, lambda: self._known
        )
        self._alerts = self._new_alerts()
        checked = requests._replace(replace=self._replace_unhealthy)
        self._checks = CheckScheduler(self._loop, checked, self._surroundings)
        self._stuck_watch = StuckWatch(requests, self._probes.stuck, self._probes.blocked_at)
        self._crash_store = CrashStore(paths.crashes)
        self._crashes = self._new_crash_collector()
        self._server = self._new_server(identity)
        self._loop.call_later(BIND_ANYWAY_S, self._sockets.bind)
        RepeatedCall(self._loop, BEAT_S, self._beat)
        RepeatedCall(self._loop, KEEPER_LOOK_S, self._look_at_keeper)
        self._link_task = self._loop.create_task(self._link.run())

    async def close(self) -> None:
        """Serve no more. The connection to the keeper ends last: then all is released."""
        with contextlib.ExitStack() as parts:
            parts.callback(self._link.close)
            parts.callback(self._lock.release)
            parts.callback(self._alerts.disk.release)
            for part in (self._store, self._probes.sockets, self._sockets, self._compressor):
                parts.callback(part.close)
            parts.callback(self._loop.close)
            for part in (self._search, self._restarts):
                parts.callback(part.close)
            await self._loop.cancel_tasks(CANCEL_S)
            await self._sockets.flush(LINGER_S)

    # ------------------------------------------------------------ what comes from the keeper

    def keeper_connected(self, snapshot: KeeperSnapshot) -> None:
        """Take over what the keeper knows; the first time, start to serve clients."""
        if self._known is None:
            self._known = AppState(snapshot)
            self._store.add_events(self._known.events)
            self._stuck_watch.restore(self._known)
            self._alerts.restore(self._known)
            self._hooks.restore(self._known)
        else:
            self._publish(self._known.replace(snapshot))
        for record in self._known.instances.values():
            self._totals.slot_changed(record)
            self._recent.changed(record)
        for end in self._known.logs.values():
            self._stream_changed(end)
        self._sockets.bind()
        self._app_changed()

    def keeper_update(self, update: Update | LogChanged) -> None:
        """Fold an update and pass it on."""
        if self._known is None:
            return
        self._publish(self._known.fold(update))
        if isinstance(update, LogChanged):
            self._stream_changed(update.log)

    def keeper_lost(self) -> None:
        """Publish that the keeper is gone."""
        if self._known is not None:
            self._publish(self._known.lose_keeper())

    def keeper_not_started(self, why: str | None) -> None:
        """Publish why the app has no keeper."""
        if self._known is not None:
            text = (
                None if why is None else f"its keeper is gone, and a new one does not start: {why}"
            )
            self._publish(self._known.set_keeper_problem(text))

    def app_deleted(self) -> None:
        """Leave; what was published last still goes out."""
        self._leave("the app was deleted; exiting")

    def dismissed(self) -> None:
        """Leave the app to another agent."""
        self._leave("the keeper wants another agent, or none; exiting")

    def move_out(self) -> None:
        """Request that the keeper have another agent in a process of its own."""
        log("this agent works so much that it moves to a process of its own")
        self._link.request("move_agent", ignore_answer)

    def _leave(self, why: str) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            log(why)
            self._leaves()

    def _publish(self, updates: list[Update]) -> None:
        for update in updates:
            self._publisher.publish_event(update)
            if isinstance(update, EventAdded):
                self._store.add_events([update.event])
                self._alerts.event_added(update.event)
                self._hooks.event_added(update.event)
            if isinstance(update, InstanceChanged):
                self._totals.slot_changed(update.instance)
                self._probes.workers.instance_changed(update.instance)
                self._recent.changed(update.instance)
            elif isinstance(update, InstanceRemoved):
                self._recent.remove(update.instance)
                self._totals.remove_instance(update.instance)
                self._probes.remove_instance(update.instance)
                self._follower.remove_instance(update.instance)
                self._compressor.remove_instance(update.instance)
                self._restarts.remove_instance(update.instance)
                self._checks.remove_instance(update.instance)
                self._stuck_watch.remove_instance(update.instance)
                self._alerts.remove_instance(update.instance)
                self._crashes.remove_instance(update.instance)
        self._app_changed()
        self._compressor.settings_changed()

    def _app_changed(self) -> None:
        self._restarts.app_changed()
        self._checks.app_changed()
        self._crashes.app_changed()
        if self._known is not None:
            app = self._known.app
            self._probes.sockets.serve_user(app.worker_user, app.worker_group)

    def _new_recent(self, reader: TreeReader) -> RecentSamples:
        return RecentSamples(
            self._loop,
            reader,
            self._instances,
            inside=self._look_inside,
            sampled=self._publisher.publish_sample,
            ticked=self._sample_made,
            tree_sampled=self._totals.tree_sampled,
        )

    def _new_alerts(self) -> AlertWatch:
        known, record = lambda: self._known, self._record_event
        self._hooks = HookSender(
            self._loop,
            self._paths.notices,
            known,
            lambda kind, text: record(None, kind, text),
            self._surroundings,
        )
        output = AlertOutput(record, self._publish, self._hooks.alert, self._hooks.records)
        return AlertWatch(self._paths, known, output)

    def _new_server(self, identity: AgentIdentity) -> RequestServer:
        handlers = RequestHandlers(
            self._paths,
            identity,
            self._link,
            self._recent,
            self._probes,
            whole=self._whole,
            past=self._store.reader,
            search=self._search,
            crashes=self._crash_store,
            known=lambda: self._known,
            event_seq=lambda: self._publisher.event_seq,
            alerts=self._alerts,
        )
        about_alerts = AlertRequests(self._alerts, self._hooks, self._link.request)
        sources = ProfileSources(
            self._instances, lambda: self._recent.newest, self._probes, self._link
        )
        profiles = ProfileRequests(self._loop, self._paths, sources, self._surroundings)
        table = {
            **handlers.table(), **about_alerts.table(), **self._totals.table(), **profiles.table()
        }  # fmt: skip
        return RequestServer(self._sockets.ctl, table)

    def _new_crash_collector(self) -> CrashCollector:
        def announce(instance: int, text: str) -> None:
            self._record_event(instance, "crashed", text)

        def metrics(instance: int, since: float) -> MetricColumns:
            return past_seconds(self._recent, self._store.reader, instance, since)

        sources = CrashSources(lambda: self._known, self._log_reader, metrics, announce)
        return CrashCollector(self._loop, self._crash_store, sources)

    def _new_totals(self) -> AppTotals:
        return AppTotals(
            self._paths.totals,
            lambda: self._known,
            lambda: self._recent.newest,
            lambda: self._publisher.dropped,
        )

    def _new_compressor(self) -> Compressor:
        return Compressor(
            self._loop,
            lambda instance, stream: self._log_reader(instance, stream).names,
            lambda: self._known is not None and self._known.app.log.compress,
        )

    def _log_reader(self, instance: int, stream: Stream) -> StreamReader:
        record = self._known.app if self._known is not None else None
        return stream_reader(self._paths, record, instance, stream)

    def _stream_changed(self, end: LogEnd) -> None:
        self._totals.log_changed(end)
        self._follower.stream_grew(end)
        self._compressor.stream_changed(end)

    # ------------------------------------------------------------ every second

    def _instances(self) -> dict[int, InstanceRecord]:
        return self._known.instances if self._known else {}

    def _look_inside(self, instance: int, pid: int) -> Inside:
        figures = self._probes.figures(instance, pid)
        self._whole.add(instance, figures)
        return Inside(
            figures,
            self._checks.health(instance, pid),
            self._probes.stuck_s(instance, pid),
        )

    def _sample_made(self, instance: int, sample: Sample, new: Sample) -> None:
        self._store.add_sample(instance, new)
        self._restarts.sample_made(instance, new)
        self._stuck_watch.sample_made(instance, sample)
        self._alerts.sample_made(instance, sample)

    def _replace_unhealthy(
        self, instances: tuple[int, ...], why: str, refused: Callable[[], None]
    ) -> None:
        for instance in instances:
            self._alerts.unhealthy(instance, why)
        self._restarts.restart(instances, why, refused)

    def _record_event(self, instance: int | None, kind: str, text: str) -> None:
        self._link.request("record_event", ignore_answer, instance=instance, kind=kind, text=text)

    def _beat(self) -> None:
        try:
            self._recent.sample_all()
        finally:
            self._every_second()

    def _every_second(self) -> None:
        if not self._look_after_folder():
            return
        self._awake.now()
        self._link.sockets.renew_if_outdated()
        self._publisher.publish_beat()
        self._combine_instances()
        self._store.every_second()
        self._restarts.every_second()
        self._hooks.every_second()
        self._alerts.every_second()
        self._crashes.every_second()
        self._totals.every_second()

    def _look_after_folder(self) -> bool:
        """Make again what is missing in the folder; False while, or because, it is not ours."""
        changed = self._folder.may_have_changed()
        if changed:
            knock(self._paths.folder)
            if not self._lock.is_in_place() and not self._acquire_again():
                self._folder.look_again()
                return False
        self._sockets.rebind_if_gone(folder_changed=changed)
        self._probes.sockets.rebind_if_gone(folder_changed=changed)
        return True

    def _combine_instances(self) -> None:
        running = {number for number, slot in self._instances().items() if slot.pid is not None}
        sample = self._whole.make_sample(time.time(), running)
        if sample is not None:
            self._publisher.publish_app_sample(sample)
            self._store.add_app_sample(sample)

    def _look_at_keeper(self) -> None:
        """Publish whether the keeper is stopped: it answers nothing then, and restarts nothing."""
        pid = self._known.app.keeper_pid if self._known else None
        if self._known is None or pid is None:
            return
        self._publish(self._known.set_keeper_problem(stopped_text(pid)))

    def _acquire_again(self) -> bool:
        """Take the lock in a folder that the keeper made again; False when that cannot be done yet,
        or never."""
        try:
            if self._link.alive and self._lock.acquire_again():
                return True
        except OSError as error:
            log(f"cannot lock {self._paths.agent_lock}: {error.strerror}; trying again")
            return False
        # the folder went with the keeper, or another agent serves the app of this name
        self.app_deleted()
        return False
