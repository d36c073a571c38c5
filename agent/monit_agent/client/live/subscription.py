"""The SUB socket that receives what every agent of a home publishes."""

import time
from collections.abc import Callable, Collection

import zmq

from monit_agent.client.live.requests import set_socket_limits
from monit_agent.wire import topics
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.limits import SUB_HIGH_WATER
from monit_agent.wire.paths import ipc_address

TURN_S = 0.01
"""CPU time for which messages are handled at a time: during a flood, the screen handles keys in
between. On a busy machine that is longer by the clock, and as much is read."""

TURN = 1000
"""Most messages handled at a time."""

TURN_BYTES = 8 * 1024 * 1024
"""Most bytes of one turn, which a client holds until it has handled them."""


class Subscriptions:
    """Connections to the agents' PUB sockets, and the topics subscribed to."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self.followed: frozenset[InstanceId] = frozenset()
        self.socket = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.RCVHWM, SUB_HIGH_WATER)
        set_socket_limits(self.socket)
        for prefix in (b"event.", b"beat.", b"metrics.", b"app_metrics."):
            self.socket.subscribe(prefix)

    def connect(self, path: str) -> None:
        """Receive from the agent behind the socket ``path``."""
        self.socket.connect(ipc_address(path))

    def disconnect(self, path: str) -> None:
        """Stop receiving from it."""
        self.socket.disconnect(ipc_address(path))

    def follow_logs(self, instances: Collection[InstanceId]) -> None:
        """Receive the logs of exactly these instances."""
        wanted = frozenset(instances)
        for who in wanted - self.followed:
            self.socket.subscribe(topics.instance_logs(who.app, who.instance))
        for who in self.followed - wanted:
            self.socket.unsubscribe(topics.instance_logs(who.app, who.instance))
        self.followed = wanted

    def receive(self, handle: Callable[[list[bytes]], None]) -> None:
        """Pass the frames of each message that has arrived to ``handle``, for one turn."""
        size, until = 0, time.thread_time() + TURN_S
        for _ in range(TURN):
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            handle(frames)
            size += len(frames[-1])
            if size > TURN_BYTES or time.thread_time() >= until:
                return

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
