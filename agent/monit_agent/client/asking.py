"""Questions to one agent: sent when it can be reached, answered or given up once.

A question is never left in a queue of ZeroMQ's: it would be delivered to an agent that comes
back long after its asker was told that nobody answered, and `restart` would happen then.
"""

from collections.abc import Callable, Iterator
from itertools import count

import zmq

from monit_agent.wire import codec
from monit_agent.wire.messages import (
    Actions,
    Answer,
    BlockedTable,
    LogRange,
    LogSince,
    LogTail,
    MetricsRange,
    Refused,
    Request,
    Snapshot,
    Usage,
)
from monit_agent.wire.places import AppPlaces

Then = Callable[[Answer], None]

LARGEST_BYTES = 64 * 1024 * 1024
"""Largest message that a client takes; an agent that sends a larger one is disconnected."""

READS = (Snapshot, LogRange, LogTail, LogSince, MetricsRange, Usage, BlockedTable, Actions)
"""Requests that change nothing and so may be sent twice."""


class Question:
    """A request under way."""

    def __init__(self, request: Request, then: Then, deadline: float) -> None:
        self.request = request
        self.then = then
        self.deadline = deadline
        """Monotonic second at which it is given up."""
        self.sent = False


class Asker:
    """The DEALER socket to one agent and the questions that wait on it."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", places: AppPlaces) -> None:
        self._name = places.name
        self._ids = count(1)
        self._open: dict[bytes, Question] = {}
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        # only peers that are really there: see the head of this file
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        set_patience(self.socket)
        self.socket.connect(f"ipc://{places.ctl}")

    def ask(self, request: Request, then: Then, deadline: float) -> None:
        """Send ``request`` as soon as the agent can be reached."""
        question = Question(request, then, deadline)
        self._open[b"%d" % next(self._ids)] = question
        self.send()

    @property
    def unsent(self) -> bool:
        """True while a question waits for the agent to be reachable."""
        return any(not question.sent for question in self._open.values())

    def send(self) -> None:
        """Send what could not be sent before."""
        for number, question in self._open.items():
            if question.sent:
                continue
            try:
                frames = [number, codec.encode(question.request)]
                self.socket.send_multipart(frames, zmq.DONTWAIT)
            except zmq.Again:
                return
            question.sent = True

    def send_reads_again(self) -> None:
        """Ask anew what an agent that is gone took with it; commands are not repeated."""
        for question in self._open.values():
            if isinstance(question.request, READS):
                question.sent = False
        self.send()

    def answers(self) -> Iterator[tuple[Then, Answer]]:
        """Give the answers that have arrived, each with whom it is for.

        An answer that cannot be read becomes a `Refused`.
        """
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            question = self._open.pop(frames[0], None)
            if question is not None:
                yield question.then, self._read(frames[1:])

    def _read(self, frames: list[bytes]) -> Answer:
        try:
            # more or fewer frames than one cannot be an answer, and neither can no bytes
            return codec.decode_answer(frames[0] if len(frames) == 1 else b"")
        except codec.BadMessageError as error:
            message = f"{self._name}: cannot read what its agent answers: {error}"
            return Refused(kind="failed", message=message)

    def overdue(self, now: float) -> Iterator[tuple[Then, Answer]]:
        """Give up the questions whose time is over."""
        late = [number for number, each in self._open.items() if each.deadline <= now]
        for number in late:
            question = self._open.pop(number)
            yield question.then, self._nobody(question)

    def _nobody(self, question: Question) -> Refused:
        verb = question.request.__struct_config__.tag
        look = f"see `monit describe {self._name}` and agent.log"
        if not question.sent:
            message = f"{self._name}: its agent cannot be reached, {verb} was not sent; {look}"
            return Refused(kind="keeper_gone", message=message)
        message = f"{self._name}: its agent took {verb} and does not answer; {look}"
        return Refused(kind="failed", message=message)

    def give_up(self, answer: Callable[[Request], Answer]) -> Iterator[tuple[Then, Answer]]:
        """End every question with what ``answer`` says to it."""
        while self._open:
            _, question = self._open.popitem()
            yield question.then, answer(question.request)

    def next_deadline(self) -> float | None:
        """Give when the next question is to be given up."""
        return min((each.deadline for each in self._open.values()), default=None)

    def close(self) -> None:
        """Let go of the socket."""
        self.socket.close()


def set_patience(socket: "zmq.Socket[bytes]") -> None:
    """Make ``socket`` find an agent that came back at once, and take no message without end."""
    socket.setsockopt(zmq.RECONNECT_IVL, 20)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_BYTES)
