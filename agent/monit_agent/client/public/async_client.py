"""The same as `Monit` for programs that use asyncio: one thread of its own does the work."""

import asyncio
import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

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
from monit_agent.client.public.jobs import Job, Receiver, Reply, RequestFailedError
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
from monit_agent.client.public.session import Session
from monit_agent.client.public.sync_client import (
    ITEMS_WAITING,
    TICK_S,
    AnyItem,
    AppsPlace,
    open_source,
    place_of,
)
from monit_agent.wire.messages import Stream

Answer = Callable[[Reply], None]
"""Takes the answer to one request."""

_LOG = logging.getLogger("monit_agent.client")


class Refusal(NamedTuple):
    """Why a thread that has ended does nothing more."""

    text: str
    cause: Exception | None = None

    def error(self) -> RequestFailedError:
        """Return a new error, for one request."""
        error = RequestFailedError("failed", self.text)
        error.__cause__ = self.cause
        return error


class ClientThread:
    """The thread that owns the session. What it is to do is given to `call` and `begin`, which may
    be called at any time from any thread. Every request is answered, also when the thread ends."""

    def __init__(self, place: AppsPlace) -> None:
        self._session = Session(open_source(place))
        self._lock = threading.Lock()
        """Held while it is decided whether the thread still takes something."""
        self._calls: deque[Callable[[Session], None]] = deque()
        self._unanswered: set[Answer] = set()
        self._jobs: dict[Job, Answer] = {}
        """Used by the thread only."""
        self._refusal: Refusal | None = None
        """Why nothing is taken any more; the descriptor is closed only afterwards."""
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_closing = False
        self._session.source.wake_on({self._wake})
        self._thread = threading.Thread(target=self._run, name="monit client", daemon=True)
        self._thread.start()

    def call(self, what: Callable[[Session], None]) -> None:
        """Let the thread do something; nothing when it has ended."""
        with self._lock:
            self._hand_over(what)

    def _hand_over(self, what: Callable[[Session], None]) -> None:
        if self._refusal is None:
            self._calls.append(what)
            os.eventfd_write(self._wake, 1)

    def begin(self, request: ApiRequest, receiver: Receiver, done: Answer) -> Callable[[], None]:
        """Begin a request; return what cancels it. ``done`` is called once: in the thread, or at
        once when that has ended. Each request has a ``done`` of its own."""
        begun: list[Job] = []

        def begin(session: Session) -> None:
            try:
                begun.append(session.begin(request, receiver))
            except RequestFailedError as error:
                self._answer(done, Reply(error=error))
            else:
                self._jobs[begun[0]] = done

        def cancel(_: Session) -> None:
            for job in begun:
                job.cancel()

        with self._lock:
            refusal = self._refusal
            if refusal is None:
                self._unanswered.add(done)
                self._hand_over(begin)
        if refusal is not None:
            done(Reply(error=refusal.error()))
        return lambda: self.call(cancel)

    def close(self) -> None:
        """End the thread, and all requests."""
        self._is_closing = True
        self.call(_look)
        self._thread.join()
        os.close(self._wake)

    # ------------------------------------------------------------ in the thread

    def _run(self) -> None:
        refusal = Refusal("the client was closed")
        try:
            with contextlib.closing(self._session):
                self._serve()
        except Exception as error:  # noqa: BLE001 - a border: part of every answer from now on
            _LOG.exception("the thread of the client has ended")
            refusal = Refusal(f"the client has ended: {type(error).__name__}: {error}", error)
        with self._lock:
            self._refusal = refusal
            self._calls.clear()
            left = list(self._unanswered)
        for each in left:
            self._answer(each, Reply(error=refusal.error()))

    def _serve(self) -> None:
        while not self._is_closing:
            while self._calls:
                self._calls.popleft()(self._session)
            self._session.poll(TICK_S, self._answer_job)
            try:
                os.eventfd_read(self._wake)
            except BlockingIOError:
                continue

    def _answer_job(self, job: Job) -> None:
        self._answer(self._jobs.pop(job), job.reply or Reply())

    def _answer(self, done: Answer, reply: Reply) -> None:
        with self._lock:
            self._unanswered.discard(done)
        done(reply)


def _look(_: Session) -> None:
    """Do nothing: the thread looks at its requests when it was woken."""


class AsyncMonit:
    """All apps of this machine's user, or of hosts, for asyncio: use it with ``async with``."""

    def __init__(
        self, home: "str | os.PathLike[str] | None" = None, *, hosts: Iterable[str] = ()
    ) -> None:
        self._place = place_of(home, hosts)
        self._thread: ClientThread | None = None

    async def __aenter__(self) -> Self:
        self._thread = ClientThread(self._place)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the apps go on."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.close)

    # ------------------------------------------------------------ looking

    async def list(self, *targets: str) -> tuple[Instance, ...]:
        """Return the instances, all without a target."""
        request = request_of(ListInstances, targets=targets or ("all",))
        return (await self._run(request)).instances or ()

    def watch(self, *targets: str, samples: bool = True) -> AsyncIterator[WatchedChange]:
        """Yield every instance, ``listed``, and then what changes."""
        request = request_of(WatchInstances, targets=targets or ("all",), samples=samples)
        return self._items(request, (WatchedChange,))

    def logs(
        self,
        *targets: str,
        lines: int = 15,
        since: float | None = None,
        follow: bool = False,
        stream: Stream | None = None,
    ) -> AsyncIterator[PrintedLine | LostBytes]:
        """Yield the last ``lines`` of each app, or all since a time, and with ``follow`` new
        ones."""
        request = request_of(
            ReadLogs,
            targets=targets or ("all",),
            lines=lines,
            since=since,
            follow=follow,
            stream=stream,
        )
        return self._items(request, (PrintedLine, LostBytes))

    async def events(
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
        return (await self._run(request)).events or ()

    async def history(
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
        return await self._all_items(request, HistorySeries)

    async def crashes(self, *targets: str, limit: int = 1) -> tuple[CrashRecord, ...]:
        """Return the newest ``limit`` crash reports of each instance, newest first."""
        request = request_of(ReadCrashes, targets=targets or ("all",), limit=limit)
        return await self._all_items(request, CrashRecord)

    # ------------------------------------------------------------ acting

    async def start(self, *targets: str) -> tuple[CommandReport, ...]:
        """Start what is stopped or errored."""
        return await self._act(request_of(StartInstances, targets=targets))

    async def stop(self, *targets: str) -> tuple[CommandReport, ...]:
        """Stop instances; they stay listed."""
        return await self._act(request_of(StopInstances, targets=targets))

    async def restart(self, *targets: str) -> tuple[CommandReport, ...]:
        """Stop and start instances, all at once."""
        return await self._act(request_of(RestartInstances, targets=targets))

    async def reload(self, *targets: str, parallel: int = 1) -> tuple[CommandReport, ...]:
        """Replace instances without downtime, ``parallel`` at a time."""
        return await self._act(request_of(ReloadInstances, targets=targets, parallel=parallel))

    async def cancel_reload(self, *targets: str) -> tuple[CommandReport, ...]:
        """End the reload in progress."""
        return await self._act(request_of(CancelReloads, targets=targets))

    async def scale(self, app: str, count: int) -> tuple[CommandReport, ...]:
        """Set the number of instances of an app."""
        return await self._act(request_of(ScaleApp, targets=(app,), count=count))

    async def signal(
        self, signal: str, *targets: str, group: bool = False
    ) -> tuple[CommandReport, ...]:
        """Send a signal to workers."""
        request = request_of(SignalInstances, targets=targets, signal=signal, group=group)
        return await self._act(request)

    async def reset(self, *targets: str) -> tuple[CommandReport, ...]:
        """Set restart counters to zero."""
        return await self._act(request_of(ResetInstances, targets=targets))

    async def flush(self, *targets: str) -> tuple[CommandReport, ...]:
        """Delete the content of log files."""
        return await self._act(request_of(FlushLogs, targets=targets))

    async def delete(self, *targets: str) -> tuple[CommandReport, ...]:
        """Stop whole apps and remove them; their log files are kept."""
        return await self._act(request_of(DeleteApps, targets=targets))

    async def trigger(
        self, action: str, *targets: str, args: Sequence[str] = (), timeout_s: float = 10.0
    ) -> tuple[ActionOutcome, ...]:
        """Run an action in every process that offers it, and return what they returned."""
        request = request_of(
            TriggerAction, targets=targets, action=action, args=args, timeout_s=timeout_s
        )
        return (await self._run(request)).results or ()

    # ------------------------------------------------------------ waiting

    def _open_thread(self) -> ClientThread:
        if self._thread is None:
            raise RuntimeError("use it within: async with AsyncMonit() as monit")
        return self._thread

    async def _run(self, request: ApiRequest) -> Reply:
        async for item in self._answers(request):
            if isinstance(item, Reply):
                return item
        raise AssertionError  # a reply always comes

    async def _act(self, request: CommandRequest) -> tuple[CommandReport, ...]:
        return (await self._run(request)).apps or ()

    async def _all_items(self, request: ApiRequest, kind: type[AnyItem]) -> tuple[AnyItem, ...]:
        return tuple([item async for item in self._items(request, (kind,))])

    async def _items(
        self, request: ApiRequest, kinds: tuple[type[AnyItem], ...]
    ) -> AsyncIterator[AnyItem]:
        async for item in self._answers(request):
            if isinstance(item, kinds):
                yield item

    async def _answers(self, request: ApiRequest) -> AsyncIterator[Item | Reply]:
        """Yield what the request sends, and its reply last; raise its error."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Item | Reply] = asyncio.Queue()
        sent = read = 0

        def emit(item: Item | Reply) -> None:
            nonlocal sent
            sent += 1
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, item)
            except RuntimeError:
                if not loop.is_closed():  # then nobody waits any more
                    raise

        receiver = Receiver(emit, lambda: sent - read < ITEMS_WAITING)
        thread = self._open_thread()
        cancel = thread.begin(request, receiver, emit)
        item: Item | Reply | None = None
        try:
            while not isinstance(item, Reply):
                item = await arrived.get()
                read += 1
                if sent - read == ITEMS_WAITING // 2:
                    thread.call(_look)  # what it held back has room now
                if isinstance(item, Reply) and item.error is not None:
                    raise item.error
                yield item
        finally:
            cancel()
