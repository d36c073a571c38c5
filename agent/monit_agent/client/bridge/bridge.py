"""Serves one client on stdin and stdout: what `LiveSource` knows of this machine's apps, and their
answers. ``wire/bridge.py`` has the messages.

It ends when its client does: at the end of stdin, when stdout cannot be written, and when nothing
was heard for a while. Nothing of it stays behind on the host.
"""

import os
import select
import time
from collections.abc import Iterable
from typing import NamedTuple

from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.live.requests import READS
from monit_agent.client.source import Changes, LogChunk
from monit_agent.client.view import AppView
from monit_agent.wire import bridge, codec
from monit_agent.wire.ids import AppId, local_app, local_instance
from monit_agent.wire.messages import Answer, EventRecord, InstanceRecord, Refused, Sample

BATCH_S = 0.02
"""Least time between two batches."""

WAIT_S = 1.0
"""Longest wait; a message from either side ends it."""

BLOCKED_S = 0.05
"""Wait while the line takes nothing."""

LISTED_S = 3.0
"""How long agents may take before the client is told that these are all apps."""

BACKLOG_BYTES = 1024 * 1024
"""Log bytes that wait for the line; more are dropped, oldest first, and counted."""

WAITING_BYTES = 64 * 1024 * 1024
"""Answers that wait for a client; one that does not read them is served no longer."""

READ_BYTES = 64 * 1024


class ClientPipes(NamedTuple):
    """The descriptors of the client; reading and writing never wait for it."""

    inp: int
    out: int

    def unblock(self) -> None:
        """Let neither descriptor block."""
        os.set_blocking(self.inp, False)
        os.set_blocking(self.out, False)

    def read(self) -> bytes | None:
        """Return what has arrived, None for nothing; b"" when no more will come."""
        try:
            return os.read(self.inp, READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def write(self, data: bytes | bytearray) -> int | None:
        """Return how many bytes were written, 0 when there is no room; None when it is gone."""
        try:
            return os.write(self.out, data)
        except BlockingIOError:
            return 0
        except OSError:
            return None


class _Sent:
    """What the client knows of one app."""

    def __init__(self) -> None:
        self.records: dict[int, InstanceRecord] = {}
        self.samples: dict[int, Sample] = {}
        self.has_events = False
        """Whether it has those that were there when it came."""


class Bridge:
    """One client; `run` serves it until it is gone."""

    def __init__(self, source: LiveSource, hello: bridge.Hello, peer: ClientPipes) -> None:
        self._source = source
        self._read_only = hello.read_only
        self._peer = peer
        self._reader = bridge.BridgeReader(bridge.from_client)
        self._writer = bridge.BridgeWriter()
        self._waiting: list[bridge.FromBridge] = [hello]
        """Messages that are sent as they are."""
        self._waiting_bytes = 0
        """Of the answers among them."""
        self._out = bytearray(bridge.MAGIC)
        self._in_flight = 0
        self._sent: dict[AppId, _Sent] = {}
        self._changed: set[AppId] = set()
        self._sampled: set[AppId] = set()
        self._events: dict[AppId, list[EventRecord]] = {}
        """Those that no report had yet."""
        self._logs: list[LogChunk] = []
        self._log_bytes = self._dropped_bytes = 0
        self._is_listed = False
        self._began = self._heard_at = time.monotonic()
        self._batch_at = 0.0

    def run(self) -> str | None:
        """Serve; return what was wrong with the client, None when it just went."""
        self._peer.unblock()
        self._source.wake_on({self._peer.inp})
        try:
            while self._receive() and self._flush():
                if time.monotonic() - self._heard_at > bridge.SILENCE_S:
                    return f"nothing heard from the client for {bridge.SILENCE_S:g} s"
                if self._waiting_bytes > WAITING_BYTES:
                    return "the client asks more than it reads"
                self._note(self._source.poll(self._wait_s()))
                self._send_batch()
        except codec.BadMessageError as error:
            return f"the client sent something else than messages of the bridge: {error}"
        return None

    def _wait_s(self) -> float:
        if self._out and self._in_flight < bridge.CREDIT_BYTES:
            select.select([], [self._peer.out], [], BLOCKED_S)
            return 0.0
        if self._has_news() and self._in_flight < bridge.CREDIT_BYTES:
            return max(0.0, self._batch_at + BATCH_S - time.monotonic())
        return WAIT_S if self._is_listed else BLOCKED_S

    # ------------------------------------------------------------ from the client

    def _receive(self) -> bool:
        """Handle what has arrived; return False when the client is gone."""
        while True:
            data = self._peer.read()
            if not data:
                return data is None
            self._heard_at = time.monotonic()
            for message in self._reader.messages(data):
                self._handle(message)

    def _handle(self, message: bridge.FromClient) -> None:
        match message:
            case bridge.Ask():
                self._ask(message)
            case bridge.Follow():
                self._source.follow_logs([local_instance(*each) for each in message.instances])
            case bridge.Confirm():
                self._in_flight = max(0, self._in_flight - message.read_bytes)
            case bridge.Ping():
                pong = bridge.Pong(wall=time.time(), dropped_bytes=self._dropped_bytes)
                self._waiting.append(pong)

    def _ask(self, ask: bridge.Ask) -> None:
        def tell(answer: Answer) -> None:
            raw = codec.encode(answer)
            self._waiting_bytes += len(raw)
            self._waiting.append(bridge.Told(number=ask.number, answer=raw))

        try:
            request = codec.decode_request(ask.request)
        except codec.BadMessageError as error:
            tell(Refused(kind="bad_request", message=f"monit on this host refuses it: {error}"))
            return
        if self._read_only and not isinstance(request, READS):
            verb = request.__struct_config__.tag
            text = f"this host may only be looked at (monit bridge --read-only): {verb} was refused"
            tell(Refused(kind="failed", message=text))
            return
        self._source.send_request(local_app(ask.app), request, tell, ask.timeout_s)

    # ------------------------------------------------------------ what is new

    def _note(self, changes: Changes) -> None:
        apps = self._source.fleet.apps
        self._changed |= changes.apps
        self._sampled |= changes.sampled
        for app, event in changes.events:
            self._changed.add(app)
            self._events.setdefault(app, []).append(event)
        for chunk in changes.logs:
            self._logs.append(chunk)
            self._log_bytes += len(chunk.data)
        while self._log_bytes > BACKLOG_BYTES and len(self._logs) > 1:
            dropped = len(self._logs.pop(0).data)
            self._log_bytes -= dropped
            self._dropped_bytes += dropped
        if not self._is_listed:
            late = time.monotonic() - self._began > LISTED_S
            self._changed |= apps.keys()
            if late or all(app.link != "connecting" for app in apps.values()):
                self._is_listed = True
                self._waiting += self._states()
                self._waiting.append(bridge.Listed())

    def _has_news(self) -> bool:
        return bool(self._waiting or self._changed or self._sampled or self._logs)

    def _send_batch(self) -> None:
        """Send what is new, unless the line has no room for it yet."""
        now = time.monotonic()
        due = now - self._batch_at >= BATCH_S
        if not due or self._out or not self._has_news() or self._in_flight >= bridge.CREDIT_BYTES:
            return
        self._batch_at = now
        messages = [*self._waiting, *self._states(), *self._samples(), *self._log_messages()]
        self._waiting.clear()
        self._waiting_bytes = 0
        if messages:
            self._out += self._writer.batch(messages)

    def _states(self) -> Iterable[bridge.FromBridge]:
        changed, self._changed = self._changed, set()
        for name in sorted(changed):
            app = self._source.fleet.apps.get(name)
            if app is None:
                self._events.pop(name, None)
                if self._sent.pop(name, None) is not None:
                    yield bridge.AppGone(app=name.app)
            elif app.link != "connecting":
                yield self._state(app, self._sent.setdefault(name, _Sent()))

    def _state(self, app: AppView, sent: _Sent) -> bridge.AppReport:
        records = {number: view.record for number, view in app.instances.items()}
        changed = [
            record for number, record in records.items() if sent.records.get(number) is not record
        ]
        new = self._events.pop(app.id, [])
        events = new if sent.has_events else list(app.events)
        sent.has_events = True
        sent.records = records
        sent.samples = {n: sample for n, sample in sent.samples.items() if n in records}
        self._sampled.add(app.id)
        return bridge.AppReport(
            app=app.id.app,
            record=app.record,
            rollout=app.rollout,
            link=app.link,
            problem=app.problem,
            age_s=app.age_s(time.monotonic()),
            epoch=app.epoch,
            agent_pid=app.agent_pid,
            agent_version=app.agent_version,
            keeper_alive=app.keeper_alive,
            numbers=tuple(records),
            instances=tuple(changed),
            logs=tuple(app.logs.values()),
            events=tuple(events),
            alerts=app.alerts,
            mutes=app.mutes,
            hooks=app.hooks,
        )

    def _samples(self) -> Iterable[bridge.FromBridge]:
        sampled, self._sampled = self._sampled, set()
        for name in sorted(sampled):
            app, sent = self._source.fleet.apps.get(name), self._sent.get(name)
            if app is None or sent is None:
                continue
            new = {
                number: view.sample
                for number, view in app.instances.items()
                if view.sample is not None and sent.samples.get(number) is not view.sample
            }
            sent.samples.update(new)
            if new:
                yield bridge.Samples(app=name.app, samples=new)

    def _log_messages(self) -> Iterable[bridge.FromBridge]:
        logs, self._logs = self._logs, []
        self._log_bytes = 0
        for chunk in logs:
            who = chunk.identity
            yield bridge.LogBytes(
                app=who.app,
                instance=who.instance,
                stream=chunk.stream,
                offset=chunk.offset,
                data=chunk.data,
                times=chunk.times,
            )

    # ------------------------------------------------------------ to the client

    def _flush(self) -> bool:
        """Write what the line takes; return False when the client is gone."""
        while self._out:
            room = bridge.CREDIT_BYTES - self._in_flight
            if room <= 0:
                return True
            written = self._peer.write(self._out[:room])
            if not written:
                return written is not None
            self._in_flight += written
            del self._out[:written]
        return True
