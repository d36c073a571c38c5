"""The pipes and files of all instances."""

import time
from collections.abc import Callable

from monit_agent.keep.logfile import LogFile
from monit_agent.keep.logpipe import LogPipe
from monit_agent.keep.loop import Loop
from monit_agent.keep.records import log_record
from monit_agent.supervise.typed import Any
from monit_agent.wire.places import STREAMS, AppPlaces

NEWS_S = 0.05
"""At most 20 log events a second and stream."""

NAP_S = 0.005
"""A stream that moves twice within this time is looked at only so often: waking for every line
of a flood would slow down its writer, who shares the pipe's lock and the processors with us."""

Key = tuple[int, str]


class Logs:
    """Moves what workers print. ``send(event)`` publishes how far streams reach,
    ``tell(kind, instance, text)`` a happening."""

    def __init__(
        self,
        loop: Loop,
        places: AppPlaces,
        send: Callable[[dict[str, Any]], None],
        tell: Callable[[str, int, str], None],
    ) -> None:
        self._loop = loop
        self._places = places
        self._send = send
        self._tell = tell
        self._pipes: dict[Key, LogPipe] = {}
        self._moved: set[Key] = set()
        self._napping: set[Key] = set()
        self._news_at = 0.0

    def ready(self, instance: int) -> None:
        """See to it that both pipes of an instance exist and are open; OSError if not."""
        for stream in STREAMS:
            pipe = self._pipes.get((instance, stream))
            if pipe is not None and not pipe.is_in_place():
                self._drain((instance, stream))
                self._close((instance, stream))
                pipe = None
            if pipe is None:
                self._open((instance, stream))

    def drain(self, instance: int) -> None:
        """Move what lies in an instance's pipes now: its worker is gone."""
        for stream in STREAMS:
            if (instance, stream) in self._pipes:
                self._drain((instance, stream))

    def flush(self, instance: int) -> None:
        """Empty an instance's log files."""
        for stream in STREAMS:
            key = (instance, stream)
            pipe = self._pipes.get(key)
            if pipe is not None:
                before = pipe.trouble
                pipe.flush(time.monotonic())
                self._compare(key, pipe, before)
                self._moved.add(key)

    def forget(self, instance: int) -> None:
        """Close an instance's pipes: its slot is gone. The log files stay."""
        for stream in STREAMS:
            if (instance, stream) in self._pipes:
                self._drain((instance, stream))
                self._close((instance, stream))

    def ends(self) -> list[dict[str, Any]]:
        """Give `LogEnd` of every stream."""
        return [self._end(key, pipe) for key, pipe in sorted(self._pipes.items())]

    def publish(self, *, at_once: bool = False) -> None:
        """Tell how far the streams that moved reach now, at most every `NEWS_S` or at once."""
        if not self._moved:
            return
        now = time.monotonic()
        if now < self._news_at and not at_once:
            self._loop.alarm("log news", self._news_at, self.publish)
            return
        self._news_at = now + NEWS_S
        for key in self._moved:
            pipe = self._pipes.get(key)
            if pipe is not None:
                self._send({"event": "log", **self._end(key, pipe)})
        self._moved.clear()

    def _open(self, key: Key) -> None:
        instance, stream = key
        places = self._places
        file = LogFile(places.log(instance, stream), places.index(instance, stream))
        pipe = LogPipe(places.fifo(instance, stream), file)
        pipe.open(time.monotonic())
        self._pipes[key] = pipe
        self._compare(key, pipe, None)
        self._loop.watch(pipe.fd, lambda _events: self._pump(key))
        self._moved.add(key)

    def _close(self, key: Key) -> None:
        pipe = self._pipes.pop(key)
        self._moved.discard(key)
        self._napping.discard(key)
        self._loop.forget(pipe.fd)
        pipe.close()

    def _pump(self, key: Key) -> None:
        pipe = self._pipes[key]
        before, last, now = pipe.trouble, pipe.moved_at, time.monotonic()
        moved = pipe.pump(now, time.time_ns())
        self._compare(key, pipe, before)
        if moved:
            self._moved.add(key)
        # a pipe that is a quarter full after a nap needs us now
        sleepy = 0 < moved < pipe.capacity // 4 and now - last <= 2 * NAP_S
        if sleepy and key not in self._napping:
            self._napping.add(key)
            self._loop.watch(pipe.fd, lambda _events: self._pump(key), 0)
        elif not sleepy and key in self._napping:
            self._napping.discard(key)
            self._loop.watch(pipe.fd, lambda _events: self._pump(key))
        if self._napping and not self._loop.is_set("log naps"):
            self._loop.alarm("log naps", now + NAP_S, self._wake)

    def _wake(self) -> None:
        for key in list(self._napping):
            self._pump(key)

    def _drain(self, key: Key) -> None:
        pipe = self._pipes[key]
        before = pipe.trouble
        if pipe.drain(time.monotonic(), time.time_ns()):
            self._moved.add(key)
        self._compare(key, pipe, before)

    def _compare(self, key: Key, pipe: LogPipe, before: str | None) -> None:
        instance, stream = key
        if pipe.trouble is not None and before is None:
            text = f"{stream}: cannot write {pipe.file.path}: {pipe.trouble}"
            self._tell("log_lost", instance, text)
        elif pipe.trouble is None and before is not None:
            text = f"{stream}: written again; {pipe.lost_bytes} bytes are lost"
            self._tell("log_resumed", instance, text)

    def _end(self, key: Key, pipe: LogPipe) -> dict[str, Any]:
        return log_record(*key, pipe.file.base, pipe.file.end, pipe.lost_bytes)
