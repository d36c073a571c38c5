"""What workers print, from their log files to the outputs: whole lines of each stream in order."""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from monit_agent.agent.logs.reader import StreamReader
from monit_agent.foreground.keeper_link import FollowedApp
from monit_agent.foreground.output import LineOutput
from monit_agent.wire.logfiles import chosen_path, stream_names
from monit_agent.wire.paths import STREAMS, AppPaths

PART_BYTES = 256 * 1024
"""How much of one stream is passed on before the next one gets its turn."""

LINE_BYTES = 1 << 20
"""A longer line is passed on in pieces."""


class StreamId(NamedTuple):
    """One stream of one instance."""

    app: str
    instance: int
    stream: str


class _PassedStream:
    """How far a stream was passed on."""

    def __init__(self, key: StreamId, link: FollowedApp, output: LineOutput) -> None:
        self.key = key
        self.link = link
        self.output = output
        self.reader = _reader_of(link.paths, key, link.app.get("log", {}))
        self.position = 0
        self.end = 0
        self.rest = b""
        self.is_after_gap = False
        """Whether bytes are missing before the next one, so that it may be within a line."""
        self.is_within_line = False
        """Whether the last piece that was passed on had no end."""

    @property
    def has_more(self) -> bool:
        """Whether the file has bytes that were not passed on."""
        return self.position < self.end


class LogStreams:
    """All streams. ``lost(text)`` is called for bytes that were not passed on."""

    def __init__(
        self, out: LineOutput, err: LineOutput, lost: Callable[[StreamId, int], None]
    ) -> None:
        self._outputs = {"out": out, "err": err}
        self._lost = lost
        self._streams: dict[StreamId, _PassedStream] = {}
        self._old: dict[StreamId, int] = {}
        self.with_prefix = False

    def skip_old(self, paths: AppPaths) -> None:
        """Do not pass on what the log files of an app hold now, before it is started."""
        for name in os.listdir(paths.logs):
            number, _, rest = name.partition(".")
            stream = rest.removesuffix(".log")
            if number.isdecimal() and stream in STREAMS:
                key = StreamId(paths.name, int(number), stream)
                self._old[key] = _reader_of(paths, key, {}).range(0, 0).end

    def begin(self, link: FollowedApp, end: Any) -> None:
        """Note how far a stream reaches."""
        key = StreamId(link.name, end["instance"], end["stream"])
        stream = self._streams.get(key)
        if stream is None:
            stream = _PassedStream(key, link, self._outputs[key.stream])
            stream.position = self._old.get(key, 0)
            self._streams[key] = stream
        stream.end = end["end"]

    def pass_on(self) -> bool:
        """Pass on a part of each stream that has more, and return whether any has still more."""
        more = False
        for stream in list(self._streams.values()):
            if stream.has_more and stream.output.has_room():
                self._pass_part(stream)
                more = more or (stream.has_more and stream.output.has_room())
        return more

    def is_done(self) -> bool:
        """Return whether everything was passed on."""
        return not any(stream.has_more for stream in self._streams.values())

    def finish(self) -> None:
        """Pass on the lines that have no end: nothing follows."""
        for stream in self._streams.values():
            self._put(stream, stream.rest)
            stream.rest = b""

    def report_again(self, link: FollowedApp) -> None:
        """Let a new keeper know how far its streams were read."""
        for stream in self._streams.values():
            if stream.link is link:
                self._report(stream)

    def _pass_part(self, stream: _PassedStream) -> None:
        count = min(PART_BYTES, stream.end - stream.position)
        part = stream.reader.range(stream.position, count)
        if part.offset > stream.position:
            # with the beginning of the line before the gap, and the end of the one after it
            self._lost(stream.key, part.offset - stream.position + len(stream.rest))
            stream.rest, stream.is_after_gap = b"", True
        if not part.data:  # emptied after the keeper's last report, whose next one is on its way
            stream.position = stream.end = max(part.offset, stream.position)
        else:
            stream.position = part.offset + len(part.data)
            self._add(stream, part.data)
        self._report(stream)

    def _report(self, stream: _PassedStream) -> None:
        stream.link.request(
            "logs_read",
            instance=stream.key.instance,
            stream=stream.key.stream,
            offset=stream.position,
        )

    def _add(self, stream: _PassedStream, data: bytes) -> None:
        if stream.is_after_gap:
            begin = data.find(b"\n") + 1
            self._lost(stream.key, begin or len(data))
            stream.is_after_gap = not begin
            data = data[begin:] if begin else b""
        cut = data.rfind(b"\n") + 1
        if cut:
            self._put(stream, stream.rest + data[:cut])
            stream.rest = data[cut:]
        else:
            stream.rest += data
        if len(stream.rest) > LINE_BYTES:
            self._put(stream, stream.rest)
            stream.rest = b""

    def _put(self, stream: _PassedStream, lines: bytes) -> None:
        if not lines:
            return
        within, stream.is_within_line = stream.is_within_line, not lines.endswith(b"\n")
        if self.with_prefix:
            prefix = f"{stream.key.app}/{stream.key.instance} | ".encode()
            body = lines.removesuffix(b"\n")
            body = body.replace(b"\n", b"\n" + prefix) + lines[len(body) :]
            lines = body if within else prefix + body
        stream.output.put(stream.key, lines)


def _reader_of(paths: AppPaths, key: StreamId, settings: Mapping[str, Any]) -> StreamReader:
    """Return the reader of a stream; ``settings`` are the `LogSettings` of its app."""
    chosen = chosen_path(settings.get("out", ""), settings.get("err", ""), key.stream)
    return StreamReader(stream_names(paths, key.instance, key.stream, chosen))
