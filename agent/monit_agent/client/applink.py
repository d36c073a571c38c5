"""What `LiveSource` holds of one app: its view, the questions to its agent, and the way to a
snapshot without a gap."""

import math
import time
from collections.abc import Callable

import zmq

from monit_agent.client import fold
from monit_agent.client.asking import Asker
from monit_agent.client.discovery import listens
from monit_agent.client.lost import Since, describe
from monit_agent.client.view import AppView
from monit_agent.wire import codec
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    AppSnapshot,
    Delete,
    Event,
    Happened,
    Happening,
    Header,
    Refused,
    Request,
    Snapshot,
)
from monit_agent.wire.places import AppPlaces

BUFFERED = 2000
"""Events that may wait for a snapshot; with more, another snapshot is cheaper."""

SNAPSHOT_S = 5.0


class AppLink:
    """One app, from its discovery until it is gone."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", places: AppPlaces, now: float
    ) -> None:
        self.places = places
        self.view = AppView(places.name)
        self.asker = Asker(context, places)
        self.bye = False
        self.touched = True
        """Changed in anything but samples and logs since last looked at."""
        self.happened: list[Happening] = []
        """What happened since last looked at, oldest first."""
        self._found_at = now
        self._bad_at = -math.inf
        self._asking = False
        self._early: list[tuple[Header, Event]] = []
        self.want_snapshot()

    # ------------------------------------------------------------ what the agent says

    def take_event(self, header: Header, payload: bytes) -> None:
        """Fold an event, or keep it until the snapshot that it belongs to is here."""
        event = codec.decode_event(payload)
        self._hear()
        if self._asking:
            if len(self._early) < BUFFERED:
                self._early.append((header, event))
            return
        self._fold(header, event)

    def take_beat(self, header: Header, payload: bytes) -> None:
        """Note that the agent lives; an older one sends no number with it."""
        event_seq = codec.decode_beat(payload) if payload else 0
        self._hear()
        if not self._asking:
            self._follow(fold.apply_beat(self.view, header.epoch, event_seq, time.monotonic()))

    def take_sample(self, header: Header, instance: int, payload: bytes) -> bool:
        """Fold a sample; True if it is of a slot that is known."""
        sample = codec.decode_sample(payload)
        self._hear()
        outcome = fold.apply_sample(self.view, header.epoch, instance, sample, time.monotonic())
        self._follow(outcome)
        return outcome == "applied"

    def _fold(self, header: Header, event: Event) -> None:
        outcome = fold.apply_event(self.view, header.epoch, header.seq, event, time.monotonic())
        self._follow(outcome)
        if outcome in ("applied", "bye"):
            self.touched = True
        if outcome == "applied" and isinstance(event, Happened):
            self.happened.append(event.happening)

    def _hear(self) -> None:
        if fold.hear(self.view, time.monotonic()):
            self.touched = True

    def _follow(self, outcome: fold.Outcome) -> None:
        if outcome == "bye":
            self.bye = True
        elif outcome == "needs_snapshot":
            self.want_snapshot()

    # ------------------------------------------------------------ snapshots

    def want_snapshot(self) -> None:
        """Ask for everything, unless that is under way."""
        if self._asking:
            return
        self._asking = True
        self._early.clear()
        self.asker.ask(Snapshot(), self._take_answer, time.monotonic() + SNAPSHOT_S)

    def _take_answer(self, answer: Answer) -> None:
        self._asking = False
        if not isinstance(answer, AppSnapshot):
            return  # `look_after` asks again as long as somebody is there
        if answer.epoch != self.view.epoch and self.view.epoch is not None:
            self.asker.send_reads_again()
        last = self.view.happenings[-1] if self.view.happenings else None
        fold.apply_snapshot(self.view, answer, time.monotonic())
        self.touched = True
        if last is not None:
            self.happened += [
                each for each in self.view.happenings if (each.at, each.seq) > (last.at, last.seq)
            ]
        early, self._early = self._early, []
        for header, event in early:
            if self._asking:
                self._early.append((header, event))
            else:
                self._fold(header, event)

    # ------------------------------------------------------------ silence

    def mark_silence(self) -> None:
        """See whether the agent fell silent."""
        if fold.mark_silence(self.view, time.monotonic()):
            self.touched = True

    def look_after(self) -> None:
        """Say what is the matter with an agent that is not heard."""
        now = time.monotonic()
        if self.view.link == "live":
            if self.view.epoch is None:
                self.want_snapshot()
            return
        before = (self.view.link, self.view.problem)
        if describe(self.view, self.places, Since(self._found_at, self._bad_at), now):
            self.want_snapshot()
        if before != (self.view.link, self.view.problem):
            self.touched = True

    def note_bad(self, why: str) -> None:
        """Count a message that could not be read."""
        self._bad_at = time.monotonic()
        fold.mark_bad(self.view, why)
        self.touched = True

    # ------------------------------------------------------------ asking

    def ask(
        self, request: Request, then: Callable[[Answer], None], timeout_s: float
    ) -> Refused | None:
        """Ask the agent; one that is known to be gone is looked for once more and, if it is
        not there, what to say instead is given."""
        if self.view.link == "gone" and not listens(self.places.ctl):
            return Refused(kind="keeper_gone", message=self.view.problem or self.view.name)
        self.asker.ask(request, then, time.monotonic() + timeout_s)
        return None

    def leave(self) -> None:
        """End what is still asked: the app is gone."""
        for then, answer in list(self.asker.give_up(self._last_answer)):
            then(answer)
        self.asker.close()

    def _last_answer(self, request: Request) -> Answer:
        # the good-bye can overtake the answer to the very command that brought it
        if self.bye and isinstance(request, Delete):
            return Accepted()
        return Refused(kind="failed", message=f"{self.view.name} was deleted meanwhile")
