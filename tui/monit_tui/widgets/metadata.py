"""Metadata of the row under the cursor: script, interpreter, process, limits, last exits."""

from collections.abc import Callable

from textual.strip import Strip

from monit_agent.client.text.environment import environment_pairs, schedule_pairs
from monit_agent.client.text.format import (
    UNKNOWN,
    format_clock,
    format_date_and_time,
    format_uptime,
)
from monit_agent.client.text.manager import manager_problems
from monit_agent.client.text.outcomes import exit_text, health_text
from monit_agent.client.text.sanitize import printable
from monit_agent.client.text.settings import mode_text, setting_pairs
from monit_agent.client.text.shell import script_words, shell_words
from monit_agent.client.text.watch import watch_text
from monit_agent.client.view import AppView, Fleet, InstanceView
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.messages import AppRecord
from monit_tui.clock import Clock
from monit_tui.model.processes.condition import age_text, figures_age_s
from monit_tui.model.processes.notes import reasons_of
from monit_tui.model.processes.reasons import explained_views
from monit_tui.model.processes.rows import RowKey
from monit_tui.text.fitting import fit_middle, wrap_words
from monit_tui.theme import Look
from monit_tui.widgets.lines import make_strip
from monit_tui.widgets.processes.facts import Pair, process_pairs, tree_pairs
from monit_tui.widgets.scrolled import ScrolledLines

LABEL_WIDTH = 15
SHORT_VALUE = 28
"""Most characters of a value in one of two columns."""

COLUMN = 46
"""Cells of a column of short facts; a pane twice as wide shows two."""

EXITS_SHOWN = 3
"""Number of last exits that are listed, of up to ten."""


class MetadataPane(ScrolledLines):
    """Facts that change seldom, as labels and values."""

    def __init__(
        self, fleet: Fleet, look: Look, clock: Clock, error_of: Callable[[InstanceId], str]
    ) -> None:
        super().__init__(id="metadata")
        self._error_of = error_of
        self._fleet, self._look, self._clock = fleet, look, clock
        self._key: RowKey | None = None

    def show(self, key: RowKey | None) -> None:
        """Show another row."""
        self._key = key
        self.top = 0
        self.repaint()

    def lines(self, width: int) -> list[Strip]:
        """Return the facts, the short ones in two columns if there is room."""
        app = self._fleet.apps.get(self._key.app) if self._key else None
        if app is None or self._key is None:
            return []
        number = self._key.instance
        if number is None and len(app.instances) == 1:
            number = next(iter(app.instances))
        view = None if number is None else app.instances.get(number)
        style = self._look.style
        if app.record is None:
            problem = app.problem or "waiting for the first answer of its agent"
            return [make_strip([(f" {printable(problem)}", style("muted"))], width)]
        if view is not None and self._key.pid is not None:
            pairs = process_pairs(view, self._key.pid, self._clock.wall())
            return [self._pair(pair, width) for pair in pairs]
        first, short, long = _of_app(app, app.record, self._clock.wall())
        lines = self._reasons(app, view, width) + [self._pair(pair, width) for pair in first]
        if view is not None:
            age_s = figures_age_s(app, view, self._clock.now())
            if age_s is not None:
                lines.append(
                    self._pair(("figures", age_text(age_s).removeprefix("figures ")), width)
                )
            lines += self._short(_of_instance(view, self._clock.wall()), width)
            lines += [self._pair(pair, width) for pair in _exit_pairs(view)]
        return lines + self._short(short, width) + [self._pair(pair, width) for pair in long]

    def _reasons(self, app: AppView, view: InstanceView | None, width: int) -> list[Strip]:
        """Return why the row is in trouble, wrapped, each reason on lines of its own."""
        if self._key is None:
            return []
        now = self._clock.now()
        key = self._key if view is None else RowKey(self._key.app, view.identity.instance)
        bad = explained_views(self._fleet, key, now)
        if not bad:
            return []
        texts = reasons_of(app, bad[0], now, self._error_of(bad[0].identity))
        style, lines = self._look.style, list[Strip]()
        for text in (*texts, *_next_start(bad[0], now.wall)):
            for row in wrap_words(printable(self.with_keys(text)), max(1, width - 18)):
                label = "" if lines else "why"
                head = (f" {label:<{LABEL_WIDTH}} ", style("bad"))
                lines.append(make_strip([head, (row, style("reason"))], width))
        return [*lines, make_strip([], width)]

    def _short(self, pairs: list[Pair], width: int) -> list[Strip]:
        if width < 2 * COLUMN:
            return [self._pair(pair, width) for pair in pairs]
        half = (len(pairs) + 1) // 2
        left, right = pairs[:half], [*pairs[half:], ("", "")]
        column = width // 2
        return [
            Strip.join([self._pair(one, column), self._pair(two, width - column)])
            for one, two in zip(left, right, strict=False)
        ]

    def _pair(self, pair: Pair, width: int) -> Strip:
        name, value = pair
        style = self._look.style
        if name == "script":  # its end names the program
            value = fit_middle(
                printable(value), max(1, width - LABEL_WIDTH - 2), self._look.glyphs.ellipsis
            )
        return make_strip(
            [
                (f" {name:<{LABEL_WIDTH}} ", style("muted")),
                (printable(self.with_keys(value)), style("plain")),
            ],
            width,
        )


def _of_app(
    app: AppView, record: AppRecord, wall: float
) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Return the most important facts, the short ones and the long ones."""
    first = [("script", shell_words(script_words(record)))]
    first[:0] = [("problem", text) for text in manager_problems(app)]
    first += schedule_pairs(record)
    watch = watch_text(record.watch, wall)
    if watch:
        first.append(("watch state", watch))
    settings = setting_pairs(record)
    short = [
        ("mode", mode_text(record)),
        ("started by", record.user),
        ("version", record.version or UNKNOWN),
        ("created", format_date_and_time(record.created_at)),
        ("keeper", _pid(record.keeper_pid) if app.keeper_alive else "not running"),
        ("agent", _pid(app.agent_pid)),
        *(pair for pair in settings if len(pair[1]) <= SHORT_VALUE),
    ]
    long = [
        ("command", shell_words(record.argv)),
        *(pair for pair in settings if len(pair[1]) > SHORT_VALUE),
        *environment_pairs(record.environment),
    ]
    return first, short, long


def _of_instance(view: InstanceView, wall: float) -> list[Pair]:
    record = view.record
    started = record.started_at
    crashes = [view.restarts_within(seconds, wall) for seconds in (60, 300, 3600)]
    pairs = [
        ("pid", _pid(record.pid) + (" (adopted)" if record.adopted else "")),
        ("user", (view.sample and view.sample.user) or UNKNOWN),
        *([("revision", view.sample.revision)] if view.sample and view.sample.revision else []),
        ("started", UNKNOWN if started is None else format_date_and_time(started)),
        ("restarts", str(record.restarts)),
        ("failed starts", f"{record.failed_starts} in a row"),
        ("crashes", "{} in 1 min, {} in 5 min, {} in 1 h".format(*crashes)),
        ("desired", record.desired),
        ("id", str(record.id)),
        *tree_pairs(view),
    ]
    health = view.sample.health if view.sample and view.sample.pid == record.pid else None
    if health is not None:
        pairs.insert(0, ("health", health_text(health.ok, health.text, health.failures)))
    return pairs


def _next_start(view: InstanceView, wall: float) -> tuple[str, ...]:
    due = view.record.next_start_at
    if view.record.status != "backoff" or due is None:
        return ()
    return (f"next start in {format_uptime(max(0.0, due - wall))}",)


def _exit_pairs(view: InstanceView) -> list[Pair]:
    exits = list(reversed(view.record.exits))[:EXITS_SHOWN]
    return [
        ("last exits" if not place else "", f"{format_clock(one.at)}  {exit_text(one)}")
        for place, one in enumerate(exits)
    ]


def _pid(pid: int | None) -> str:
    return UNKNOWN if pid is None else str(pid)
