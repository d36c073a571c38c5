"""The agent's PUB side: topics with sequence numbers, and who listens.

Nothing is read and encoded without a subscriber.
"""

import asyncio
import time
from collections.abc import Callable

from monit_agent.agent.serve.peer import Peer
from monit_agent.agent.serve.sockets import ServerSocket
from monit_agent.wire import codec, topics
from monit_agent.wire.limits import PUB_HIGH_WATER, SUBSCRIPTIONS
from monit_agent.wire.messages import Header, Sample, Update
from monit_agent.wire.zmtp import Command, Message, message_bytes


class Publisher:
    """Sends on ``socket``; never waits: what a slow subscriber has no room for is dropped."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, socket: ServerSocket, app: str, epoch: int
    ) -> None:
        self._loop = loop
        self._socket = socket
        self._will_report = False
        self._app = app
        self._epoch = epoch
        self._seqs: dict[bytes, int] = {}
        self.dropped = 0
        """Messages that slow subscribers had no room for."""
        self._subscribers: dict[bytes, tuple[Peer, ...]] = {}
        socket.received, socket.gone = self._subscription_received, self._subscriber_gone
        self.on_subscribed: Callable[[], None] = lambda: None
        """Called after the set of subscriptions changed."""

    @property
    def event_seq(self) -> int:
        """Sequence number of the newest event; 0 before the first."""
        return self._seqs.get(topics.event(self._app), 0)

    def has_subscriber(self, topic: bytes) -> bool:
        """Return whether any client subscribes to ``topic``."""
        return bool(self._subscribers_of(topic))

    def publish_event(self, event: Update) -> None:
        """Publish an update; it is counted also without a subscriber."""
        self._send(topics.event(self._app), codec.encode(event))

    def publish_sample(self, instance: int, sample: Sample) -> None:
        """Publish one instance's sample if it has a subscriber."""
        topic = topics.metrics(self._app, instance)
        if self.has_subscriber(topic):
            self._send(topic, codec.encode(sample))

    def publish_app_sample(self, sample: Sample) -> None:
        """Publish the figures of the app as a whole if they have a subscriber."""
        topic = topics.app_metrics(self._app)
        if self.has_subscriber(topic):
            self._send(topic, codec.encode(sample))

    def publish_beat(self) -> None:
        """Publish the heartbeat, which has the number of the newest event."""
        topic = topics.beat(self._app)
        if self.has_subscriber(topic):
            self._send(topic, codec.encode_beat(self.event_seq))

    def publish_log(
        self, topic: bytes, data: bytes, offset: int, times: tuple[tuple[int, int], ...]
    ) -> None:
        """Publish bytes of a stream from logical ``offset`` on."""
        self._send(topic, data, offset, times)

    def _subscribers_of(self, topic: bytes) -> tuple[Peer, ...]:
        known = self._subscribers.get(topic)
        if known is None:
            known = tuple(p for p in self._socket.peers if topic.startswith(tuple(p.prefixes)))
            self._subscribers[topic] = known
        return known

    def _subscription_received(self, peer: Peer, message: Message | Command) -> None:
        """Note what a client subscribes to or unsubscribes from."""
        if isinstance(message, Command):
            adds, removes = message.name == b"SUBSCRIBE", message.name == b"CANCEL"
            prefix = message.data
        else:
            # 1 or 0 and the prefix; anything else a peer may send here means nothing
            adds, removes = message.frames[0][:1] == b"\x01", message.frames[0][:1] == b"\x00"
            prefix = message.frames[0][1:]
        if adds and len(peer.prefixes) < SUBSCRIPTIONS:
            peer.prefixes.add(prefix)
        elif adds:
            peer.drop(f"more than {SUBSCRIPTIONS} subscriptions")
        elif removes:
            peer.prefixes.discard(prefix)
        if adds or removes:
            self._report_soon()

    def _subscriber_gone(self, peer: Peer) -> None:
        if peer.prefixes:
            self._report_soon()

    def _report_soon(self) -> None:
        """Report many changes at once: a screen subscribes to hundreds of logs one by one."""
        self._subscribers.clear()
        if not self._will_report:
            self._will_report = True
            self._loop.call_soon(self._report)

    def _report(self) -> None:
        self._will_report = False
        self.on_subscribed()

    def _send(
        self,
        topic: bytes,
        payload: bytes,
        offset: int | None = None,
        times: tuple[tuple[int, int], ...] = (),
    ) -> None:
        seq = self._seqs.get(topic, 0) + 1
        self._seqs[topic] = seq
        header = Header(
            epoch=self._epoch, seq=seq, at_ns=time.time_ns(), offset=offset, times=times
        )
        subscribers = self._subscribers_of(topic)
        if not subscribers:
            return
        message = message_bytes([topic, codec.encode(header), payload])
        for peer in subscribers:
            if peer.waiting < PUB_HIGH_WATER:
                peer.send_bytes(message)
            else:
                self.dropped += 1
