"""Makes a report of each unplanned exit, a moment later: then the last lines, the last sample and
the kernel's log are there. An exit that nobody saw, because agent and keeper were killed, is
reported by the next agent, from what is on disk."""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from monit_agent.agent.crashes.kernel_log import KernelHints
from monit_agent.agent.crashes.store import CrashStore, exit_key
from monit_agent.agent.journal import log
from monit_agent.agent.keeper.state import AppState
from monit_agent.agent.logs.reader import StreamReader
from monit_agent.agent.sampling.ring import MetricColumns
from monit_agent.logtext.reason import LINES as REASON_LINES
from monit_agent.logtext.reason import exit_reason
from monit_agent.wire.limits import CRASH_LINES
from monit_agent.wire.messages import (
    AppRecord,
    CrashLine,
    CrashReport,
    EventRecord,
    Exit,
    InstanceRecord,
    Stream,
)

DELAY_S = 1.0
BETWEEN_S = 0.05
"""A report takes some milliseconds; many at once must not delay samples."""

WAITING = 64
"""Exits that wait for their report; of more, the oldest are left out."""

FIRST_S = 3600.0
"""Exits before the first report of an instance are reported when they are no older."""

METRICS_S = 60.0
EVENTS_S = 600.0
EVENTS = 20
LINE_CHARACTERS = 1000

LATE_S = 0.5
"""The last words of a worker may be read this long after its exit."""

EARLY_S = 0.001
"""How exact the time of a start is."""

SAME_S = 600.0
"""The same reason is not announced again within this time."""

_CHANGES = frozenset(
    (
        "requested", "scaled", "reload_started", "reload_step", "reload_done", "reload_failed",
        "reloaded",
        "env_read", "env_problem", "upgraded", "took_over", "unhealthy", "stuck", "unready",
        "killed", "watch_slowed", "errored", "port_taken", "clock_changed", "keeper_started",
        "log_lost",
    )
)  # fmt: skip
_PID = re.compile(r"\bpid (\d+)")


class CrashSources(NamedTuple):
    """Where a report's parts come from."""

    known: Callable[[], AppState | None]
    reader: Callable[[int, Stream], StreamReader]
    metrics: Callable[[int, float], MetricColumns]
    """The past of an instance from a wall time on."""
    announce: Callable[[int, str], None]
    """Make an event of the reason of an instance's exit."""


class CrashCollector:
    """Follows the exits of one app."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, store: CrashStore, sources: CrashSources
    ) -> None:
        self._loop = loop
        self._store = store
        self._sources = sources
        self._kernel = KernelHints()
        self._newest: dict[int, int] | None = None
        """Milliseconds of the last exit of each instance that was reported, or will be."""
        self._waiting: deque[tuple[int, Exit]] = deque()
        self._is_due = False
        self._announced: dict[int, tuple[str, float]] = {}

    def app_changed(self) -> None:
        """Note the exits that are new."""
        known = self._sources.known()
        if known is None:
            return
        if self._newest is None:
            self._newest = self._store.newest()
        for number, record in known.instances.items():
            self._note(number, record, known.app)

    def remove_instance(self, instance: int) -> None:
        """Forget a slot that is gone; its reports stay."""
        self._announced.pop(instance, None)

    def every_second(self) -> None:
        """Write what could not be written before."""
        self._store.write_waiting()

    def _note(self, number: int, record: InstanceRecord, app: AppRecord) -> None:
        newest = self._newest if self._newest is not None else {}
        if not record.exits or exit_key(number, record.exits[-1].at)[1] <= newest.get(number, 0):
            return
        last = record.exits[-1].at
        reported = newest.get(number, exit_key(number, last - FIRST_S)[1])
        newest[number] = exit_key(number, last)[1]
        for each in record.exits:
            if exit_key(number, each.at)[1] > reported and is_crash(each, app):
                self._waiting.append((number, each))
        while len(self._waiting) > WAITING:
            self._waiting.popleft()
            log(f"more than {WAITING} workers exited at once: no crash report of each")
        if self._waiting and not self._is_due:
            self._is_due = True
            self._loop.call_later(DELAY_S, self._make_next)

    def _make_next(self) -> None:
        self._is_due = False
        if not self._waiting:
            return
        number, exit_ = self._waiting.popleft()
        known = self._sources.known()
        if known is not None:
            self._make(number, exit_, known)
        if self._waiting:
            self._is_due = True
            self._loop.call_later(BETWEEN_S, self._make_next)

    def _make(self, number: int, exit_: Exit, known: AppState) -> None:
        own = [event for event in known.events if event.instance in (None, number)]
        pid = _pid_of(own, exit_)
        record = known.instances.get(number)
        reason, lines = self._lines(number, exit_, _end_of_output(record, exit_))
        since = exit_.at - METRICS_S
        past = self._sources.metrics(number, since)
        count = sum(at <= exit_.at + LATE_S for at in past.at)
        report = CrashReport(
            instance=number,
            exit=exit_,
            pid=pid,
            reason=reason,
            hint=self._kernel.hint(pid, exit_.signal, exit_.at),
            lines=lines,
            at=past.at[:count],
            figures={
                name: values[:count]
                for name, values in past.figures.items()
                if any(value is not None for value in values[:count])
            },
            before=tuple(
                event
                for event in own
                if event.kind in _CHANGES and exit_.at - EVENTS_S <= event.at <= exit_.at
            )[-EVENTS:],
        )
        self._store.add(report)
        self._announce(report)

    def _announce(self, report: CrashReport) -> None:
        text, at = self._announced.get(report.instance, ("", 0.0))
        said = report.hint or report.reason
        if said and (said != text or not at <= report.exit.at < at + SAME_S):
            self._announced[report.instance] = said, report.exit.at
            self._sources.announce(report.instance, said)

    # ------------------------------------------------------------ lines

    def _lines(self, number: int, exit_: Exit, end: float) -> tuple[str, tuple[CrashLine, ...]]:
        """Return the reason and the last lines of a worker whose output ended at a wall time."""
        streams: tuple[Stream, ...] = ("err", "out")
        since_ns = int((exit_.at - exit_.ran_s - EARLY_S) * 1e9)
        printed = {
            stream: _printed(self._sources.reader(number, stream), stream, since_ns, int(end * 1e9))
            for stream in streams
        }
        ended = exit_.code, exit_.signal
        reasons = (exit_reason([raw for _, raw in printed[stream]], *ended) for stream in streams)
        reason = next((each for each in reasons if each), "")
        lines = [line for stream in reversed(streams) for line, _ in printed[stream]]
        lines.sort(key=lambda line: line.at_ns)  # stable: each stream stays in its order
        return reason, tuple(lines[-CRASH_LINES:])


def is_crash(exit_: Exit, app: AppRecord) -> bool:
    """Return whether an exit was not planned: a job that is done exits with 0 and stays so."""
    if exit_.requested or exit_.code in app.policy.stop_exit_codes:
        return False
    return app.policy.restart == "always" or exit_.code != 0


def _printed(
    reader: StreamReader, stream: Stream, since_ns: int, until_ns: int
) -> list[tuple[CrashLine, bytes]]:
    """Return the last lines of a stream that were printed within these times."""
    try:
        end = reader.since(until_ns)
        part = reader.tail(REASON_LINES, end.offset)
        times = reader.times(part.offset, part.offset + len(part.data))
    except OSError:
        return []
    found: list[tuple[CrashLine, bytes]] = []
    offset, number, at_ns = part.offset, 0, times[0][1] if times else 0
    for raw in part.data.removesuffix(b"\n").split(b"\n") if part.data else ():
        while number < len(times) and times[number][0] <= offset:
            at_ns = times[number][1]
            number += 1
        if at_ns >= since_ns or not at_ns:
            text = raw[: 4 * LINE_CHARACTERS].decode("utf-8", "backslashreplace")
            found.append((CrashLine(stream, offset, at_ns, text[:LINE_CHARACTERS]), raw))
        offset += len(raw) + 1
    return found


def _end_of_output(record: InstanceRecord | None, exit_: Exit) -> float:
    """Return the wall time from which on what was printed is the next worker's."""
    starts = [each.at - each.ran_s for each in record.exits] if record is not None else []
    if record is not None and record.started_at is not None:
        starts.append(record.started_at)
    end = exit_.at + LATE_S
    return min((start for start in starts if exit_.at <= start < end), default=end)


def _pid_of(events: Iterable[EventRecord], exit_: Exit) -> int | None:
    """Return the pid of the worker that exited, from the event of its start."""
    began = exit_.at - exit_.ran_s
    near = [
        event
        for event in events
        if event.kind in ("spawned", "adopted") and event.at <= exit_.at and _PID.search(event.text)
    ]
    chosen = min(near, key=lambda event: abs(event.at - began), default=None)
    found = _PID.search(chosen.text) if chosen is not None else None
    return int(found[1]) if found else None
