"""The apps of one other machine: its line, which is made again when it is lost."""

import os
import random
import select
import time
from collections.abc import Callable, Collection

from monit_agent.client.hosts.connection import Ended, HostConnection
from monit_agent.client.hosts.host_apps import HostApps
from monit_agent.client.hosts.host_requests import HostRequests
from monit_agent.client.hosts.names import LOGIN_S, Host
from monit_agent.client.live.requests import OnAnswer
from monit_agent.client.source import Changes, PendingChanges, RealClock
from monit_agent.client.view import Fleet, HostState, HostView, MachineHome
from monit_agent.wire import bridge, codec
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.messages import Request

SILENT_S = bridge.PING_S + 3.0
"""After this long without a message what is known of the host is stale."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Between two tries to reach the host: twice as long each time."""

LOOK_S = 0.25
"""Longest wait until a line that is down or dead is looked at."""

CLOCK_S = 2.0
"""A clock that differs by less is right."""


class HostSource(RealClock):
    """The apps of one host, in ``fleet``; see `monit_agent.client.source.Source`."""

    def __init__(self, host: Host, fleet: Fleet, may_connect: Callable[[], bool]) -> None:
        self.fleet = fleet
        self.view = fleet.hosts[host.name] = HostView(host.name)
        self._host = host
        self._may_connect = may_connect
        self._connection: HostConnection | None = None
        self._next_try_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._heard_at = self._pinged_at = time.monotonic()
        self._pinged_bytes = 0
        """What was received when `_pinged_at` was."""
        self._changes = PendingChanges()
        self._apps = HostApps(fleet, self.view, self._changes)
        self._requests = HostRequests()
        self._answered = False

    # ------------------------------------------------------------ Source

    def poll(self, wait_s: float = 0.0) -> Changes:
        """Handle what has arrived; wait at most ``wait_s`` for the first message."""
        until = time.monotonic() + wait_s
        while True:
            self.work()
            if self.has_news or (left := until - time.monotonic()) <= 0:
                return self.take_changes()
            fds = [] if self.fd is None else [self.fd]
            select.select(fds, [], [], min(left, LOOK_S))

    def send_request(
        self, app: AppId, request: Request, then: OnAnswer, timeout_s: float = 5.0
    ) -> None:
        """Send ``request`` through the bridge; refuse it at once while there is no line."""
        if self._connection is None or self.view.state != "live":
            why = self.view.problem or f"{self._host.name}: not connected yet"
            self._requests.refuse(app, request, then, why)
        else:
            self._connection.send([self._requests.ask(app, request, then, timeout_s)])

    def follow_logs(self, who: Collection[InstanceId]) -> None:
        """From now on return the log bytes of exactly these instances of this host."""
        wanted = frozenset(each for each in who if each.host == self._host.name)
        if wanted != self._apps.followed:
            self._apps.followed = wanted
            self._send_followed()

    def close(self) -> None:
        """End the connection; pending requests are never answered."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # ------------------------------------------------------------ as one of several

    @property
    def is_connecting(self) -> bool:
        """Return whether ssh runs and the bridge has not answered."""
        return self._connection is not None and not self._connection.is_up

    @property
    def fd(self) -> int | None:
        """Return the descriptor that can be read when something arrived; None without a line."""
        return None if self._connection is None else self._connection.fd

    @property
    def has_news(self) -> bool:
        """Return whether `take_changes` has something, or a request was answered."""
        return bool(self._changes) or self._answered

    def take_changes(self) -> Changes:
        """Return what is new since the last call."""
        self._answered = False
        return self._changes.take_all()

    def work(self) -> None:
        """Connect, receive and send what can be done without waiting."""
        now = time.monotonic()
        if self._connection is None and now >= self._next_try_at and self._may_connect():
            self._connect()
        if self._connection is not None:
            try:
                for message in self._connection.receive():
                    self._handle(message)
                self._look_after_line(self._connection, now)
            except Ended as end:
                self._lost(str(end))
        for then, answer in self._requests.take_due(now):
            self._answered = True
            then(answer)

    def end_as_repeat(self, name: str) -> None:
        """End the connection: it leads to where that of ``name`` does, which shows the apps."""
        self._pause_s = LONGEST_PAUSE_S
        self._lost(f"it is {name} under another name, with the same apps; name only one of them")
        self._apps.drop_all()

    # ------------------------------------------------------------ the line

    def _connect(self) -> None:
        self.view.next_try_at = None
        self._heard_at = self._pinged_at = time.monotonic()
        self._apps.begin()
        try:
            self._connection = HostConnection(self._host, os.environ)
        except Ended as end:
            self._lost(str(end))

    def _look_after_line(self, connection: HostConnection, now: float) -> None:
        """Confirm what was read, say that we are here, and notice a line that is dead."""
        read = connection.received_bytes - self.view.received_bytes
        messages: list[bridge.FromClient] = []
        if read:
            self._heard_at = now
            self.view.received_bytes = connection.received_bytes
            messages.append(bridge.Confirm(read_bytes=read))
        if now - self._pinged_at >= bridge.PING_S:
            new = connection.received_bytes - self._pinged_bytes
            self.view.bytes_per_s = new / (now - self._pinged_at) if connection.is_up else None
            self._pinged_at, self._pinged_bytes = now, connection.received_bytes
            messages.append(bridge.Ping())
        if messages and connection.is_up:
            connection.send(messages)
        connection.flush()
        silent_s = now - self._heard_at
        if connection.is_up and silent_s > bridge.SILENCE_S:
            raise Ended(f"nothing was heard for {silent_s:.0f} s")
        if not connection.is_up and silent_s > LOGIN_S:
            raise Ended(f"no answer within {LOGIN_S:g} s; does ssh {self._host.ssh} true end?")
        if self.view.state == "live" and silent_s > SILENT_S:
            self._set_state("silent", f"nothing was heard for {silent_s:.0f} s, trying on")
        elif self.view.state == "silent" and silent_s <= SILENT_S:
            raise Ended("the line was silent")  # a new one learns everything again

    def _lost(self, why: str) -> None:
        """Note that there is no line, and when it is tried again."""
        self.close()
        pause_s = self._pause_s * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
        self._next_try_at = self.view.next_try_at = time.monotonic() + pause_s
        self.view.received_bytes = self._pinged_bytes = 0
        self.view.bytes_per_s = None
        self._set_state("lost", why)
        self._requests.line_lost(f"{self._host.name}: {why}")

    def _set_state(self, state: HostState, why: str | None) -> None:
        self._apps.set_state(state, None if why is None else f"{self._host.name}: {why}")
        self._answered = True

    def _send_followed(self) -> None:
        if self._connection is not None and self._connection.is_up:
            instances = tuple((each.app, each.instance) for each in sorted(self._apps.followed))
            self._connection.send([bridge.Follow(instances=instances)])

    # ------------------------------------------------------------ messages

    def _handle(self, message: bridge.FromBridge) -> None:
        match message:
            case bridge.Hello():
                self._greet(message)
            case bridge.Told():
                self._requests.handle(message)
            case bridge.Pong():
                self._note_clock(message.wall)
                self.view.dropped_bytes = message.dropped_bytes
                self._apps.mark_heard()
            case _:
                self._apps.handle(message)
                self._answered = self._answered or isinstance(message, bridge.Listed)

    def _greet(self, hello: bridge.Hello) -> None:
        side = codec.side_to_upgrade(hello.protocol)
        if hello.v != bridge.BRIDGE_VERSION or side is not None:
            older = "there" if side == "theirs" or hello.v < bridge.BRIDGE_VERSION else "here"
            raise Ended(
                f"monit {hello.version} there speaks another protocol than this one; "
                f"install the newer version {older}"
            )
        self.view.version, self.view.home = hello.version, hello.home
        self.view.identity = MachineHome(hello.boot_id, hello.host, hello.home, hello.home_id)
        self.view.read_only = hello.read_only
        self._note_clock(hello.wall)
        self._pause_s = FIRST_PAUSE_S
        self._set_state("live", None)
        self._send_followed()

    def _note_clock(self, wall: float) -> None:
        ahead_s = wall - time.time()
        self.view.clock_ahead_s = ahead_s if abs(ahead_s) > CLOCK_S else 0.0
