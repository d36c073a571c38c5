"""The agent: the app's voice. This file only ties the parts together.

Killing it costs the app nothing: it holds no pipe, no listener and no child but a keeper it
may have had to start, and all it knows it can read again.
"""

import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from monit_agent.observe.answer import Answerer
from monit_agent.observe.awake import Awake
from monit_agent.observe.checks import Checking
from monit_agent.observe.follow import Follower
from monit_agent.observe.handlers import Handlers, Identity
from monit_agent.observe.history import History
from monit_agent.observe.keeperlink import KeeperLink
from monit_agent.observe.keeperwords import KeeperAnswer, KeeperEvent, KeeperLog, KeeperSnapshot
from monit_agent.observe.known import Known
from monit_agent.observe.lock import AgentLock
from monit_agent.observe.loop import Loop
from monit_agent.observe.probesock import Probes
from monit_agent.observe.proctree import make_reader
from monit_agent.observe.publish import Publisher
from monit_agent.observe.sockets import Sockets
from monit_agent.observe.stuckwatch import StuckWatch, Tools
from monit_agent.observe.triggers import Calendar, MemoryGuard
from monit_agent.observe.trouble import say
from monit_agent.wire.limits import BEAT_S
from monit_agent.wire.messages import (
    Event,
    InstanceChanged,
    InstanceGone,
    InstanceRecord,
    Sample,
)
from monit_agent.wire.places import AppPlaces

if TYPE_CHECKING:
    from monit_agent.observe.watch import FileWatch

BIND_ANYWAY_S = 2.0
"""Without a keeper the sockets are bound this late: until then a client would only be refused,
and a socket that is not there yet it simply tries again."""

GUARD_S = 2.0
RELOAD_AGAIN_S = 5.0
"""Seconds between two looks at whether the folder and the socket files are still there."""

FAREWELL_MS = 500
"""How long the last messages may take to reach subscribers."""


class Agent:
    """One app's agent; `run` serves until the app is deleted or its folder vanishes."""

    def __init__(self, places: AppPlaces, lock: AgentLock) -> None:
        self._places = places
        self._lock = lock
        self._loop = Loop()
        self._known: Known | None = None
        self._memory = MemoryGuard()
        self._calendar = Calendar()
        self._watch: FileWatch | None = None
        identity = Identity(time.time_ns(), os.getpid())
        self._sockets = Sockets(places)
        self._publisher = Publisher(self._sockets.pub, places.name, identity.epoch)
        self._follower = Follower(self._loop, places, self._publisher)
        self._awake = Awake()
        self._probes = Probes(self._loop, places, self._instances, self._awake)
        self._history = History(
            self._loop,
            make_reader(),
            self._instances,
            self._publisher.sample,
            self._ticked,
            inside=lambda instance, sample: self._checking.put_into(
                instance, self._probes.put_into(instance, sample)
            ),
        )
        self._link = KeeperLink(self._loop, places, self)
        tools = Tools(self._awake, self._link.ask, self._restart, lambda: self._known)
        self._checking = Checking(self._loop, tools)
        self._stuck_watch = StuckWatch(tools, self._probes.stuck, self._probes.held_up_in)
        handlers = Handlers(
            places,
            identity,
            self._link,
            self._history,
            self._probes,
            known=lambda: self._known,
            event_seq=lambda: self._publisher.event_seq,
        )
        answerer = Answerer(self._sockets.ctl, handlers.table())
        self._loop.watch(self._sockets.pub, self._publisher.take_subscriptions)
        self._loop.watch(self._sockets.ctl, answerer.serve)
        self._loop.after(BIND_ANYWAY_S, self._sockets.bind)
        self._loop.every(BEAT_S, self._beat)
        self._loop.every(GUARD_S, self._guard)

    def run(self) -> None:
        """Serve; returns when there is no app any more."""
        self._loop.after(0.0, self._link.connect)
        self._loop.run()
        if self._watch:
            self._watch.close(wait_s=2.0)
        self._sockets.close(FAREWELL_MS)

    # ------------------------------------------------------------ what the keeper says

    def keeper_came(self, snapshot: KeeperSnapshot) -> None:
        """Take over what the keeper knows; the first time, begin to speak."""
        if self._known is None:
            self._known = Known(snapshot)
            self._stuck_watch.remember(self._known)
        else:
            self._tell(self._known.replace(snapshot))
        for record in self._known.instances.values():
            self._history.changed(record)
        for end in self._known.logs.values():
            self._follower.reached(end)
        self._sockets.bind()
        self._watch_files()
        self._checking.changed()

    def keeper_said(self, event: KeeperEvent) -> None:
        """Fold an event and pass it on."""
        if self._known is None:
            return
        self._tell(self._known.fold(event))
        if isinstance(event, KeeperLog):
            self._follower.reached(self._known.logs[event.instance, event.stream])

    def keeper_went(self) -> None:
        """Say that the keeper is gone."""
        if self._known is not None:
            self._tell(self._known.lose_keeper())

    def app_ended(self) -> None:
        """Leave; what was published last still goes out."""
        say("the app was deleted; leaving")
        self._loop.stop()

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            self._publisher.event(event)
            if isinstance(event, InstanceChanged):
                self._history.changed(event.instance)
            elif isinstance(event, InstanceGone):
                self._history.forget(event.instance)
                self._probes.forget(event.instance)
                self._follower.forget(event.instance)
                self._memory.forget(event.instance)
                self._checking.forget(event.instance)
                self._stuck_watch.forget(event.instance)
        self._watch_files()
        self._checking.changed()

    # ------------------------------------------------------------ every second

    def _instances(self) -> dict[int, InstanceRecord]:
        return self._known.instances if self._known else {}

    def _ticked(self, instance: int, sample: Sample) -> None:
        limit = self._known.app.limits.max_memory_bytes if self._known else None
        why = self._memory.exceeded(instance, sample, limit)
        if why:
            self._restart((instance,), why)
        self._stuck_watch.ticked(instance, sample)

    def _beat(self) -> None:
        self._awake.now()
        self._publisher.beat()
        cron = self._known.app.limits.cron if self._known else None
        # without a zone: cron speaks of what the clock on the wall shows
        if self._calendar.due(cron, datetime.now()):  # noqa: DTZ005
            self._restart_running(f"cron {cron}")

    def _guard(self) -> None:
        if not self._lock.in_place():
            # the folder went, or is already another app's of the same name
            self.app_ended()
            return
        self._sockets.rebind_if_gone()

    # ------------------------------------------------------------ restarts of its own accord

    def _restart_running(self, why: str) -> None:
        running = [
            number for number, record in self._instances().items() if record.wanted == "running"
        ]
        if running:
            self._restart(tuple(running), why)

    def _restart(
        self,
        instances: tuple[int, ...],
        why: str,
        refused: Callable[[], None] | None = None,
    ) -> None:
        # where a port is shared a reload loses no request; else nothing speaks against all at once
        shared = self._known is not None and self._known.app.mode == "cluster"
        do = "reload" if shared else "restart"

        def answered(answer: KeeperAnswer) -> None:
            if answer.ok:
                return
            say(f"{do} ({why}) was refused: {answer.message}")
            if refused is not None:
                refused()
            elif (
                shared and answer.kind == "refused"
            ):  # another one is under way, and may be too old
                self._loop.after(RELOAD_AGAIN_S, lambda: self._restart(instances, why))

        self._link.ask(do, answered, instances=instances, why=why, env=None, by=None)

    def _watch_files(self) -> None:
        """Begin or stop watching files when the app's wish or its folder changed."""
        app = self._known.app if self._known else None
        folder = app.cwd if app and app.watching else None
        if folder == (self._watch.folder if self._watch else None):
            return
        if self._watch:
            self._watch.close()
            self._watch = None
        if folder is not None:
            from monit_agent.observe.watch import FileWatch  # noqa: PLC0415 (few apps want it)

            home = os.path.dirname(os.path.dirname(self._places.folder))
            self._watch = FileWatch(self._loop, folder, home, self._files_changed)

    def _files_changed(self, names: str) -> None:
        self._restart_running(f"files changed: {names}")
