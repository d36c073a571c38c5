"""The connection to one app's keeper: it is started, followed, and replaced when it dies."""

import os
import time
from collections.abc import Callable
from typing import Any, Protocol

from monit_agent.foreground.keeper_start import start_keeper
from monit_agent.foreground.outcome import Record
from monit_agent.keeper.line_channel import LineChannel, connected
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.spawns import SpawnKeeper
from monit_agent.wire.paths import AppPaths

RETRY_S = 0.05
TAKE_OVER_S = 3.0
"""The app's agent starts the next keeper within a second; if it is dead too, we do."""


class LinkListener(Protocol):
    """Who prints what keepers report."""

    def log_changed(self, link: "FollowedApp", end: Record) -> None:
        """Note how far a stream of the app reaches (`LogEnd`)."""
        ...

    def event_added(self, link: "FollowedApp", event: Record) -> None:
        """Note an entry of the app's event log."""
        ...

    def request_refused(self, link: "FollowedApp", text: str) -> None:
        """Note that the keeper refused a request."""
        ...

    def link_restored(self, link: "FollowedApp") -> None:
        """Note that a keeper answers: the first one, or the next one."""
        ...


class FollowedApp:
    """One app. ``failure`` says why its keeper could not start; ``deleted`` that the app is gone,
    and ``finished`` that its keeper is too. ``changed(link)`` is called when any of it changes."""

    def __init__(
        self,
        loop: Loop,
        paths: AppPaths,
        order: dict[str, Any],
        listener: LinkListener,
        changed: Callable[["FollowedApp"], None],
        *,
        spawn: SpawnKeeper,
    ) -> None:
        self.paths = paths
        self.name = paths.name
        self.app: Record = {}
        self.instances: dict[int, Record] = {}
        self.failure: str | None = None
        self.deleted = False
        self.finished = False
        self._loop = loop
        self._order = order
        self._spawn = spawn
        self._listener = listener
        self._changed = changed
        self._channel: LineChannel | None = None
        self._requests: list[dict[str, Any]] = []
        self._pidfd = -1
        self._lost_at: float | None = None
        self._is_starting = False
        self._latest_event_at = 0.0

    def start(self) -> None:
        """Start the app's keeper."""
        self._is_starting = True
        start_keeper(self._loop, self.paths, self._order, self._spawn, self._keeper_started)

    def request(self, do: str, **fields: Any) -> None:
        """Send a request, now or as soon as the keeper answers."""
        request = {"id": 0, "do": do, "by": f"monit run:{os.getpid()}", **fields}
        if self._channel is None:
            self._requests.append(request)
        else:
            self._channel.send(request)

    # ------------------------------------------------------------ the keeper

    def _keeper_started(self, problem: str | None) -> None:
        self._is_starting = False
        if problem is None or self._lost_at is not None:  # the agent's new keeper was faster
            self._connect()
            return
        self.failure = problem
        self.finished = True
        self._changed(self)

    def _connect(self) -> None:
        if self.finished or self._channel is not None:
            return
        sock = connected(self.paths.keeper)
        if sock is None:
            self._retry()
            return
        self._lost_at = None
        channel = LineChannel(self._loop, sock, self._handle, self._connection_lost)
        self._channel = channel
        channel.send({"id": 0, "do": "hello", "role": "run", "pid": os.getpid()})
        requests, self._requests = self._requests, []
        for request in requests:
            channel.send(request)

    def _retry(self) -> None:
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        if self.deleted or not os.path.exists(self.paths.state):
            self._keeper_gone()
        elif now - self._lost_at > TAKE_OVER_S and not self._is_starting:
            self._lost_at, self._is_starting = now, True
            start_keeper(self._loop, self.paths, None, self._spawn, self._keeper_started)
        else:
            self._loop.set_alarm(f"connect {self.name}", now + RETRY_S, self._connect)

    def _watch_keeper(self, pid: int) -> None:
        """Watch the process, so that the end of a deleted app's keeper is seen."""
        if self._pidfd >= 0:
            self._loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            return  # it has exited: the connection ends too
        self._loop.watch(self._pidfd, lambda _events: self._keeper_exited())

    def _keeper_exited(self) -> None:
        self._loop.unwatch(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        if self.deleted:
            self._keeper_gone()

    def _keeper_gone(self) -> None:
        if not self.finished:
            self.deleted = self.finished = True
            self._changed(self)

    # ------------------------------------------------------------ what it reports

    def _connection_lost(self) -> None:
        self._channel = None
        if self.deleted and self._pidfd < 0:
            self._keeper_gone()
        elif not self.deleted:
            self._retry()

    def _handle(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "log_changed":
            self._listener.log_changed(self, message["log"])
        elif kind == "event_added":
            self._add_event(message["event"])
        elif kind == "instance_changed":
            record = message["instance"]
            self.instances[record["instance"]] = record
            self._changed(self)
        elif kind == "instance_removed":
            self.instances.pop(message["instance"], None)
            self._changed(self)
        elif kind == "app_changed":
            self.app = message["app"]
        elif kind == "app_deleted":
            self.deleted = True
            self._changed(self)
        elif message.get("ok") is False:
            self._listener.request_refused(self, str(message.get("message")))
        elif message.get("snapshot"):
            self._take_snapshot(message["snapshot"])

    def _take_snapshot(self, snapshot: dict[str, Any]) -> None:
        self.app = snapshot["app"]
        self.instances = {record["instance"]: record for record in snapshot["instances"]}
        self._watch_keeper(self.app["keeper_pid"])
        self._listener.link_restored(self)
        for end in snapshot["logs"]:
            self._listener.log_changed(self, end)
        for event in snapshot["events"]:
            if event["at"] > self._latest_event_at:
                self._add_event(event)
        self._changed(self)

    def _add_event(self, event: dict[str, Any]) -> None:
        self._latest_event_at = max(self._latest_event_at, event["at"])
        self._listener.event_added(self, event)
