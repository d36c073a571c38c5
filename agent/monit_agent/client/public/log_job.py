"""Log lines for programs: every line of a stream once and in order, whatever happens meanwhile.

A stream is read by offset. Live bytes are used where they follow what was read; otherwise, and
while the reader has no room, they are read from the log files later, also when the agent was
restarted or the file was rotated.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable

from monit_agent.client.logs.lines import LineSplitter, StreamLine
from monit_agent.client.logs.rows import StreamKey
from monit_agent.client.public.api_requests import ReadLogs
from monit_agent.client.public.jobs import (
    NOTHING,
    Chosen,
    Job,
    Receiver,
    Reply,
    RequestFailedError,
)
from monit_agent.client.public.records import LostBytes, PrintedLine
from monit_agent.client.source import Changes, LogChunk, Source
from monit_agent.logtext.levels import level_of
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.messages import (
    Answer,
    LogPart,
    LogRange,
    LogSince,
    LogTail,
    Refused,
    Request,
    Stream,
)

AGAIN_S = 0.5
"""After a request that failed: an agent that was killed is back within a second."""

CHECK_S = 1.0
"""After a stream was begun, or its agent was restarted: bytes that came before the subscription
did are found by one more request."""

HELD_BYTES = 1024 * 1024
"""Of lines that wait for the reader; what comes after them stays in the files."""

PAGES_BACK = 64
"""Pages of a megabyte to read for the last lines, which may be long."""

BATCH_LINES = 1000
"""Lines between two looks at whether the reader has room."""


class StreamPosition:
    """One stream: what was read of it, and what is requested."""

    def __init__(self, source: Source, key: StreamKey, first: LogTail | LogSince) -> None:
        self.key = key
        self.lines: deque[StreamLine | LostBytes] = deque()
        """Read, and not sent yet."""
        self.is_begun = False
        """Whether the first lines are known."""
        self.failure: Refused | None = None
        """Why the last request had no answer."""
        self._source = source
        self._splitter = LineSplitter(key)
        self._first = first
        self._pages: list[LogPart] = []
        self._end = 0
        """How far the stream reaches, as far as is known."""
        self._is_waiting = False
        self._again_at = 0.0
        self._check_at: float | None = None
        self._epoch: int | None = None
        self._held = 0

    @property
    def has_all(self) -> bool:
        """Return whether everything was read that is known to be there."""
        position = self._splitter.position
        return self.is_begun and position is not None and position >= self._end

    def add_chunk(self, chunk: LogChunk) -> None:
        """Read live bytes where they follow what was read; note how far they reach."""
        end = chunk.offset + len(chunk.data)
        position = self._splitter.position
        follows = position is not None and chunk.offset <= position < end
        if self.has_all and follows and self._held < HELD_BYTES and not self._is_waiting:
            assert position is not None  # noqa: S101 (for the type checker)
            data = chunk.data[position - chunk.offset :]
            self._add(self._splitter.feed(position, data, chunk.times))
        self._end = max(self._end, end)

    def pop(self) -> StreamLine | LostBytes:
        """Return the first line."""
        line = self.lines.popleft()
        self._held -= _size(line)
        return line

    def _add(self, lines: Iterable[StreamLine | LostBytes]) -> None:
        for line in lines:
            self.lines.append(line)
            self._held += _size(line)

    def work(self) -> None:
        """Request what is missing."""
        now = self._source.monotonic()
        self._note_agent(now)
        check = self._check_at is not None and now >= self._check_at
        if self._is_waiting or self.lines or now < self._again_at or (self.has_all and not check):
            return
        position = self._splitter.position
        if position is None:
            self._request(self._first if not self._pages else self._page_before())
            return
        self._check_at = None if check else self._check_at
        size = LOG_RANGE_BYTES if check else min(LOG_RANGE_BYTES, self._end - position)
        who, stream = self.key.identity.instance, self.key.stream
        self._request(LogRange(instance=who, stream=stream, start=position, max_bytes=size))

    def _note_agent(self, now: float) -> None:
        app = self._source.fleet.apps.get(self.key.identity.app_id)
        epoch = app.epoch if app is not None else None
        if self.is_begun and epoch is not None and epoch != self._epoch:
            self._epoch, self._check_at = epoch, now + CHECK_S

    def unfinished(self) -> None:
        """Read the line that has no newline."""
        self._add(self._splitter.unfinished_line())

    def _page_before(self) -> LogTail:
        assert isinstance(self._first, LogTail)  # noqa: S101 - pages are of a tail
        count = self._first.lines - sum(page.data.count(b"\n") for page in self._pages)
        return LogTail(
            instance=self.key.identity.instance,
            stream=self.key.stream,
            lines=count,
            before=self._pages[-1].offset,
        )

    def _request(self, request: Request) -> None:
        self._is_waiting = True
        self._source.send_request(self.key.identity.app_id, request, self._answered)

    def _answered(self, answer: Answer) -> None:
        self._is_waiting = False
        if not isinstance(answer, LogPart):
            self.failure = answer if isinstance(answer, Refused) else None
            self._again_at = self._source.monotonic() + AGAIN_S
            self._check_at = None if self._check_at is None else self._again_at
            return
        self.failure = None
        if self.is_begun:
            self._read(answer)
        elif isinstance(self._first, LogTail):
            self._add_page(answer, self._first.lines)
        else:
            self._begin_at(answer.offset, answer.end)

    def _begin_at(self, offset: int, end: int) -> None:
        self.is_begun = True
        self._splitter.position = offset
        self._end = max(self._end, end)

    def _add_page(self, page: LogPart, count: int) -> None:
        """Take a page of the last lines, from the end back."""
        self._pages.append(page)
        found = sum(each.data.count(b"\n") for each in self._pages)
        is_short = page.data and found < count and page.offset > page.begin
        if is_short and len(self._pages) < PAGES_BACK:
            return
        self._begin_at(page.offset, page.end)
        lines = [
            line
            for each in reversed(self._pages)
            for line in self._splitter.feed(each.offset, each.data, each.times)
        ]
        self._pages.clear()
        self._add(lines[-count:] if count else [])

    def _read(self, part: LogPart) -> None:
        position = self._splitter.position
        assert position is not None  # noqa: S101 (for the type checker)
        if part.offset > position:
            self.unfinished()
            who, lost = self.key.identity, part.offset - position
            gap = LostBytes(
                host=who.host,
                app=who.app,
                instance=who.instance,
                stream=self.key.stream,
                offset=position,
                bytes=lost,
            )
            self._add([gap])
        elif not part.data:
            self._end = position  # it ends before what was announced
            return
        self._end = max(self._end, part.end)
        self._add(self._splitter.feed(part.offset, part.data, part.times))


class LogsJob(Job):
    """Sends the lines of the streams that its targets mean."""

    def __init__(self, source: Source, receiver: Receiver, request: ReadLogs) -> None:
        super().__init__(source, receiver)
        self._request = request
        self._started_at = source.wall()
        self._streams: dict[StreamKey, StreamPosition] = {}
        self._is_begun = False
        """Whether the streams are known."""
        self._is_past_known = False
        """Whether the first lines of all streams are known, so that they can be merged."""

    @property
    def followed(self) -> Collection[InstanceId]:
        """Return the instances whose log bytes it needs."""
        return {key.identity for key in self._streams} if self._request.follow else ()

    @property
    def is_endless(self) -> bool:
        """Return whether it follows."""
        return self._request.follow

    def step(self, changes: Changes) -> None:
        """Read and send what can be."""
        if not self._is_begun:
            if not self.is_settled():
                return
            self._is_begun = True
            self._add(self.chosen(self._request.targets), self._first)
        elif changes.apps and self._request.follow:
            self._add(self._chosen_now(), self._since_start)
        has_room = self.receiver.has_room()
        for chunk in changes.logs:
            stream = self._streams.get(StreamKey(chunk.identity, chunk.stream))
            if stream is not None:
                stream.add_chunk(chunk)
        self._drop_deleted()
        if has_room:
            for stream in self._streams.values():
                stream.work()
            self._send()
        self.is_held = any(each.lines for each in self._streams.values())
        if not self._request.follow:
            self._end_if_done()

    # ------------------------------------------------------------ streams

    def _chosen_now(self) -> Chosen:
        try:
            return self.chosen(self._request.targets)
        except RequestFailedError:
            return NOTHING  # all are deleted; they may come back

    def _add(self, chosen: Chosen, first: Callable[[StreamKey], LogTail | LogSince]) -> None:
        for identity in sorted(chosen.instances):
            streams: tuple[Stream, ...] = ("out", "err")
            for stream in (self._request.stream,) if self._request.stream else streams:
                key = StreamKey(identity, stream)
                if key not in self._streams:
                    self._streams[key] = StreamPosition(self.source, key, first(key))

    def _first(self, key: StreamKey) -> LogTail | LogSince:
        who, since = key.identity.instance, self._request.since
        if since is not None:
            return LogSince(instance=who, stream=key.stream, at=since)
        return LogTail(instance=who, stream=key.stream, lines=self._request.lines)

    def _since_start(self, key: StreamKey) -> LogSince:
        return LogSince(instance=key.identity.instance, stream=key.stream, at=self._started_at)

    def _drop_deleted(self) -> None:
        """Forget the streams of apps and instances that are gone, when their lines are sent."""
        fleet = self.source.fleet
        for key, stream in list(self._streams.items()):
            is_gone = fleet.instance(key.identity) is None
            if is_gone and not stream.lines and (stream.has_all or stream.failure):
                del self._streams[key]

    # ------------------------------------------------------------ lines

    def _send(self) -> None:
        if not self._is_past_known:
            if not all(each.is_begun or each.failure for each in self._streams.values()):
                return
            self._is_past_known = True
            self._keep_last()
        while self.receiver.has_room():
            batch = self._next_lines()
            if not batch:
                return
            for line in batch:
                self.receiver.emit(_record(line))

    def _keep_last(self) -> None:
        """Keep so many lines of each app as were requested."""
        if self._request.since is not None:
            return
        by_app: dict[AppId, list[StreamPosition]] = {}
        for key, stream in self._streams.items():
            by_app.setdefault(key.identity.app_id, []).append(stream)
        for streams in by_app.values():
            too_many = sum(len(each.lines) for each in streams) - self._request.lines
            for _ in range(max(0, too_many)):
                _earliest(each for each in streams if each.lines).pop()

    def _next_lines(self) -> list[StreamLine | LostBytes]:
        """Return the next lines of all streams in the order of their times. While earlier lines are
        read, a stream without one may still have the next: its page is waited for."""
        batch: list[StreamLine | LostBytes] = []
        while len(batch) < BATCH_LINES:
            readers = self._streams.values()
            if any(not (each.lines or each.has_all or each.failure) for each in readers):
                break
            some = [each for each in readers if each.lines]
            if not some:
                break
            batch.append(_earliest(some).pop())
        return batch

    def _end_if_done(self) -> None:
        if not self._is_past_known:
            return
        streams = self._streams.values()
        failed = [each.failure for each in streams if each.failure and not each.has_all]
        if any(not each.has_all and not each.failure for each in streams):
            return
        if any(each.lines for each in streams):
            return
        for stream in streams:
            stream.unfinished()
            while stream.lines:
                self.receiver.emit(_record(stream.pop()))
        if failed:
            self.fail(RequestFailedError(failed[0].kind, failed[0].message))
        else:
            self.reply = Reply()


def _size(line: StreamLine | LostBytes) -> int:
    return len(line.raw) if isinstance(line, StreamLine) else 0


def _earliest(readers: Iterable[StreamPosition]) -> StreamPosition:
    return min(readers, key=lambda each: _time_of(each.lines[0]))


def _time_of(line: StreamLine | LostBytes) -> int:
    return line.at_ns if isinstance(line, StreamLine) else 0


def _record(line: StreamLine | LostBytes) -> PrintedLine | LostBytes:
    if isinstance(line, LostBytes):
        return line
    who = line.key.identity
    return PrintedLine(
        host=who.host,
        app=who.app,
        instance=who.instance,
        stream=line.key.stream,
        offset=line.offset,
        at=line.at_ns / 1e9 if line.at_ns else None,
        level=level_of(line.raw),
        line=line.raw.decode(errors="replace"),
        ended=line.ended,
    )
