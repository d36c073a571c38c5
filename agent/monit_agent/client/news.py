"""The SUB socket that hears every agent of a home."""

from collections.abc import Callable, Collection

import zmq

from monit_agent.client.asking import set_patience
from monit_agent.client.view import Identity
from monit_agent.wire import topics
from monit_agent.wire.limits import SUB_HIGH_WATER

TURN = 1000
"""Messages that are taken in at a time, so that a screen gets its turn in a flood."""

TURN_BYTES = 8 * 1024 * 1024


class News:
    """Connections to the agents' PUB sockets and what is subscribed to."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self.followed: frozenset[Identity] = frozenset()
        self.socket = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.RCVHWM, SUB_HIGH_WATER)
        set_patience(self.socket)
        for prefix in (b"event.", b"beat.", b"metrics."):
            self.socket.subscribe(prefix)

    def connect(self, path: str) -> None:
        """Hear the agent behind the socket ``path`` from now on."""
        self.socket.connect(f"ipc://{path}")

    def disconnect(self, path: str) -> None:
        """Hear it no more."""
        self.socket.disconnect(f"ipc://{path}")

    def follow(self, who: Collection[Identity]) -> None:
        """Hear the logs of exactly these instances."""
        wanted = frozenset(who)
        for app, instance in wanted - self.followed:
            self.socket.subscribe(topics.instance_logs(app, instance))
        for app, instance in self.followed - wanted:
            self.socket.unsubscribe(topics.instance_logs(app, instance))
        self.followed = wanted

    def receive(self, take: Callable[[list[bytes]], None]) -> None:
        """Hand over what has arrived, frames of one message at a time, up to a turn's worth."""
        size = 0
        for _ in range(TURN):
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            take(frames)
            size += len(frames[-1])
            if size > TURN_BYTES:
                return

    def close(self) -> None:
        """Let go of the socket."""
        self.socket.close()
