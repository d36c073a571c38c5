"""What `LiveSource` holds of one app: its view, the requests to its agent, and the messages that
its agent publishes.

Updates that arrive while a snapshot is requested are buffered and applied after it, so that none
is missed.
"""

import math
import time
from collections.abc import Collection

import zmq

from monit_agent.client import fold
from monit_agent.client.discovery import is_listening
from monit_agent.client.live.requests import OnAnswer, RequestSocket
from monit_agent.client.source import LogChunk, PendingChanges
from monit_agent.client.unreachable import LinkTimes, diagnose
from monit_agent.client.view import AppView
from monit_agent.wire import codec, topics
from monit_agent.wire.ids import AppId, InstanceId, local_app, local_instance
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    AppSnapshot,
    Delete,
    EventAdded,
    EventRecord,
    Header,
    Refused,
    Request,
    Snapshot,
    Stream,
    Update,
)
from monit_agent.wire.paths import AppPaths

BUFFERED = 2000
"""Updates that may wait for a snapshot; with more, another snapshot is cheaper."""

SNAPSHOT_S = 5.0


class AppLink:
    """One app, from its discovery until it is gone."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", paths: AppPaths, now: float
    ) -> None:
        self.paths = paths
        self.view = AppView(local_app(paths.name))
        self.requests = RequestSocket(context, paths)
        self.deleted = False
        """Whether its agent announced that the app was deleted."""
        self.changed = True
        """Whether anything but samples and logs changed since `LiveSource` last collected it."""
        self.events: list[EventRecord] = []
        """Events since `LiveSource` last collected them, oldest first."""
        self._found_at = now
        self._unreadable_at = -math.inf
        self._awaits_snapshot = False
        self._buffered: list[tuple[Header, Update | None]] = []
        self.request_snapshot()

    # ------------------------------------------------------------ published messages

    def handle_update(self, header: Header, payload: bytes) -> None:
        """Fold an update, or buffer it while a snapshot is requested."""
        update = codec.decode_update(payload)
        self._note_contact()
        if self._awaits_snapshot:
            if len(self._buffered) < BUFFERED:
                self._buffered.append((header, update))
            return
        self._fold(header, update)

    def handle_beat(self, header: Header, payload: bytes) -> None:
        """Note that the agent is alive; an older agent sends no sequence number."""
        event_seq = codec.decode_beat(payload) if payload else 0
        self._note_contact()
        if not self._awaits_snapshot:
            self._act_on(fold.apply_beat(self.view, header.epoch, event_seq, time.monotonic()))

    def handle_sample(self, header: Header, instance: int | None, payload: bytes) -> bool:
        """Fold a sample of an instance, or of the app as a whole (None); return whether it is
        known."""
        sample = codec.decode_sample(payload)
        self._note_contact()
        now = time.monotonic()
        if instance is None:
            outcome = fold.apply_app_sample(self.view, header.epoch, sample, now)
        else:
            outcome = fold.apply_sample(self.view, header.epoch, instance, sample, now)
        self._act_on(outcome)
        return outcome == "applied"

    def note_unreadable(self, why: str) -> None:
        """Count a message that could not be read."""
        self._unreadable_at = time.monotonic()
        fold.count_unreadable(self.view, why)
        self.changed = True

    def _fold(self, header: Header, update: Update | None) -> None:
        outcome = fold.apply_update(self.view, header.epoch, header.seq, update, time.monotonic())
        self._act_on(outcome)
        if outcome in ("applied", "deleted"):
            self.changed = True
        if outcome == "applied" and isinstance(update, EventAdded):
            self.events.append(update.event)

    def _note_contact(self) -> None:
        if fold.mark_heard(self.view, time.monotonic()):
            self.changed = True

    def _act_on(self, outcome: fold.Outcome) -> None:
        if outcome == "deleted":
            self.deleted = True
        elif outcome == "needs_snapshot":
            self.request_snapshot()

    # ------------------------------------------------------------ snapshots

    def request_snapshot(self) -> None:
        """Request the whole state, unless that was done and is not answered yet."""
        if self._awaits_snapshot:
            return
        self._awaits_snapshot = True
        self._buffered.clear()
        self.requests.submit(Snapshot(), self._handle_snapshot, time.monotonic() + SNAPSHOT_S)

    def _handle_snapshot(self, answer: Answer) -> None:
        self._awaits_snapshot = False
        if not isinstance(answer, AppSnapshot):
            return  # `check_agent` requests another one as long as the agent listens
        if answer.epoch != self.view.epoch and self.view.epoch is not None:
            for then, refused in self.requests.change_agent(answer.epoch):
                then(refused)
        last = self.view.events[-1] if self.view.events else None
        fold.apply_snapshot(self.view, answer, time.monotonic())
        self.changed = True
        if last is not None:
            self.events += [
                each for each in self.view.events if (each.at, each.seq) > (last.at, last.seq)
            ]
        buffered, self._buffered = self._buffered, []
        for header, update in buffered:
            if self._awaits_snapshot:
                self._buffered.append((header, update))
            else:
                self._fold(header, update)

    # ------------------------------------------------------------ silence

    def mark_silence(self) -> None:
        """Mark the app stale if its agent has been silent for too long."""
        if fold.mark_silence(self.view, time.monotonic()):
            self.changed = True

    def check_agent(self) -> None:
        """Find out why an agent is not heard, and request a snapshot if it listens."""
        now = time.monotonic()
        if self.view.link == "live":
            if self.view.epoch is None:
                self.request_snapshot()
            return
        before = (self.view.link, self.view.problem)
        if diagnose(self.view, self.paths, LinkTimes(self._found_at, self._unreadable_at), now):
            self.request_snapshot()
        if before != (self.view.link, self.view.problem):
            self.changed = True

    # ------------------------------------------------------------ requests

    def send_request(self, request: Request, then: OnAnswer, timeout_s: float) -> Refused | None:
        """Send a request; return a refusal instead if the agent is not running."""
        if self.view.link == "gone" and not is_listening(self.paths.ctl):
            return Refused(kind="keeper_gone", message=self.view.problem or self.view.name)
        self.requests.submit(request, then, time.monotonic() + timeout_s)
        return None

    def close(self) -> None:
        """Answer all pending requests, because the app is gone, and close the socket."""
        for then, answer in list(self.requests.cancel_all(self._final_answer)):
            then(answer)
        self.requests.close()

    def _final_answer(self, request: Request) -> Answer:
        # that the app is gone may be seen before the answer to the command that caused it
        if isinstance(request, Delete):
            return Accepted()
        return Refused(kind="failed", message=f"{self.view.name} was deleted in the meantime")


def app_of_topic(topic: bytes) -> AppId:
    """Return the app that a topic names; the topic may be any bytes."""
    kind, _, rest = topic.partition(b".")
    cuts = {b"metrics": 1, b"log": 2}.get(kind, 0)
    name = rest.rsplit(b".", cuts)[0] if cuts else rest
    return local_app(name.decode("ascii", "replace"))


def handle_message(
    link: AppLink, frames: list[bytes], followed: Collection[InstanceId], changes: PendingChanges
) -> None:
    """Handle one published message, of any content; count it if it cannot be read."""
    try:
        if len(frames) != 3:
            raise codec.BadMessageError(f"{len(frames)} frames instead of 3")
        topic, header, payload = frames[0], codec.decode_header(frames[1]), frames[2]
        match topic.partition(b".")[0]:
            case b"event":
                link.handle_update(header, payload)
            case b"beat":
                link.handle_beat(header, payload)
            case b"metrics":
                _, instance = topics.parse_metrics(topic)
                if link.handle_sample(header, instance, payload):
                    changes.sampled.add(link.view.id)
            case b"app_metrics":
                link.handle_sample(header, None, payload)
            case _:
                chunk = _log_chunk(topic, header, payload)
                # others were already on their way when following ended
                if chunk.identity in followed:
                    end = chunk.offset + len(chunk.data)
                    fold.extend_log(link.view, chunk.identity.instance, chunk.stream, end)
                    changes.add_log(chunk)
    except ValueError as error:  # raised by topics.py and codec.py
        link.note_unreadable(str(error))


def _log_chunk(topic: bytes, header: Header, payload: bytes) -> LogChunk:
    app, instance, name = topics.parse_log(topic)
    if name not in ("out", "err") or header.offset is None:
        raise codec.BadMessageError(f"a log message without stream or offset: {topic!r}")
    stream: Stream = "out" if name == "out" else "err"
    return LogChunk(local_instance(app, instance), stream, header.offset, payload, header.times)
