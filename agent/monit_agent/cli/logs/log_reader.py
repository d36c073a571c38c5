"""Reads the log lines that `monit logs` shows: what is there, then what comes."""

import contextlib
import heapq
import time
from collections import deque
from collections.abc import Iterable, Sequence

from monit_agent.cli.control.selection import TargetSelection, select_targets
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.logs.log_requests import AgentRequests
from monit_agent.cli.logs.log_search import LineChooser
from monit_agent.cli.logs.log_stream import LogStream
from monit_agent.cli.logs.past_lines import LogSelection, PastLines
from monit_agent.cli.logs.places import PlaceReport
from monit_agent.cli.logs.silence import SilenceReport
from monit_agent.cli.render import terminal
from monit_agent.cli.render.log_lines import LogWriter
from monit_agent.client.logs.lines import StreamLine
from monit_agent.client.logs.rows import StreamKey
from monit_agent.client.source import Changes, LogChunk, Source
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.messages import Answer, LogSearch, Request

ASK_S = 5.0
SEARCH_ASK_S = 20.0
"""The pieces of others may be searched before ours."""

UNFINISHED_S = 1.0
"""Time after which a line without a newline, such as a prompt, is shown on a terminal."""

WAITING_CHUNKS = 1000
"""Live chunks to keep while waiting for an answer; what does not fit is requested later."""


class LogReader:
    """Reads the selected streams and writes their lines."""

    def __init__(
        self,
        source: Source,
        folder: str,
        chosen: TargetSelection,
        selection: LogSelection,
        writer: LogWriter,
        *,
        shown: Iterable[LogStream] = (),
    ) -> None:
        """``shown`` are streams whose earlier lines are written: `catch_up` continues them."""
        self._source = source
        self._selection = selection
        self._writer = writer
        self._started = time.time()
        self._requests = AgentRequests(self._ask)
        self._shown = {stream.key: stream for stream in shown}
        self._live: deque[LogChunk] = deque(maxlen=WAITING_CHUNKS)
        self._streams: dict[StreamKey, LogStream] = {}
        self._choosers: dict[StreamKey, LineChooser] = {}
        self._apps = set(chosen.apps)
        self._silence = SilenceReport(source, folder)
        self._places = PlaceReport(source)
        self._places.report(self._apps)
        self._add(sorted(chosen.instances))

    def _add(self, who: Iterable[InstanceId]) -> list[LogStream]:
        """Follow these instances before anything of them is read, so that no line is missed."""
        keys = [
            StreamKey(identity, stream) for identity in who for stream in self._selection.streams
        ]
        new = [self._stream(key) for key in keys if key not in self._streams]
        self._streams.update((stream.key, stream) for stream in new)
        self._choosers.update((stream.key, LineChooser(self._selection.query)) for stream in new)
        self._source.follow_logs({key.identity for key in self._streams})
        self._writer.widen(list(self._streams))
        return new

    def _stream(self, key: StreamKey) -> LogStream:
        shown = self._shown.pop(key, None)
        if shown is None:
            return LogStream(key, self._requests)
        shown.requests = self._requests
        return shown

    def _ask(self, app: AppId, request: Request) -> Answer:
        answers: list[Answer] = []
        allowed_s = SEARCH_ASK_S if isinstance(request, LogSearch) else ASK_S
        self._source.send_request(app, request, answers.append, allowed_s)
        while not answers:
            self._note_changes(self._source.poll(ASK_S))
        return answers[0]

    def _note_changes(self, changes: Changes) -> None:
        self._live.extend(changes.logs)

    # ------------------------------------------------------------ earlier lines

    def past(self) -> PastLines:
        """Return what reads the lines that are there, of all agents that answer."""
        apps = self._source.fleet.apps
        live = [
            stream
            for stream in self._streams.values()
            if apps[stream.key.identity.app_id].link == "live"
        ]
        return PastLines(live, self._selection, self._writer, self._requests)

    def show_unfinished(self) -> None:
        """Write the lines that have no newline yet."""
        self._writer.write(
            [
                line
                for stream in self._streams.values()
                for line in self._chosen(stream, stream.unfinished_line())
            ]
        )

    def _chosen(self, stream: LogStream, lines: Iterable[StreamLine]) -> Iterable[StreamLine]:
        return self._choosers[stream.key].choose(lines)

    # ------------------------------------------------------------ new lines

    def catch_up(self) -> None:
        """Write the lines that were printed since those of the streams that were shown."""
        new = [
            list(
                self._chosen(
                    each, each.since(self._started) if each.position is None else each.catch_up()
                )
            )
            for each in self._streams.values()
        ]
        self._writer.write(list(heapq.merge(*new, key=lambda line: line.at_ns)))

    def follow(self, targets: Sequence[str]) -> ExitCode:
        """Write new lines until Ctrl-C, also those of instances that appear later."""
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                self._write_live()
                changes = self._source.poll(UNFINISHED_S / 2)
                self._note_changes(changes)
                if changes.apps:
                    self._follow_new_instances(targets)
                    self.report_silent_agents()
        return ExitCode.INTERRUPTED

    def _write_live(self) -> None:
        lines: list[StreamLine] = []
        while self._live:
            chunk = self._live.popleft()
            stream = self._streams.get(StreamKey(chunk.identity, chunk.stream))
            if stream is not None:
                new = stream.add_chunk(chunk.offset, chunk.data, chunk.times)
                lines += self._chosen(stream, new)
        if terminal.stdout_terminal().is_tty or self._selection.as_printed:
            lines += self._unfinished_lines()
        self._writer.write(lines)

    def _unfinished_lines(self) -> list[StreamLine]:
        now = time.monotonic()
        lines: list[StreamLine] = []
        for stream in self._streams.values():
            if not stream.has_unfinished_line:
                continue
            if stream.unfinished_since is None:
                stream.unfinished_since = now
            elif now - stream.unfinished_since >= UNFINISHED_S:
                lines += self._chosen(stream, stream.unfinished_line())
        return lines

    def _follow_new_instances(self, targets: Sequence[str]) -> None:
        """Follow new instances, from the lines printed since this command started."""
        try:
            chosen = select_targets(self._source.fleet, targets)
        except CommandError:
            return  # all targets are deleted; they may come back
        self._apps.update(chosen.apps)
        self._places.report(self._apps)
        for stream in self._add(sorted(chosen.instances)):
            self._writer.write(list(self._chosen(stream, stream.since(self._started))))

    def report_silent_agents(self) -> set[AppId]:
        """Report what changed since the last call; return whose agents do not answer."""
        return self._silence.report(self._apps)
