"""Requests of programs that agents answer at once, one for each app or instance: what is common to
those that read the past and those that trigger actions."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from monit_agent.client.public.jobs import Chosen, Job, Receiver, RequestFailedError
from monit_agent.client.public.records import Item
from monit_agent.client.source import Changes, Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import Answer, Refused, Request


class AgentRequest(NamedTuple):
    """A request to one agent."""

    app: AppId
    request: Request
    timeout_s: float = 5.0
    may_be_refused: bool = False
    """Whether a refusal only means that there is nothing."""


class _Slot:
    """A request that was sent, and its answer."""

    def __init__(self, request: AgentRequest) -> None:
        self.request = request
        self.answer: Answer | None = None

    def handle_answer(self, answer: Answer) -> None:
        self.answer = answer


class AnswersJob(Job):
    """Sends requests, and hands their answers on in the same order."""

    at_once = 4
    """Requests that are on their way or whose answers wait: what an agent knows of the past may
    take megabytes."""

    def __init__(self, source: Source, receiver: Receiver, targets: tuple[str, ...]) -> None:
        super().__init__(source, receiver)
        self._targets = targets
        self._requests: Iterator[AgentRequest] | None = None
        self._slots: deque[_Slot] = deque()
        self._items: Iterator[Item] = iter(())
        self._refusals: dict[str, str] = {}
        """Kind by text."""

    def requests(self, chosen: Chosen) -> Sequence[AgentRequest]:
        """Return what is requested of agents."""
        raise NotImplementedError

    def items_of(self, app: AppId, answer: Answer) -> Iterable[Item]:
        """Take an answer; return what the receiver gets of it."""
        raise NotImplementedError

    def finish(self) -> None:
        """Make the reply: every answer was taken, and none was a refusal."""
        raise NotImplementedError

    def fail_with(self, kind: str, text: str) -> None:
        """Make the reply: some agents refused or did not answer."""
        self.fail(RequestFailedError(kind, text))

    def step(self, changes: Changes) -> None:
        """Send what may be sent, and hand on what was answered."""
        del changes
        if self._requests is None:
            if not self.is_settled():
                return
            self._requests = iter(self.requests(self.chosen(self._targets)))
        self._send(self._requests)
        while self.receiver.has_room():
            item = next(self._items, None)
            if item is not None:
                self.receiver.emit(item)
            elif self._slots and self._slots[0].answer is not None:
                slot = self._slots.popleft()
                self._items = iter(self._take(slot.request, slot.answer))
                self._send(self._requests)
            else:
                break
        else:
            self.is_held = True
            return
        self.is_held = False
        if not self._slots:
            self._end()

    def _send(self, requests: Iterator[AgentRequest]) -> None:
        while len(self._slots) < self.at_once:
            request = next(requests, None)
            if request is None:
                return
            slot = _Slot(request)
            self._slots.append(slot)
            self.source.send_request(
                request.app, request.request, slot.handle_answer, request.timeout_s
            )

    def _take(self, request: AgentRequest, answer: Answer | None) -> Iterable[Item]:
        if answer is None:
            return ()
        if not isinstance(answer, Refused):
            return self.items_of(request.app, answer)
        if not request.may_be_refused:
            name = str(request.app)
            text = answer.message if name in answer.message else f"{name}: {answer.message}"
            self._refusals.setdefault(text, answer.kind)
        return ()

    def _end(self) -> None:
        if not self._refusals:
            self.finish()
            return
        kinds = {*self._refusals.values()}
        self.fail_with(kinds.pop() if len(kinds) == 1 else "failed", "; ".join(self._refusals))
