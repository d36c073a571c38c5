"""The apps of several hosts in one fleet, maybe with those of this machine."""

import select
import socket
import time
from collections.abc import Collection, Iterable, Sequence

from monit_agent.client.hosts.host_source import HostSource
from monit_agent.client.hosts.names import CONNECTING_AT_ONCE, Host
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.live.requests import OnAnswer
from monit_agent.client.source import Changes, RealClock
from monit_agent.client.targets import LOCALHOST
from monit_agent.client.view import Fleet, MachineHome
from monit_agent.system.files.ownership import folder_id
from monit_agent.system.procfs import boot_id
from monit_agent.wire.ids import THIS_HOST, AppId, InstanceId
from monit_agent.wire.messages import Request

LOOK_S = 0.25
"""Longest wait until lines that are down or dead are looked at."""


class FleetSource(RealClock):
    """Several hosts; see `monit_agent.client.source.Source` for what it promises. ``home`` is that
    of this machine, which is one of them when it is named."""

    def __init__(self, home: str, hosts: Sequence[Host]) -> None:
        self._local = LiveSource(home) if any(host.is_local for host in hosts) else None
        self.fleet = self._local.fleet if self._local is not None else Fleet()
        self._hosts = {
            host.name: HostSource(host, self.fleet, self._may_connect)
            for host in hosts
            if not host.is_local
        }
        self._home = home
        self._machine = boot_id(), socket.gethostname()
        self._others: set[int] = set()

    def wake_on(self, fds: set[int]) -> None:
        """Let `poll` also return when one of these descriptors, and no others, can be read."""
        self._others = fds

    def search_now(self) -> None:
        """Look for this machine's apps at the next poll; bridges look by themselves."""
        if self._local is not None:
            self._local.search_now()

    def poll(self, wait_s: float = 0.0) -> Changes:
        """Handle what has arrived; wait at most ``wait_s`` for the first message."""
        until = time.monotonic() + wait_s
        while True:
            for host in self._hosts.values():
                host.work()
            self._end_repeats()
            has_news = any(host.has_news for host in self._hosts.values())
            left = 0.0 if has_news else max(0.0, until - time.monotonic())
            local = self._wait(min(left, LOOK_S))
            called = bool(select.select(list(self._others), [], [], 0.0)[0])
            if has_news or local or called or left <= 0.0:
                changes = (host.take_changes() for host in self._hosts.values())
                return _joined([local, *changes])

    def send_request(
        self, app: AppId, request: Request, then: OnAnswer, timeout_s: float = 5.0
    ) -> None:
        """Send ``request`` to the app's host."""
        source = self._local if app.host == THIS_HOST else self._hosts.get(app.host)
        assert source is not None, app  # noqa: S101 - an id comes from the fleet
        source.send_request(app, request, then, timeout_s)

    def follow_logs(self, who: Collection[InstanceId]) -> None:
        """From now on return the log bytes of exactly these instances."""
        for host in self._hosts.values():
            host.follow_logs(who)
        if self._local is not None:
            self._local.follow_logs([each for each in who if each.host == THIS_HOST])

    def close(self) -> None:
        """End all connections."""
        for host in self._hosts.values():
            host.close()
        if self._local is not None:
            self._local.close()

    def _may_connect(self) -> bool:
        dialled = sum(host.is_connecting for host in self._hosts.values())
        return dialled < CONNECTING_AT_ONCE

    def _end_repeats(self) -> None:
        """Let each app be there once, also when two names lead to one machine: the first one named
        stays."""
        names: dict[MachineHome, str] = {}
        if self._local is not None:
            names[MachineHome(*self._machine, self._home, folder_id(self._home))] = LOCALHOST
        for name, host in self._hosts.items():
            identity = host.view.identity
            if (
                identity is None
                or not identity.is_certain
                or host.view.state not in ("live", "silent")
            ):
                continue
            first = names.setdefault(identity, name)
            if first != name:
                host.end_as_repeat(first)

    def _wait(self, wait_s: float) -> Changes:
        """Wait for a message from any host; return what this machine's agents sent."""
        fds = {host.fd for host in self._hosts.values() if host.fd is not None} | self._others
        if self._local is None:
            select.select(list(fds), [], [], wait_s)
            return Changes()
        self._local.wake_on(fds)
        return self._local.poll(wait_s)


def _joined(parts: Iterable[Changes]) -> Changes:
    some = [part for part in parts if part]
    if len(some) == 1:
        return some[0]
    return Changes(
        frozenset[AppId]().union(*(part.apps for part in some)),
        frozenset[AppId]().union(*(part.sampled for part in some)),
        tuple(chunk for part in some for chunk in part.logs),
        tuple(event for part in some for event in part.events),
    )
