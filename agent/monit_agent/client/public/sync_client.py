"""The apps of this machine or of others, for a program that waits for answers."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self, TypeVar, cast

from monit_agent.client.hosts.fleet_source import FleetSource
from monit_agent.client.hosts.names import hosts_file, parse_hosts
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.public.api_requests import (
    ApiRequest,
    CancelReloads,
    CommandRequest,
    DeleteApps,
    FlushLogs,
    ListInstances,
    ReadCrashes,
    ReadEvents,
    ReadHistory,
    ReadLogs,
    ReloadInstances,
    ResetInstances,
    RestartInstances,
    ScaleApp,
    SignalInstances,
    StartInstances,
    StopInstances,
    TriggerAction,
    WatchInstances,
    request_of,
)
from monit_agent.client.public.jobs import NOBODY, Job, Receiver, Reply
from monit_agent.client.public.records import (
    ActionOutcome,
    AppEvent,
    CommandReport,
    CrashRecord,
    HistorySeries,
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

AnyItem = TypeVar("AnyItem", bound=Item)


class AppsPlace(NamedTuple):
    """Where the apps are of which a program wants to know."""

    home: str | None
    hosts: tuple[str, ...]


def place_of(home: "str | os.PathLike[str] | None", hosts: Iterable[str]) -> AppsPlace:
    """Return where the apps are; raise `TypeError` for what is no path, or no list of names."""
    if isinstance(hosts, str):  # it is iterable, and each letter would be a host
        raise TypeError(f"hosts is a list of names: hosts=[{hosts!r}]")
    names = tuple(hosts)
    for name in cast("tuple[object, ...]", names):
        if not isinstance(name, str):
            raise TypeError(f"hosts: {name!r:.100} is no name of a host")
    return AppsPlace(None if home is None else os.fsdecode(home), names)


def open_source(place: AppsPlace) -> ApiSource:
    """Return a source of the apps; raise `HostError`."""
    home, hosts = place
    folder = home or paths.home(os.environ)
    found = parse_hosts(hosts, hosts_file(os.environ))
    return FleetSource(folder, found) if found else LiveSource(folder)


class Monit:
    """All apps of this machine's user, or of hosts; a context manager.

    ``home`` is another folder than ``$MONIT_HOME``, ``hosts`` are names as for ``monit --host``.
    Used by one thread. Commands return when they are done and raise `RequestFailedError` when they
    failed; a target that means nothing does that too. An argument of another type raises
    `TypeError`, a value that is not allowed `ValueError`, before anything is sent.
    """

    def __init__(
        self, home: "str | os.PathLike[str] | None" = None, *, hosts: Iterable[str] = ()
    ) -> None:
        self._session = Session(open_source(place_of(home, hosts)))

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
        request = request_of(ListInstances, targets=targets or ("all",))
        return (self._run(request)).instances or ()

    def watch(self, *targets: str, samples: bool = True) -> Iterator[WatchedChange]:
        """Yield every instance, ``listed``, and then what changes, until the loop is left."""
        request = request_of(WatchInstances, targets=targets or ("all",), samples=samples)
        return self._items(request, (WatchedChange,))

    def logs(
        self,
        *targets: str,
        lines: int = 15,
        since: float | None = None,
        follow: bool = False,
        stream: Stream | None = None,
    ) -> Iterator[PrintedLine | LostBytes]:
        """Yield the last ``lines`` of each app, or all since a time, and with ``follow`` new
        ones until the loop is left."""
        request = request_of(
            ReadLogs,
            targets=targets or ("all",),
            lines=lines,
            since=since,
            follow=follow,
            stream=stream,
        )
        return self._items(request, (PrintedLine, LostBytes))

    def events(
        self,
        *targets: str,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        kinds: Sequence[str] = (),
    ) -> tuple[AppEvent, ...]:
        """Return the newest events of the past, the oldest of them first."""
        request = request_of(
            ReadEvents,
            targets=targets or ("all",),
            since=since,
            until=until,
            limit=limit,
            kinds=kinds,
        )
        return (self._run(request)).events or ()

    def history(
        self,
        *targets: str,
        metrics: Sequence[str] = (),
        since: float | None = None,
        until: float | None = None,
        step_s: int | None = None,
    ) -> tuple[HistorySeries, ...]:
        """Return what is known of metrics since an hour ago, or since another time."""
        request = request_of(
            ReadHistory,
            targets=targets or ("all",),
            metrics=metrics,
            since=since,
            until=until,
            step_s=step_s,
        )
        return self._all_items(request, HistorySeries)

    def crashes(self, *targets: str, limit: int = 1) -> tuple[CrashRecord, ...]:
        """Return the newest ``limit`` crash reports of each instance, newest first."""
        request = request_of(ReadCrashes, targets=targets or ("all",), limit=limit)
        return self._all_items(request, CrashRecord)

    # ------------------------------------------------------------ acting

    def start(self, *targets: str) -> tuple[CommandReport, ...]:
        """Start what is stopped or errored."""
        return self._act(request_of(StartInstances, targets=targets))

    def stop(self, *targets: str) -> tuple[CommandReport, ...]:
        """Stop instances; they stay listed."""
        return self._act(request_of(StopInstances, targets=targets))

    def restart(self, *targets: str) -> tuple[CommandReport, ...]:
        """Stop and start instances, all at once."""
        return self._act(request_of(RestartInstances, targets=targets))

    def reload(self, *targets: str, parallel: int = 1) -> tuple[CommandReport, ...]:
        """Replace instances without downtime, ``parallel`` at a time."""
        return self._act(request_of(ReloadInstances, targets=targets, parallel=parallel))

    def cancel_reload(self, *targets: str) -> tuple[CommandReport, ...]:
        """End the reload in progress."""
        return self._act(request_of(CancelReloads, targets=targets))

    def scale(self, app: str, count: int) -> tuple[CommandReport, ...]:
        """Set the number of instances of an app."""
        return self._act(request_of(ScaleApp, targets=(app,), count=count))

    def signal(self, signal: str, *targets: str, group: bool = False) -> tuple[CommandReport, ...]:
        """Send a signal to workers."""
        request = request_of(SignalInstances, targets=targets, signal=signal, group=group)
        return self._act(request)

    def reset(self, *targets: str) -> tuple[CommandReport, ...]:
        """Set restart counters to zero."""
        return self._act(request_of(ResetInstances, targets=targets))

    def flush(self, *targets: str) -> tuple[CommandReport, ...]:
        """Delete the content of log files."""
        return self._act(request_of(FlushLogs, targets=targets))

    def delete(self, *targets: str) -> tuple[CommandReport, ...]:
        """Stop whole apps and remove them; their log files are kept."""
        return self._act(request_of(DeleteApps, targets=targets))

    def trigger(
        self, action: str, *targets: str, args: Sequence[str] = (), timeout_s: float = 10.0
    ) -> tuple[ActionOutcome, ...]:
        """Run an action in every process that offers it, and return what they returned."""
        request = request_of(
            TriggerAction, targets=targets, action=action, args=args, timeout_s=timeout_s
        )
        return (self._run(request)).results or ()

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

    def _all_items(self, request: ApiRequest, kind: type[AnyItem]) -> tuple[AnyItem, ...]:
        return tuple(self._items(request, (kind,)))

    def _items(self, request: ApiRequest, kinds: tuple[type[AnyItem], ...]) -> Iterator[AnyItem]:
        items: deque[Item] = deque()
        job = self._session.begin(
            request, Receiver(items.append, lambda: len(items) < ITEMS_WAITING)
        )
        try:
            while items or job.reply is None:
                yield from (item for item in _popped(items) if isinstance(item, kinds))
                if job.reply is None:
                    self._session.poll(TICK_S)
            self._reply(job)
        finally:
            if job.reply is None:
                job.cancel()


def _popped(items: deque[Item]) -> Iterator[Item]:
    """Yield the first items until none is left, also those that are added meanwhile."""
    while items:
        yield items.popleft()
