"""Publishes what workers print, by reading the files back; only what has a subscriber.

The keeper's ``log`` events say how far a stream reaches. What is published is bounded per
stream, in bytes a second and in how far it may lag; the rest stays in the file, where a
client sees the hole in the offsets and can fetch it.
"""

import asyncio
import time
from collections.abc import Callable

from monit_agent.agent.logs.reader import StreamReader
from monit_agent.agent.serve.publish import Publisher
from monit_agent.wire import topics
from monit_agent.wire.limits import LOG_BEHIND_BYTES, LOG_CHUNK_BYTES
from monit_agent.wire.messages import LogEnd, Stream
from monit_agent.wire.paths import AppPaths

RATE_BYTES_S = 4 * 1024 * 1024
"""Most of one stream that is published in a second: 40,000 lines of 100 bytes, far more than
anyone can read, and about 2 % of a core."""

BURST_BYTES = RATE_BYTES_S // 8
"""What may go out at once after silence."""

CATCH_UP_S = 0.05
"""When to continue with a stream whose second was used up."""


class _FollowedStream:
    """One stream as it is being published."""

    def __init__(self, topic: bytes, reader: StreamReader, end: LogEnd) -> None:
        self.topic = topic
        self.reader = reader
        self.begin = end.begin
        self.end = end.end
        self.sent: int | None = None
        """Published up to here; None without a subscriber."""
        self._budget = float(BURST_BYTES)
        self._filled_at = time.monotonic()

    def allowance(self) -> int:
        """Return how many bytes may go out now."""
        now = time.monotonic()
        grown = self._budget + (now - self._filled_at) * RATE_BYTES_S
        self._budget, self._filled_at = min(grown, BURST_BYTES), now
        return int(self._budget)

    def spend(self, count: int) -> None:
        """Take ``count`` bytes off the budget."""
        self._budget -= count


class LogFollower:
    """Follows all streams of an app; ``reader`` returns what reads one."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        paths: AppPaths,
        publisher: Publisher,
        reader: Callable[[int, Stream], StreamReader],
    ) -> None:
        self._loop = loop
        self._paths = paths
        self._reader = reader
        self._publisher = publisher
        self._streams: dict[tuple[int, Stream], _FollowedStream] = {}
        self._grown: set[tuple[int, Stream]] = set()
        """What is published in the next turn of the loop: once, however often the keeper said in
        this one that it grew."""
        self._timer: asyncio.TimerHandle | None = None
        publisher.on_subscribed = self._subscriptions_changed

    def stream_grew(self, end: LogEnd) -> None:
        """Note how far a stream reaches, and publish what is new of it."""
        key = (end.instance, end.stream)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = self._new_stream(end)
            self._update_subscription(stream)
        stream.begin, stream.end = end.begin, end.end
        if not self._grown:
            self._loop.call_soon(self._publish_grown)
        self._grown.add(key)

    def remove_instance(self, instance: int) -> None:
        """Stop following a slot that is gone."""
        for key in [key for key in self._streams if key[0] == instance]:
            del self._streams[key]

    def _publish_grown(self) -> None:
        grown, self._grown = self._grown, set()
        for key in grown & self._streams.keys():
            stream = self._streams[key]
            stream.reader = self._reader(*key)  # it may have moved
            self._publish(stream)

    def _new_stream(self, end: LogEnd) -> _FollowedStream:
        paths = self._paths
        return _FollowedStream(
            topics.log(paths.name, end.instance, end.stream),
            self._reader(end.instance, end.stream),
            end,
        )

    def _subscriptions_changed(self) -> None:
        for stream in self._streams.values():
            self._update_subscription(stream)

    def _update_subscription(self, stream: _FollowedStream) -> None:
        if not self._publisher.has_subscriber(stream.topic):
            stream.sent = None
        elif stream.sent is None:
            stream.sent = stream.end  # a client requests what was before

    def _publish(self, stream: _FollowedStream) -> None:
        if stream.sent is None:
            return
        if stream.end - stream.sent > LOG_BEHIND_BYTES:
            stream.sent = _line_after(stream.reader, stream.end - LOG_CHUNK_BYTES)
        allowed = stream.allowance()
        while stream.sent < stream.end:
            count = min(stream.end - stream.sent, LOG_CHUNK_BYTES)
            if count > allowed:
                self._publish_later()
                return
            data = stream.reader.newest(stream.sent, count)
            if not data:
                self._skip_gap(stream)
                return
            reached = stream.sent + len(data)
            times = stream.reader.times(stream.sent, reached)
            self._publisher.publish_log(stream.topic, data, stream.sent, times)
            stream.spend(len(data))
            allowed -= len(data)
            stream.sent = reached

    def _skip_gap(self, stream: _FollowedStream) -> None:
        """Continue behind bytes that were removed before they were published: emptied, or rotated
        away in a flood."""
        part = stream.reader.range(stream.sent or 0, 1)
        if part.data and part.offset != stream.sent:
            stream.sent = part.offset
            self._publish_later()

    def _publish_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(CATCH_UP_S, self._catch_up)

    def _catch_up(self) -> None:
        self._timer = None
        for stream in self._streams.values():
            self._publish(stream)


def _line_after(reader: StreamReader, offset: int) -> int:
    """Return where a line begins after ``offset``, or ``offset`` in a very long line."""
    part = reader.range(offset, LOG_CHUNK_BYTES)
    return part.offset + part.data.find(b"\n") + 1
