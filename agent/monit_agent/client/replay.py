"""A `Source` that plays scenes: no processes, no sockets, the same every time.

Its clock stands still until `ReplaySource.advance` moves it, or follows real time when asked
to. Commands change the scene through the events that an agent would send.
"""

import heapq
import time
from collections.abc import Callable, Collection, Iterable
from itertools import count

from monit_agent.client.replay_answers import answer
from monit_agent.client.replay_app import Play, ReplayedApp
from monit_agent.client.replay_fold import Audience
from monit_agent.client.source import Changes
from monit_agent.client.view import Identity
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
        self._played_s = 0.0
        self._real_since = time.monotonic() if real_time else None
        self._order = count()
        self._agenda: list[tuple[float, int, Play]] = []
        self._waiting: list[tuple[float, str, Request, Callable[[Answer], None]]] = []
        self._audience = Audience(self.monotonic)
        self.fleet = self._audience.fleet
        for app in apps:
            self.enter(app)

    # ------------------------------------------------------------ the stage

    def enter(self, app: ReplayedApp) -> None:
        """Let an app appear, as when somebody starts one."""
        name = app.record.name
        self.stage[name] = app
        app.enter(self.wall, self._audience.hear)
        self._audience.meet(app)
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
        self._audience.mark_silence()

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
        if self.leaps and not answered and not self._audience.gathered:
            due = self._agenda[0][0] - self._played_s if self._agenda else wait_s
            self.advance(min(wait_s, due))
            self._answer_all()
        return self._audience.gathered.take()

    def ask(
        self, app: str, request: Request, then: Callable[[Answer], None], timeout_s: float = 5.0
    ) -> None:
        """Answer at the next poll, or never when the app's agent is silent."""
        self._waiting.append((self._played_s + timeout_s, app, request, then))

    def follow_logs(self, who: Collection[Identity]) -> None:
        """From now on bring the log bytes of exactly these instances."""
        self._audience.followed = frozenset(who)

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
        answered = False
        for deadline, name, request, then in waiting:
            app = self.stage.get(name)
            if app is not None and not app.silent and not app.left:
                answered = True
                then(answer(app, request, self.play))
            elif app is None or app.left or self._played_s >= deadline:
                answered = True
                message = f"{name}: its agent does not answer; see `monit describe {name}`"
                then(Refused(kind="keeper_gone", message=message))
            else:
                self._waiting.append((deadline, name, request, then))
        return answered


def _pulses(app: ReplayedApp) -> Play:
    while not app.left:
        app.pulse()
        yield BEAT_S
