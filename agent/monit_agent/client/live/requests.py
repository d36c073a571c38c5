"""Requests to one agent: sent when it can be reached, and answered or expired exactly once.

A request never waits in a queue of ZeroMQ's. It would be delivered to an agent that comes back
long after the caller had an error, and a late `restart` would be carried out.
"""

import time
from collections.abc import Callable, Iterator
from itertools import count

import zmq

from monit_agent.wire import codec
from monit_agent.wire.messages import (
    Actions,
    Answer,
    BlockedTable,
    Crashes,
    EventsRange,
    HistoryRange,
    Listing,
    LogRange,
    LogSearch,
    LogSince,
    LogTail,
    MakeProfile,
    MetricsRange,
    Refused,
    Request,
    Snapshot,
    Totals,
    Trigger,
    Usage,
)
from monit_agent.wire.paths import AppPaths, ipc_address

OnAnswer = Callable[[Answer], None]

LARGEST_BYTES = 64 * 1024 * 1024
"""Largest message that a client accepts; an agent that sends a larger one is disconnected."""

OF_ONE_AGENT = (MakeProfile, Trigger)
"""Requests whose answer only the agent that received them can give."""

READS = (
    Snapshot, Listing, LogRange, LogTail, LogSince, LogSearch, MetricsRange, HistoryRange,
    EventsRange, Crashes, Usage, BlockedTable, Totals, Actions,
)  # fmt: skip
"""Requests that change nothing and so may be sent twice."""


class PendingRequest:
    """A request without an answer so far."""

    def __init__(self, request: Request, then: OnAnswer, deadline: float) -> None:
        self.request = request
        self.then = then
        self.deadline = deadline
        """Monotonic second at which it expires."""
        self.sent = False
        self.sent_at_ns = 0
        """On the wall clock."""


class RequestSocket:
    """The DEALER socket to one agent and the requests that wait for its answers."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", paths: AppPaths) -> None:
        self._name = paths.name
        self._ids = count(1)
        self._pending: dict[bytes, PendingRequest] = {}
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        # queue for connected peers only: see the head of this file
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        set_socket_limits(self.socket)
        self.socket.connect(ipc_address(paths.ctl))

    def submit(self, request: Request, then: OnAnswer, deadline: float) -> None:
        """Send ``request`` as soon as the agent can be reached."""
        self._pending[b"%d" % next(self._ids)] = PendingRequest(request, then, deadline)
        self.send_unsent()

    @property
    def has_unsent(self) -> bool:
        """Whether a request waits for the agent to be reachable."""
        return any(not pending.sent for pending in self._pending.values())

    def send_unsent(self) -> None:
        """Send the requests that could not be sent before."""
        for number, pending in self._pending.items():
            if pending.sent:
                continue
            try:
                frames = [number, codec.encode(pending.request)]
                self.socket.send_multipart(frames, zmq.DONTWAIT)
            except zmq.Again:
                return
            pending.sent, pending.sent_at_ns = True, time.time_ns()

    def change_agent(self, started_ns: int) -> list[tuple[OnAnswer, Answer]]:
        """Send again the reads that a former agent did not answer, because the present one started
        at ``started_ns``. Commands are not repeated. Return the callbacks of those that nobody will
        answer now, each with a `Refused`."""
        lost: list[tuple[OnAnswer, Answer]] = []
        for number, pending in list(self._pending.items()):
            if isinstance(pending.request, READS):
                pending.sent = False
            elif isinstance(pending.request, OF_ONE_AGENT) and 0 < pending.sent_at_ns < started_ns:
                del self._pending[number]
                lost.append((pending.then, self._lost_with_agent(pending.request)))
        self.send_unsent()
        return lost

    def _lost_with_agent(self, request: Request) -> Refused:
        what = (
            "the profile is lost, and the worker keeps running; make it again"
            if isinstance(request, MakeProfile)
            else "what the action returns is lost; it may still run"
        )
        message = f"{self._name}: its agent was replaced meanwhile: {what}"
        return Refused(kind="failed", message=message)

    def receive_answers(self) -> Iterator[tuple[OnAnswer, Answer]]:
        """Yield the answers that have arrived, each with its callback.

        An answer that cannot be decoded becomes a `Refused`.
        """
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            pending = self._pending.pop(frames[0], None)
            if pending is not None:
                yield pending.then, self._decode(frames[1:])

    def _decode(self, frames: list[bytes]) -> Answer:
        try:
            # an answer is exactly one frame, and no bytes are no answer
            return codec.decode_answer(frames[0] if len(frames) == 1 else b"")
        except codec.BadMessageError as error:
            message = f"{self._name}: cannot read its agent's answer: {error}"
            return Refused(kind="failed", message=message)

    def expire_overdue(self, now: float) -> Iterator[tuple[OnAnswer, Answer]]:
        """Remove the requests whose time is over; yield their callbacks with a `Refused`."""
        overdue = [number for number, each in self._pending.items() if each.deadline <= now]
        for number in overdue:
            pending = self._pending.pop(number)
            yield pending.then, self._no_answer(pending)

    def _no_answer(self, pending: PendingRequest) -> Refused:
        verb = pending.request.__struct_config__.tag
        hint = f"see `monit describe {self._name}` and agent.log"
        if not pending.sent:
            message = f"{self._name}: its agent cannot be reached, {verb} was not sent; {hint}"
            return Refused(kind="keeper_gone", message=message)
        message = f"{self._name}: its agent received {verb} and does not answer; {hint}"
        return Refused(kind="failed", message=message)

    def cancel_all(self, answer: Callable[[Request], Answer]) -> Iterator[tuple[OnAnswer, Answer]]:
        """Remove every request; yield its callback with what ``answer`` returns for it."""
        while self._pending:
            _, pending = self._pending.popitem()
            yield pending.then, answer(pending.request)

    def next_deadline(self) -> float | None:
        """Return when the next request expires."""
        return min((each.deadline for each in self._pending.values()), default=None)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def set_socket_limits(socket: "zmq.Socket[bytes]") -> None:
    """Let ``socket`` reconnect soon to an agent that came back, and bound its messages."""
    socket.setsockopt(zmq.RECONNECT_IVL, 20)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_BYTES)
