"""``monit logs``: what apps print, merged by time, then live."""

import contextlib
import heapq
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import click

from monit_agent.cli import output, terminal
from monit_agent.cli.apps import complete_target, home
from monit_agent.cli.logshow import LogWriter
from monit_agent.cli.logstream import Line, LogStream
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.cli.params import Parsed
from monit_agent.cli.verbs import Chosen, choose, fleet_of
from monit_agent.client.live import LiveSource
from monit_agent.client.logrows import StreamKey
from monit_agent.client.plain import plain_text
from monit_agent.client.source import Changes, LogChunk
from monit_agent.client.view import Identity
from monit_agent.config import units
from monit_agent.wire.messages import Answer, Request, Stream
from monit_agent.wire.places import app_places

LINES = 15
ASK_S = 5.0
UNFINISHED_S = 1.0
"""A prompt without a newline is shown after this long, on a terminal."""

WAITING_CHUNKS = 1000
"""Live chunks that wait while something is asked; what does not fit is asked for later."""

HELP = """\b
Examples:
  monit logs                              the last lines of every app, then what comes
  monit logs web --err --since 10m        what went wrong lately
  monit logs web/0 -n 1000 --no-follow --raw > web.log
  monit logs --grep 'timeout|refused'
"""


class What(NamedTuple):
    """What is to be shown."""

    lines: int
    since: float | None
    streams: tuple[Stream, ...]
    wanted: Callable[[bytes], bool]


def _expression(text: str) -> "re.Pattern[str]":
    try:
        return re.compile(text)
    except re.error as error:
        raise units.BadInputError(f"{text!r} is not a regular expression: {error}") from error


@click.command("logs", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@click.option(
    "-n",
    "--lines",
    type=Parsed("number", lambda text: units.parse_number(text, 0, 100_000)),
    default=LINES,
    metavar="N",
    help=f"How many of the newest lines of each app to begin with [{LINES}].",
)
@click.option(
    "-f",
    "--follow/--no-follow",
    "follow",
    default=True,
    help="Go on with what comes (the default), or stop at the end.",
)
@click.option(
    "--since",
    type=Parsed("time", lambda text: units.parse_moment(text, time.time())),
    metavar="TIME",
    help="All lines since 10m (ago), 14:03, or an ISO date, instead of -n.",
)
@click.option(
    "--grep",
    type=Parsed("expression", _expression),
    metavar="RE",
    help="Only lines that match; (?i) in front ignores case.",
)
@click.option("--err", "only", flag_value="err", help="Only standard error.")
@click.option("--out", "only", flag_value="out", help="Only standard output.")
@click.option("--raw", "bare", is_flag=True, help="Without the name in front of each line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def logs(
    targets: tuple[str, ...],
    *,
    lines: int,
    follow: bool,
    since: float | None,
    grep: "re.Pattern[str] | None",
    only: Stream | None,
    bare: bool,
    as_json: bool,
) -> int:
    """Show what apps print, in the order in which it was printed, and follow it.

    Without TARGET all apps are shown. On a terminal colours pass and every other control character
    is shown, not obeyed; in a pipe the bytes pass as they are. The objects of --json have the
    fields app, instance, stream, offset, at and line.
    """
    what = What(
        lines=lines,
        since=since,
        streams=(only,) if only else ("out", "err"),
        wanted=_matching(grep),
    )
    chosen = targets or ("all",)
    writer = LogWriter(terminal.of_stdout(), as_json=as_json, bare=bare)
    folder = home()
    with fleet_of(folder, chosen) as (source, there):
        reader = _Reader(source, folder, there, what, writer)
        reader.show_history()
        silent = reader.tell_silent()
        if follow:
            return reader.follow(chosen)
        reader.show_rests()
    return Exit.NO_ANSWER if silent else Exit.DONE


def _matching(grep: "re.Pattern[str] | None") -> Callable[[bytes], bool]:
    def matches(raw: bytes) -> bool:
        return grep is None or grep.search(plain_text(raw)) is not None

    return matches


class _Reader:
    """Reads the chosen streams and writes their lines."""

    def __init__(
        self, source: LiveSource, folder: str, chosen: Chosen, what: What, writer: LogWriter
    ) -> None:
        self._source = source
        self._folder = folder
        self._what = what
        self._writer = writer
        self._started = time.time()
        self._live: deque[LogChunk] = deque(maxlen=WAITING_CHUNKS)
        self._streams: dict[StreamKey, LogStream] = {}
        self._apps = set(chosen.apps)
        self._silent: set[str] = set()
        self._add(sorted(chosen.instances))

    def _add(self, who: Iterable[Identity]) -> list[LogStream]:
        """Follow these instances too, before anything of them is read: nothing is missed."""
        keys = [
            StreamKey(app, instance, stream)
            for app, instance in who
            for stream in self._what.streams
        ]
        new = [LogStream(key, self._ask) for key in keys if key not in self._streams]
        self._streams.update((stream.key, stream) for stream in new)
        self._source.follow_logs({Identity(key.app, key.instance) for key in self._streams})
        self._writer.widen(list(self._streams))
        return new

    def _ask(self, app: str, request: Request) -> Answer:
        answers: list[Answer] = []
        self._source.ask(app, request, answers.append, ASK_S)
        while not answers:
            self._note_changes(self._source.poll(ASK_S))
        return answers[0]

    def _note_changes(self, changes: Changes) -> None:
        self._live.extend(changes.logs)

    # ------------------------------------------------------------ what was printed before

    def show_history(self) -> None:
        """Write what was asked for of the past, merged by time."""
        live = [
            stream
            for stream in self._streams.values()
            if self._source.fleet.apps[stream.key.app].link == "live"
        ]
        since = self._what.since
        if since is not None:
            pasts = [self._filtered(stream.since(since)) for stream in live]
            self._write_all(heapq.merge(*pasts, key=_by_time))
            return
        by_app: dict[str, list[list[Line]]] = {}
        for stream in live:
            tail = stream.tail(self._what.lines, self._what.wanted)
            by_app.setdefault(stream.key.app, []).append(tail)
        tails = [list(heapq.merge(*each, key=_by_time)) for each in by_app.values()]
        newest = [tail[-self._what.lines :] if self._what.lines else [] for tail in tails]
        self._writer.write(list(heapq.merge(*newest, key=_by_time)))

    def show_rests(self) -> None:
        """Write the lines that have not ended."""
        rests = [line for stream in self._streams.values() for line in stream.rest()]
        self._writer.write([line for line in rests if self._what.wanted(line.raw)])

    def _filtered(self, lines: Iterator[Line]) -> Iterator[Line]:
        return (line for line in lines if line.note or self._what.wanted(line.raw))

    def _write_all(self, lines: Iterator[Line]) -> None:
        batch: list[Line] = []
        for line in lines:
            batch.append(line)
            if len(batch) == 1000:
                self._writer.write(batch)
                batch = []
        self._writer.write(batch)

    # ------------------------------------------------------------ what comes

    def follow(self, targets: Sequence[str]) -> Exit:
        """Write what comes, until Ctrl-C; instances that come later are followed too."""
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                self._write_live()
                changes = self._source.poll(UNFINISHED_S / 2)
                self._note_changes(changes)
                if changes.apps:
                    self._join_new(targets)
                    self.tell_silent()
        return Exit.INTERRUPTED

    def _write_live(self) -> None:
        lines: list[Line] = []
        while self._live:
            chunk = self._live.popleft()
            stream = self._streams.get(StreamKey(chunk.app, chunk.instance, chunk.stream))
            if stream is not None:
                lines += self._filtered(stream.take(chunk.offset, chunk.data, chunk.times))
        if terminal.of_stdout().is_tty:
            lines += self._overdue()
        self._writer.write(lines)

    def _overdue(self) -> list[Line]:
        now = time.monotonic()
        lines: list[Line] = []
        for stream in self._streams.values():
            if not stream.holds_back:
                continue
            if stream.unfinished_since is None:
                stream.unfinished_since = now
            elif now - stream.unfinished_since >= UNFINISHED_S:
                lines += [line for line in stream.rest() if self._what.wanted(line.raw)]
        return lines

    def _join_new(self, targets: Sequence[str]) -> None:
        """Follow instances that came, from what they printed since this command began."""
        try:
            chosen = choose(self._source, targets)
        except CommandError:
            return  # everything that was meant is deleted; it may come again
        self._apps.update(chosen.apps)
        for stream in self._add(sorted(chosen.instances)):
            self._writer.write(list(self._filtered(stream.since(self._started))))

    def _places(self, name: str) -> str:
        return app_places(self._folder, name).logs

    def tell_silent(self) -> set[str]:
        """Say which agents have gone silent since it was last said, and which came back."""
        apps = self._source.fleet.apps
        silent = {
            name for name in self._apps if name in apps and apps[name].link in ("stale", "gone")
        }
        for name in sorted(silent - self._silent):
            output.complain(f"{apps[name].problem}; its log files: {self._places(name)}")
        for name in sorted(self._silent - silent):
            output.complain(f"{name}: back" if name in apps else f"{name}: deleted")
        self._silent = silent
        return silent


def _by_time(line: Line) -> int:
    return line.at_ns
