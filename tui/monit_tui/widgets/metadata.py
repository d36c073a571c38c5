"""What the row under the cursor is: script, interpreter, process, limits, how it ended before."""

from textual.strip import Strip

from monit_agent.client.view import AppView, Fleet, InstanceView
from monit_agent.wire.messages import AppRecord, Checks, Exit, Health, Limits
from monit_tui.clock import Clock
from monit_tui.format import UNKNOWN, clock, duration, moment, printable, size
from monit_tui.rows import RowKey
from monit_tui.theme import Look
from monit_tui.widgets.lines import strip
from monit_tui.widgets.process_facts import Pair, process_pairs, tree_pairs
from monit_tui.widgets.scrolled import Scrolled

COLUMN = 46
"""Cells that one column of short facts needs; a pane twice as wide shows two."""


EXITS_SHOWN = 3
"""Of up to ten: the newest say what is wrong."""


class MetadataPane(Scrolled):
    """Facts that change seldom, as names and values."""

    def __init__(self, fleet: Fleet, look: Look, clock: Clock) -> None:
        super().__init__(id="metadata")
        self._fleet, self._look, self._clock = fleet, look, clock
        self._key: RowKey | None = None

    def show(self, key: RowKey | None) -> None:
        """Show another row."""
        self._key = key
        self.top = 0
        self.repaint()

    def lines(self, width: int) -> list[Strip]:
        """Give the facts, the short ones in two columns where there is room."""
        app = self._fleet.apps.get(self._key.app) if self._key else None
        if app is None or self._key is None:
            return []
        number = self._key.instance
        if number is None and len(app.instances) == 1:
            number = next(iter(app.instances))
        view = None if number is None else app.instances.get(number)
        style = self._look.style
        if app.record is None:
            problem = app.problem or "waiting for its agent's first word"
            return [strip([(f" {printable(problem)}", style("muted"))], width)]
        if view is not None and self._key.pid is not None:
            pairs = process_pairs(view, self._key.pid, self._clock.wall())
            return [self._pair(pair, width) for pair in pairs]
        first, short, long = _of_app(app, app.record)
        lines = [self._pair(pair, width) for pair in first]
        if view is not None:
            lines += self._short(_of_instance(view, self._clock.wall()), width)
            lines += [self._pair(pair, width) for pair in _ends(view)]
        return lines + self._short(short, width) + [self._pair(pair, width) for pair in long]

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
        return strip([(f" {name:<12} ", style("muted")), (printable(value), style("plain"))], width)


def _of_app(app: AppView, record: AppRecord) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Give what is asked first, short facts, and long ones."""
    first = [("script", " ".join([record.script, *record.args]))]
    if app.problem:
        first.insert(0, ("problem", app.problem))
    count = f"{record.instances} instance{'' if record.instances == 1 else 's'}"
    short = [
        ("mode", f"{record.mode}, {count}"),
        ("interpreter", record.interpreter or UNKNOWN),
        ("port", UNKNOWN if record.port is None else str(record.port)),
        ("user", record.user),
        ("namespace", record.namespace),
        ("version", record.version or UNKNOWN),
        ("watching", "yes" if record.watching else "no"),
        ("created", moment(record.created_at)),
        ("keeper", _pid(record.keeper_pid) if app.keeper_alive else "gone"),
        ("agent", _pid(app.agent_pid)),
    ]
    long = [
        ("directory", record.cwd),
        ("runs", " ".join(record.argv)),
        ("limits", _limits(record.limits)),
        *_checks(record.checks),
    ]
    return first, short, long


def _of_instance(view: InstanceView, wall: float) -> list[Pair]:
    record = view.record
    started = record.started_at
    crashes = [view.restarts_within(seconds, wall) for seconds in (60, 300, 3600)]
    pairs = [
        ("pid", _pid(record.pid) + (", adopted" if record.adopted else "")),
        ("started", UNKNOWN if started is None else moment(started)),
        ("restarts", f"{record.restarts}, {record.unstable_restarts} unstable"),
        ("crashes", "{} in 1 min, {} in 5, {} in 60".format(*crashes)),
        ("wanted", f"{record.wanted}{', ready' if record.ready else ''}"),
        ("id", str(record.id)),
        *tree_pairs(view),
    ]
    if record.reason:
        pairs.insert(0, ("reason", record.reason))
    health = view.sample.health if view.sample and view.sample.pid == record.pid else None
    if health is not None:
        pairs.insert(0, ("health", _health(health)))
    return pairs


def _health(health: Health) -> str:
    if health.ok is None:
        return "not checked yet"
    return f"ok, {health.text}" if health.ok else f"failed ({health.failures}): {health.text}"


def _checks(checks: Checks) -> list[Pair]:
    pairs = [
        ("ready when", checks.ready_url or " ".join(checks.ready_command)),
        ("health check", checks.health_url or " ".join(checks.health_command)),
    ]
    return [pair for pair in pairs if pair[1]]


def _ends(view: InstanceView) -> list[Pair]:
    ends = list(reversed(view.record.exits))[:EXITS_SHOWN]
    return [("last exits" if not place else "", _end(one)) for place, one in enumerate(ends)]


def _end(one: Exit) -> str:
    how = "nobody saw how"
    if one.signal is not None:
        how = f"signal {one.signal}"
    elif one.code is not None:
        how = f"exit code {one.code}"
    asked = ", asked for" if one.asked else ""
    ran = f"{one.ran_s:.1f}s" if one.ran_s < 10 else duration(one.ran_s)
    return f"{clock(one.at)}  {how} after {ran}{asked}"


def _limits(limits: Limits) -> str:
    parts = [
        "starts again by itself" if limits.autorestart else "is not started again",
        f"gives up after {limits.max_restarts} early deaths",
        f"{limits.stop_signal}, then SIGKILL after {limits.kill_timeout_s:g} s",
    ]
    if limits.max_memory_bytes:
        parts.insert(0, f"memory {size(limits.max_memory_bytes)}")
    if limits.cron:
        parts.append(f"restart at {limits.cron}")
    return ", ".join(parts)


def _pid(pid: int | None) -> str:
    return UNKNOWN if pid is None else str(pid)
