"""A `Source` that plays scenes: no processes, no sockets, the same every time.

Its clock stands still until `ReplaySource.advance` moves it, or follows real time when asked
to. Commands change the scene through the events that an agent would send.
"""

import heapq
import time
from collections.abc import Callable, Collection, Iterable
from itertools import count

from monit_agent.client import fold
from monit_agent.client.gather import Gathering
from monit_agent.client.plays import obey
from monit_agent.client.replay_app import Play, Printed, ReplayedApp
from monit_agent.client.replay_log import ReplayedLog
from monit_agent.client.source import Changes, LogChunk
from monit_agent.client.view import AppView, Fleet, Identity
from monit_agent.wire.limits import BEAT_S, LOG_CHUNK_BYTES
from monit_agent.wire.messages import (
    Answer,
    Event,
    Happened,
    LogRange,
    LogSince,
    LogTail,
    MetricsRange,
    Refused,
    Request,
    Sample,
    Snapshot,
    Usage,
    UsagePart,
)

START = 1773497002.0
"""When every scene begins: Saturday 14 March 2026, 14:03:22 UTC."""

UNREAD_BYTES = 4 * 1024 * 1024
"""Log bytes that wait for one `ReplaySource.poll`; more are dropped and leave a hole."""


class ReplaySource:
    """Plays apps; see `monit_agent.client.source.Source` for what it promises."""

    def __init__(self, apps: Iterable[ReplayedApp] = (), *, real_time: bool = False) -> None:
        self.fleet = Fleet()
        self.stage: dict[str, ReplayedApp] = {}
        """The apps that are played, by name."""
        self.leaps = False
        """Let `poll` pass scene time where it would wait, for code that waits and tests."""
        self._played_s = 0.0
        self._real_since = time.monotonic() if real_time else None
        self._order = count()
        self._agenda: list[tuple[float, int, Play]] = []
        self._waiting: list[tuple[float, str, Request, Callable[[Answer], None]]] = []
        self._followed: frozenset[Identity] = frozenset()
        self._gathered = Gathering()
        for app in apps:
            self.enter(app)

    # ------------------------------------------------------------ the stage

    def enter(self, app: ReplayedApp) -> None:
        """Let an app appear, as when somebody starts one."""
        name = app.record.name
        self.stage[name] = app
        app.enter(self.wall, self._publish)
        self.fleet.apps[name] = AppView(name)
        self._take_snapshot(app)
        self.play(_pulses(app))

    def play(self, play: Play, after_s: float = 0.0) -> None:
        """Let ``play`` run; its first step comes ``after_s`` seconds from now."""
        heapq.heappush(self._agenda, (self._played_s + after_s, next(self._order), play))
        if after_s == 0.0:
            self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Let scene time pass; what happens is there for the next `poll`."""
        until = self._played_s + seconds
        while self._agenda and self._agenda[0][0] <= until:
            due, _, play = heapq.heappop(self._agenda)
            self._played_s = max(self._played_s, due)
            pause = next(play, None)
            if pause is not None:
                heapq.heappush(self._agenda, (due + pause, next(self._order), play))
        self._played_s = until
        self._mark_silence()

    def wall(self) -> float:
        """Give the scene's time of day."""
        return START + self._played_s

    def monotonic(self) -> float:
        """Give the seconds since the scene began."""
        return self._played_s

    # ------------------------------------------------------------ Source

    def poll(self, wait_s: float = 0.0) -> Changes:
        """Give what happened since the last poll; only a scene in real time waits."""
        if self._real_since is not None:
            self._catch_up(wait_s)
        answered = self._answer_all()
        if self.leaps and not answered and not self._gathered:
            due = self._agenda[0][0] - self._played_s if self._agenda else wait_s
            self.advance(min(wait_s, due))
            self._answer_all()
        return self._gathered.take()

    def ask(
        self, app: str, request: Request, then: Callable[[Answer], None], timeout_s: float = 5.0
    ) -> None:
        """Answer at the next poll, or never when the app's agent is silent."""
        self._waiting.append((self._played_s + timeout_s, app, request, then))

    def follow_logs(self, who: Collection[Identity]) -> None:
        """From now on bring the log bytes of exactly these instances."""
        self._followed = frozenset(who)

    def close(self) -> None:
        """End all plays."""
        self._agenda.clear()

    # ------------------------------------------------------------ inside

    def _catch_up(self, wait_s: float) -> None:
        since = self._real_since or 0.0
        next_due = self._agenda[0][0] if self._agenda else self._played_s + wait_s
        pause = min(wait_s, since + next_due - time.monotonic())
        if pause > 0 and not self._waiting:
            time.sleep(pause)
        self.advance(max(0.0, time.monotonic() - since - self._played_s))

    def _answer_all(self) -> bool:
        """Answer what can be answered, give up what is overdue; True if there was any."""
        waiting, self._waiting = self._waiting, []
        for deadline, name, request, then in waiting:
            app = self.stage.get(name)
            if app is not None and not app.silent:
                then(self._answer(app, request))
            elif app is None or self._played_s >= deadline:
                message = f"{name}: its agent does not answer; see `monit describe {name}`"
                then(Refused(kind="keeper_gone", message=message))
            else:
                self._waiting.append((deadline, name, request, then))
        return len(self._waiting) < len(waiting)

    def _answer(self, app: ReplayedApp, request: Request) -> Answer:
        number = getattr(request, "instance", None)
        if number is not None and number not in app.instances:
            message = f"{app.record.name} has no instance {number}"
            return Refused(kind="no_such_instance", message=message)
        match request:
            case Snapshot():
                return app.snapshot()
            case LogRange() | LogTail() | LogSince():
                return _read_log(app, request)
            case MetricsRange():
                return app.metrics(request.instance, request.seconds)
            case Usage():
                rss = app.sample(request.instance, app.wall()).rss_bytes
                uss = None if rss is None else rss * 4 // 5
                return UsagePart(instance=request.instance, uss_bytes=uss)
            case _:
                return obey(app, request, self.play)

    def _publish(
        self, app: ReplayedApp, what: Event | Sample | Printed | None, number: int
    ) -> None:
        name = app.record.name
        view = self.fleet.apps.get(name)
        if app.silent or view is None:
            return
        if view.link != "live":
            self._gathered.apps.add(name)
        if isinstance(what, Printed):
            self._hear_log(name, what)
            return
        outcome = self._fold(view, app.epoch, what, number)
        if outcome == "bye":
            del self.fleet.apps[name], self.stage[name]
        elif outcome == "needs_snapshot":
            self._take_snapshot(app)

    def _fold(
        self, view: AppView, epoch: int, what: Event | Sample | None, number: int
    ) -> fold.Outcome:
        now = self.monotonic()
        if what is None:
            return fold.apply_beat(view, epoch, self.stage[view.name].event_seq, now)
        if isinstance(what, Sample):
            self._gathered.sampled.add(view.name)
            return fold.apply_sample(view, epoch, number, what, now)
        self._gathered.apps.add(view.name)
        if isinstance(what, Happened):
            self._gathered.happened.append((view.name, what.happening))
        return fold.apply_event(view, epoch, number, what, now)

    def _hear_log(self, name: str, printed: Printed) -> None:
        if Identity(name, printed.instance) not in self._followed:
            return
        view = self.fleet.apps[name]
        fold.extend_log(view, printed.instance, printed.stream, printed.offset + len(printed.data))
        for at in range(0, len(printed.data), LOG_CHUNK_BYTES):
            data = printed.data[at : at + LOG_CHUNK_BYTES]
            if self._gathered.log_bytes + len(data) > UNREAD_BYTES:
                return
            chunk = LogChunk(
                name, printed.instance, printed.stream, printed.offset + at, data, (printed.time,)
            )
            self._gathered.add_log(chunk)

    def _take_snapshot(self, app: ReplayedApp) -> None:
        name = app.record.name
        fold.apply_snapshot(self.fleet.apps[name], app.snapshot(), self.monotonic())
        self._gathered.apps.add(name)

    def _mark_silence(self) -> None:
        for name, view in self.fleet.apps.items():
            if fold.mark_silence(view, self._played_s):
                self._gathered.apps.add(name)


def _pulses(app: ReplayedApp) -> Play:
    while not app.left:
        app.pulse()
        yield BEAT_S


def _read_log(app: ReplayedApp, request: LogRange | LogTail | LogSince) -> Answer:
    key = (request.instance, request.stream)
    log = app.logs.get(key) or ReplayedLog(*key)
    if isinstance(request, LogRange):
        return log.part(request.start, request.max_bytes)
    if isinstance(request, LogTail):
        return log.tail(request.lines, request.before)
    return log.since(round(request.at * 1e9))
