"""Publishes what workers print, by reading the files back; only what somebody listens to.

The keeper's ``log`` events say how far a stream reaches. What is published is bounded per
stream, in bytes a second and in how far it may lag; the rest stays in the file, where a
client sees the hole in the offsets and can fetch it.
"""

import time

from monit_agent.observe.logfile import StreamFile
from monit_agent.observe.loop import Loop, Timer
from monit_agent.observe.publish import Publisher
from monit_agent.wire import topics
from monit_agent.wire.limits import LOG_BEHIND_BYTES, LOG_CHUNK_BYTES
from monit_agent.wire.messages import LogEnd, Stream
from monit_agent.wire.places import AppPlaces

RATE_BYTES_S = 4 * 1024 * 1024
"""Most of one stream that is published in a second: 40,000 lines of 100 bytes, far more than
anyone can read, and about 2 % of a core."""

BURST_BYTES = RATE_BYTES_S // 8
"""What may go out at once after silence."""

CATCH_UP_S = 0.05
"""When to go on with a stream whose second was used up."""


class _Followed:
    """One stream as it is being published."""

    def __init__(self, topic: bytes, file: StreamFile, end: LogEnd) -> None:
        self.topic = topic
        self.file = file
        self.begin = end.begin
        self.end = end.end
        self.sent: int | None = None
        """Published up to here; None while nobody listens."""
        self._budget = float(BURST_BYTES)
        self._filled_at = time.monotonic()

    def allowance(self) -> int:
        """Give how many bytes may go out now."""
        now = time.monotonic()
        grown = self._budget + (now - self._filled_at) * RATE_BYTES_S
        self._budget, self._filled_at = min(grown, BURST_BYTES), now
        return int(self._budget)

    def spend(self, count: int) -> None:
        """Take what went out off the budget."""
        self._budget -= count


class Follower:
    """Follows all streams of an app."""

    def __init__(self, loop: Loop, places: AppPlaces, publisher: Publisher) -> None:
        self._loop = loop
        self._places = places
        self._publisher = publisher
        self._streams: dict[tuple[int, Stream], _Followed] = {}
        self._timer: Timer | None = None
        publisher.on_subscribed = self._listeners_changed

    def reached(self, end: LogEnd) -> None:
        """Take in how far a stream reaches, and publish what is new of it."""
        key = (end.instance, end.stream)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = self._make(end)
            self._listen(stream)
        stream.begin, stream.end = end.begin, end.end
        self._publish(stream)

    def forget(self, instance: int) -> None:
        """Stop following a slot that is gone."""
        for key in [key for key in self._streams if key[0] == instance]:
            del self._streams[key]

    def _make(self, end: LogEnd) -> _Followed:
        places = self._places
        return _Followed(
            topics.log(places.name, end.instance, end.stream),
            StreamFile(
                places.log(end.instance, end.stream), places.index(end.instance, end.stream)
            ),
            end,
        )

    def _listeners_changed(self) -> None:
        for stream in self._streams.values():
            self._listen(stream)

    def _listen(self, stream: _Followed) -> None:
        if not self._publisher.heard(stream.topic):
            stream.sent = None
        elif stream.sent is None:
            stream.sent = stream.end  # what was before, a client asks for

    def _publish(self, stream: _Followed) -> None:
        if stream.sent is None:
            return
        if stream.end - stream.sent > LOG_BEHIND_BYTES:
            stream.sent = _line_after(stream.file, stream.end - LOG_CHUNK_BYTES)
        allowed = stream.allowance()
        while stream.sent < stream.end:
            count = min(stream.end - stream.sent, LOG_CHUNK_BYTES)
            if count > allowed:
                self._later()
                return
            part = stream.file.range(stream.sent, count)
            if not part.data:
                return  # emptied in between: the keeper's next event says so
            reached = part.offset + len(part.data)
            times = stream.file.times(part.offset, reached)
            self._publisher.log(stream.topic, part.data, part.offset, times)
            stream.spend(len(part.data))
            allowed -= len(part.data)
            stream.sent = reached

    def _later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.after(CATCH_UP_S, self._catch_up)

    def _catch_up(self) -> None:
        self._timer = None
        for stream in self._streams.values():
            self._publish(stream)


def _line_after(file: StreamFile, offset: int) -> int:
    """Give where a line begins after ``offset``, or ``offset`` in a very long line."""
    part = file.range(offset, LOG_CHUNK_BYTES)
    return part.offset + part.data.find(b"\n") + 1
