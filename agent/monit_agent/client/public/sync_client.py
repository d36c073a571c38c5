"""The apps of this machine or of others, for a program that waits for answers."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from monit_agent.client.hosts.fleet_source import FleetSource
from monit_agent.client.hosts.names import hosts_file, parse_hosts
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.public.api_requests import (
    ApiRequest,
    CancelReloads,
    CommandRequest,
    ListInstances,
    ReadLogs,
    ReloadInstances,
    ResetInstances,
    RestartInstances,
    ScaleApp,
    SignalInstances,
    StartInstances,
    StopInstances,
    WatchInstances,
)
from monit_agent.client.public.jobs import NOBODY, Job, Receiver, Reply
from monit_agent.client.public.records import (
    CommandReport,
    Instance,
    Item,
    LostBytes,
    PrintedLine,
    WatchedChange,
)
from monit_agent.client.public.session import ApiSource, Session
from monit_agent.wire import paths
from monit_agent.wire.messages import Stream

TICK_S = 0.25
"""Longest wait of one poll; a message ends it at once."""

ITEMS_WAITING = 1000
"""Lines or changes that wait for the loop that reads them; others wait where they are."""


def open_source(home: str | None, hosts: Iterable[str]) -> ApiSource:
    """Return a source of the apps of ``home``, or of these hosts; raise `HostError`."""
    folder = home or paths.home(os.environ)
    found = parse_hosts(hosts, hosts_file(os.environ))
    return FleetSource(folder, found) if found else LiveSource(folder)


class Monit:
    """All apps of this machine's user, or of hosts; a context manager.

    ``home`` is another folder than ``$MONIT_HOME``, ``hosts`` are names as for ``monit --host``.
    Used by one thread. Commands return when they are done and raise `RequestFailedError` when they
    failed; a target that means nothing does that too.
    """

    def __init__(self, home: str | None = None, *, hosts: Iterable[str] = ()) -> None:
        self._session = Session(open_source(home, hosts))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the apps go on."""
        self._session.close()

    # ------------------------------------------------------------ looking

    def list(self, *targets: str) -> tuple[Instance, ...]:
        """Return the instances, all without a target."""
        return self._run(ListInstances(targets=targets or ("all",))).instances or ()

    def watch(self, *targets: str, samples: bool = True) -> Iterator[WatchedChange]:
        """Yield every instance, ``listed``, and then what changes, until the loop is left."""
        request = WatchInstances(targets=targets or ("all",), samples=samples)
        for item in self._items(request):
            if isinstance(item, WatchedChange):
                yield item

    def logs(
        self,
        *targets: str,
        lines: int = 15,
        since: float | None = None,
        follow: bool = False,
        stream: Stream | None = None,
    ) -> Iterator[PrintedLine | LostBytes]:
        """Yield the last ``lines`` of each app, or all since a time, and with ``follow`` new ones
        until the loop is left."""
        request = ReadLogs(
            targets=targets or ("all",), lines=lines, since=since, follow=follow, stream=stream
        )
        for item in self._items(request):
            if isinstance(item, PrintedLine | LostBytes):
                yield item

    # ------------------------------------------------------------ acting

    def start(self, *targets: str) -> tuple[CommandReport, ...]:
        """Start what is stopped or errored."""
        return self._act(StartInstances(targets=targets))

    def stop(self, *targets: str) -> tuple[CommandReport, ...]:
        """Stop instances; they stay listed."""
        return self._act(StopInstances(targets=targets))

    def restart(self, *targets: str) -> tuple[CommandReport, ...]:
        """Stop and start instances, all at once."""
        return self._act(RestartInstances(targets=targets))

    def reload(self, *targets: str, parallel: int = 1) -> tuple[CommandReport, ...]:
        """Replace instances without downtime, ``parallel`` at a time."""
        return self._act(ReloadInstances(targets=targets, parallel=parallel))

    def cancel_reload(self, *targets: str) -> tuple[CommandReport, ...]:
        """End the reload in progress."""
        return self._act(CancelReloads(targets=targets))

    def scale(self, app: str, count: int) -> tuple[CommandReport, ...]:
        """Set the number of instances of an app."""
        return self._act(ScaleApp(targets=(app,), count=count))

    def signal(self, signal: str, *targets: str, group: bool = False) -> tuple[CommandReport, ...]:
        """Send a signal to workers."""
        return self._act(SignalInstances(targets=targets, signal=signal, group=group))

    def reset(self, *targets: str) -> tuple[CommandReport, ...]:
        """Set restart counters to zero."""
        return self._act(ResetInstances(targets=targets))

    # ------------------------------------------------------------ waiting

    def _act(self, request: CommandRequest) -> tuple[CommandReport, ...]:
        return self._run(request).apps or ()

    def _run(self, request: ApiRequest) -> Reply:
        job = self._session.begin(request, NOBODY)
        return self._reply(job)

    def _reply(self, job: Job) -> Reply:
        while job.reply is None:
            self._session.poll(TICK_S)
        if job.reply.error is not None:
            raise job.reply.error
        return job.reply

    def _items(self, request: ApiRequest) -> Iterator[Item]:
        items: deque[Item] = deque()
        job = self._session.begin(
            request, Receiver(items.append, lambda: len(items) < ITEMS_WAITING)
        )
        try:
            while items or job.reply is None:
                while items:
                    yield items.popleft()
                if job.reply is None:
                    self._session.poll(TICK_S)
            self._reply(job)
        finally:
            if job.reply is None:
                job.cancel()
