"""The crash view: the last exits of an app side by side, each with its last lines."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip

from monit_agent.client.logs.last_error import LATE_S, error_of
from monit_agent.client.source import Source
from monit_agent.client.text.format import format_date_and_time, format_quantity
from monit_agent.client.text.outcomes import exit_text
from monit_agent.client.text.sanitize import plain_text, printable
from monit_agent.wire.limits import CRASHES
from monit_agent.wire.messages import (
    Answer,
    Crashes,
    CrashesPart,
    CrashReport,
    LogPart,
    LogSince,
    LogTail,
    Refused,
    Stream,
)
from monit_tui.compositor import TightCompositor
from monit_tui.model.crashes import Crash, crashes_of, shown_lines
from monit_tui.model.processes.rows import RowKey, row_name
from monit_tui.palettes import Tone
from monit_tui.text.compact import compact_json
from monit_tui.text.fitting import fit_end, fit_middle, wrap_words
from monit_tui.theme import Look
from monit_tui.widgets.key_bar import KeyBar, KeyHint, title_bar
from monit_tui.widgets.lines import Lines, make_strip

COLUMN_LEAST = 44
"""Fewest cells of a column; as many as fit stand side by side."""

LINES = 200
"""Lines before an exit that are fetched."""


class CrashColumns(Lines, can_focus=True):
    """The newest exit is on the left; there is one at least."""

    def __init__(self, source: Source, look: Look, key: RowKey) -> None:
        super().__init__(id="crash-columns")
        self._source, self._look, self._key = source, look, key
        self._crashes = crashes_of(source.fleet, key)
        self._printed: dict[Crash, list[bytes] | str] = {}
        """The last lines of each worker, or why they are not known."""
        self._reports: dict[tuple[int, float], CrashReport] = {}
        """By instance and time of the exit."""
        self._first = 0
        self._folded = True

    def on_mount(self) -> None:
        """Request the last lines of each worker."""
        for crash in self._crashes:
            self._find(crash, ("err", "out"))
        for identity in {crash.identity for crash in self._crashes}:
            request = Crashes(instance=identity.instance, limit=CRASHES)
            self._source.send_request(identity.app_id, request, self._reported)

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return title and columns."""
        look = self._look
        count = len(self._crashes)
        columns = max(1, min(count, width // COLUMN_LEAST))
        self._first = max(0, min(self._first, count - columns))
        last = self._first + columns
        head = self._title(columns, width)
        room, over = divmod(width - columns + 1, columns)
        parts: list[list[Strip]] = []
        for number, crash in enumerate(self._crashes[self._first : last]):
            parts.append(self._column(crash, room + (number < over), height - 1))
        bar = make_strip([(look.glyphs.bar, look.style("muted"))], 1)
        rows = [_joined(list(row), bar) for row in zip(*parts, strict=True)]
        return [head, *rows]

    def _title(self, columns: int, width: int) -> Strip:
        """Return what is shown: which exits of how many."""
        count, first = len(self._crashes), self._first + 1
        name, exits = printable(row_name(self._key)), f": {format_quantity(count, 'exit')}"
        places = f"{first}-{first + columns - 1}" if columns > 1 else f"{first}"
        details = [*[f"{places} of {count}"] * (columns < count), "newest first"]
        room = width - cell_len(exits + details[0]) - 11
        name = fit_middle(name, min(cell_len(name), max(12, room)), self._look.glyphs.ellipsis)
        return title_bar(name + exits, details, width, self._look)

    def _column(self, crash: Crash, width: int, height: int) -> list[Strip]:
        look, dots = self._look, self._look.glyphs.ellipsis
        room = max(1, width - 2)
        printed = self._printed.get(crash, "loading")
        report = self._reports.get((crash.identity.instance, crash.exit.at))
        if isinstance(printed, str) and report is not None and report.lines:
            printed = [line.text.encode() for line in report.lines]  # the log was emptied
        raw = printed if isinstance(printed, list) else []
        hint = printable(report.hint) if report is not None else ""
        head: list[tuple[str, Tone]] = [
            (f"{format_date_and_time(crash.exit.at)}  {crash.identity}", "muted"),
            (exit_text(crash.exit), "bad"),
            *((text, "warn") for text in wrap_words(error_of(raw, crash.exit), room)[:3]),
            *((text, "bad") for text in wrap_words(hint, room)[:3] if hint),
            (look.glyphs.rule * room, "muted"),
        ]
        if isinstance(printed, str):
            head.append((printed, "muted"))
        body = shown_lines([_readable(line) for line in raw], folded=self._folded)
        lines = [*head, *body[-max(0, height - len(head)) :]] if height > len(head) else head
        strips = [
            make_strip([(f" {fit_end(printable(text), room, dots)} ", look.style(tone))], width)
            for text, tone in lines[:height]
        ]
        return strips + [make_strip([], width)] * (height - len(strips))

    # ------------------------------------------------------------ keys

    def move(self, step: int) -> None:
        """Show older or newer exits."""
        self._first += step
        self.repaint()

    def toggle_stacks(self) -> None:
        """Show the lines of stacks, or one line for each."""
        self._folded = not self._folded
        self.repaint()

    # ------------------------------------------------------------ lines of workers

    def _reported(self, answer: Answer) -> None:
        if isinstance(answer, CrashesPart):
            self._reports |= {(each.instance, each.exit.at): each for each in answer.reports}
            self.repaint()

    def _find(self, crash: Crash, streams: tuple[Stream, ...]) -> None:
        """Request where the worker's last line ends, then the lines before."""
        number = crash.identity.instance
        request = LogSince(instance=number, stream=streams[0], at=crash.exit.at + LATE_S)
        self._send(crash, request, partial(self._found, crash, streams))

    def _found(self, crash: Crash, streams: tuple[Stream, ...], part: LogPart) -> None:
        number = crash.identity.instance
        request = LogTail(instance=number, stream=streams[0], lines=LINES, before=part.offset)
        self._send(crash, request, partial(self._read, crash, streams))

    def _read(self, crash: Crash, streams: tuple[Stream, ...], part: LogPart) -> None:
        since = (crash.exit.at - crash.exit.ran_s - LATE_S) * 1e9
        early = [offset for offset, at_ns in part.times if at_ns >= since]
        start = max(0, early[0] - part.offset) if early else 0 if not part.times else len(part.data)
        lines = [line for line in part.data[start:].split(b"\n") if line.strip()]
        if not lines and len(streams) > 1:
            self._find(crash, streams[1:])
            return
        self._printed[crash] = lines or "it printed nothing, or its log was emptied"
        self.repaint()

    def _send(
        self, crash: Crash, request: LogSince | LogTail, then: Callable[[LogPart], None]
    ) -> None:
        def answered(answer: Answer) -> None:
            if isinstance(answer, LogPart):
                then(answer)
            elif isinstance(answer, Refused):
                self._printed[crash] = answer.message
                self.repaint()

        self._source.send_request(crash.identity.app_id, request, answered)


def _readable(raw: bytes) -> str:
    """Return a line as the log shows it: JSON as level, message and ``key=value``."""
    pieces = compact_json(raw, with_time=True)
    return plain_text(raw) if pieces is None else "".join(piece.text for piece in pieces)


def _joined(parts: list[Strip], bar: Strip) -> Strip:
    joined = [parts[0]]
    for part in parts[1:]:
        joined += [bar, part]
    return Strip.join(joined)


class CrashScreen(ModalScreen[None]):
    """Shows the crash view on the whole screen."""

    DEFAULT_CSS = "CrashScreen { background: $background; } #crash-columns { height: 1fr; }"
    KEYS: ClassVar[tuple[KeyHint, ...]] = (
        KeyHint("Left", "newer", "move(-1)"),
        KeyHint("Right", "older", "move(1)"),
        KeyHint("Enter", "stacks", "stacks"),
        KeyHint("Esc", "close", "dismiss"),
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "dismiss", "close", show=False),
        Binding("ctrl+c,ctrl+q", "app.leave", "quit", show=False, priority=True),
        Binding("left,h", "move(-1)", "newer", show=False),
        Binding("right,l", "move(1)", "older", show=False),
        Binding("enter", "stacks", "stacks", show=False),
    ]

    def __init__(self, source: Source, look: Look, key: RowKey) -> None:
        super().__init__()
        self._compositor = TightCompositor()
        self._columns = CrashColumns(source, look, key)
        self._keys = KeyBar(look, self.KEYS)

    def compose(self) -> ComposeResult:
        """Compose the columns and the keys."""
        yield self._columns
        yield self._keys

    def action_move(self, step: int) -> None:
        """Show older or newer exits."""
        self._columns.move(step)

    def action_stacks(self) -> None:
        """Show the lines of stacks, or one line for each."""
        self._columns.toggle_stacks()
