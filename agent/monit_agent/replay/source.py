"""A `Source` that plays scenes: no processes, no sockets, the same every time.

Its clock stands still until `ReplaySource.advance` moves it, or follows real time when asked
to. Commands change the scene through the events that an agent would send.
"""

import time
from collections.abc import Callable, Collection, Iterable

from monit_agent.client.source import Changes
from monit_agent.replay.answers import answer
from monit_agent.replay.app import Play, ReplayedApp
from monit_agent.replay.audience import Audience
from monit_agent.replay.timeline import Timeline
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.limits import BEAT_S
from monit_agent.wire.messages import Answer, Refused, Request

START = 1773497002.0
"""When every scene begins: Saturday 14 March 2026, 14:03:22 UTC."""


class ReplaySource:
    """Plays apps; see `monit_agent.client.source.Source` for what it promises."""

    def __init__(self, apps: Iterable[ReplayedApp] = (), *, real_time: bool = False) -> None:
        self.stage: dict[str, ReplayedApp] = {}
        """The apps that are played, by name."""
        self.leaps = False
        """Let `poll` pass scene time where it would wait, for code that waits and tests."""
        self._timeline = Timeline(START)
        self._real_since = time.monotonic() if real_time else None
        self._waiting: list[tuple[float, AppId, Request, Callable[[Answer], None]]] = []
        self._audience = Audience(self.monotonic)
        self.fleet = self._audience.fleet
        for app in apps:
            self.enter(app)

    # ------------------------------------------------------------ the stage

    def enter(self, app: ReplayedApp) -> None:
        """Let an app appear, as when somebody starts one."""
        name = app.record.name
        self.stage[name] = app
        app.enter(self._timeline, self._audience.hear)
        self._audience.meet(app)
        self.play(_pulses(app))

    def play(self, play: Play, after_s: float = 0.0) -> None:
        """Let ``play`` run; its first step comes ``after_s`` seconds from now."""
        self._step_at(self._timeline.now + after_s, play)
        if after_s == 0.0:
            self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Let scene time pass; what happens is there for the next `poll`."""
        self._timeline.run_until(self._timeline.now + seconds)
        self._audience.mark_silence()

    def wall(self) -> float:
        """Return the scene's time of day."""
        return self._timeline.now

    def monotonic(self) -> float:
        """Return the seconds since the scene began."""
        return self._timeline.now - START

    # ------------------------------------------------------------ Source

    def poll(self, wait_s: float = 0.0) -> Changes:
        """Return what happened since the last poll; only a scene in real time waits."""
        if self._real_since is not None:
            self._catch_up(wait_s)
        answered = self._answer_all()
        if self.leaps and not answered and not self._audience.changes:
            self.advance(min(wait_s, self._until_next(wait_s)))
            self._answer_all()
        return self._audience.changes.take_all()

    def send_request(
        self, app: AppId, request: Request, then: Callable[[Answer], None], timeout_s: float = 5.0
    ) -> None:
        """Answer at the next poll, or never when the app's agent is silent."""
        self._waiting.append((self.monotonic() + timeout_s, app, request, then))

    def follow_logs(self, who: Collection[InstanceId]) -> None:
        """From now on bring the log bytes of exactly these instances."""
        self._audience.followed = frozenset(who)

    def close(self) -> None:
        """End all plays."""
        self._timeline.clear()

    # ------------------------------------------------------------ inside

    def _catch_up(self, wait_s: float) -> None:
        since = self._real_since or 0.0
        elapsed = time.monotonic() - since
        pause = min(wait_s, self.monotonic() + self._until_next(wait_s) - elapsed)
        if pause > 0 and not self._waiting:
            time.sleep(pause)
        self.advance(max(0.0, time.monotonic() - since - self.monotonic()))

    def _until_next(self, wait_s: float) -> float:
        due = self._timeline.next_due()
        return wait_s if due is None else due - self._timeline.now

    def _step_at(self, at: float, play: Play) -> None:
        def step() -> None:
            pause = next(play, None)
            if pause is not None:
                self._step_at(at + pause, play)

        self._timeline.call_at(at, step)

    def _answer_all(self) -> bool:
        """Answer what can be answered, give up what is overdue; True if there was any."""
        waiting, self._waiting = self._waiting, []
        answered = False
        for deadline, name, request, then in waiting:
            app = self.stage.get(name.app)
            if app is not None and not app.silent and not app.deleted:
                answered = True
                then(answer(app, request))
            elif app is None or app.deleted or self.monotonic() >= deadline:
                answered = True
                message = f"{name}: its agent does not answer; see `monit describe {name}`"
                then(Refused(kind="keeper_gone", message=message))
            else:
                self._waiting.append((deadline, name, request, then))
        return answered


def _pulses(app: ReplayedApp) -> Play:
    while not app.deleted:
        app.publish_samples()
        yield BEAT_S
