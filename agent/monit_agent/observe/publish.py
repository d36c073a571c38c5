"""The agent's PUB side: topics with sequence numbers, and who listens.

The socket is an XPUB, which speaks the same as a PUB and tells which topics are subscribed
to, so that nothing is read and encoded that nobody hears.
"""

import time
from collections.abc import Callable

import zmq

from monit_agent.wire import codec, topics
from monit_agent.wire.messages import Event, Header, Sample


class Publisher:
    """Sends on ``socket``; never waits: what a slow subscriber has no room for is dropped."""

    def __init__(self, socket: "zmq.Socket[bytes]", app: str, epoch: int) -> None:
        self._socket = socket
        self._app = app
        self._epoch = epoch
        self._seqs: dict[bytes, int] = {}
        self._prefixes: set[bytes] = set()
        self._heard: dict[bytes, bool] = {}
        self.on_subscribed: Callable[[], None] = lambda: None
        """Called after the set of subscriptions changed."""

    @property
    def event_seq(self) -> int:
        """Sequence number of the newest event; 0 before the first."""
        return self._seqs.get(topics.event(self._app), 0)

    def heard(self, topic: bytes) -> bool:
        """Say whether anybody subscribes to ``topic``."""
        known = self._heard.get(topic)
        if known is None:
            known = any(topic.startswith(prefix) for prefix in self._prefixes)
            self._heard[topic] = known
        return known

    def event(self, event: Event) -> None:
        """Publish what changed or happened; counted also when nobody listens."""
        self._send(topics.event(self._app), codec.encode(event))

    def sample(self, instance: int, sample: Sample) -> None:
        """Publish one instance's sample if anybody listens."""
        topic = topics.metrics(self._app, instance)
        if self.heard(topic):
            self._send(topic, codec.encode(sample))

    def beat(self) -> None:
        """Publish the heartbeat, which says how far the events have come."""
        topic = topics.beat(self._app)
        if self.heard(topic):
            self._send(topic, codec.encode_beat(self.event_seq))

    def log(
        self, topic: bytes, data: bytes, offset: int, times: tuple[tuple[int, int], ...]
    ) -> None:
        """Publish bytes of a stream from logical ``offset`` on."""
        self._send(topic, data, offset, times)

    def take_subscriptions(self, _events: int = 0) -> None:
        """Read what subscribers asked for or gave up."""
        changed = False
        while True:
            try:
                message = self._socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                break
            # 1 or 0 and the prefix; anything else a peer may send here means nothing
            if message[:1] == b"\x01":
                self._prefixes.add(message[1:])
                changed = True
            elif message[:1] == b"\x00":
                self._prefixes.discard(message[1:])
                changed = True
        if changed:
            self._heard.clear()
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
        self._socket.send_multipart([topic, codec.encode(header), payload], zmq.DONTWAIT)
