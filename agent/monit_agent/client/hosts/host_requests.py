"""Requests to the agents of one host: answered exactly once, and never sent later than asked."""

import time
from typing import NamedTuple

from monit_agent.client.live.requests import OnAnswer
from monit_agent.wire import bridge, codec
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import Answer, Refused, Request

ANSWER_GRACE_S = 5.0
"""How much later than the bridge the client gives a request up."""


class _Asked(NamedTuple):
    app: AppId
    verb: str
    then: OnAnswer
    deadline: float


class HostRequests:
    """Those that wait for an answer, and the answers that are due."""

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}
        self._number = 0
        self._due: list[tuple[OnAnswer, Answer]] = []

    def ask(self, app: AppId, request: Request, then: OnAnswer, timeout_s: float) -> bridge.Ask:
        """Return the message that carries a request; ``then`` gets its answer."""
        self._number += 1
        deadline = time.monotonic() + timeout_s + ANSWER_GRACE_S
        self._asked[self._number] = _Asked(app, verb_of(request), then, deadline)
        return bridge.Ask(
            number=self._number, app=app.app, request=codec.encode(request), timeout_s=timeout_s
        )

    def refuse(self, app: AppId, request: Request, then: OnAnswer, why: str) -> None:
        """Refuse a request that cannot be sent."""
        text = f"{why}; {verb_of(request)} was not sent to {app}"
        self._due.append((then, Refused(kind="keeper_gone", message=text)))

    def handle(self, told: bridge.Told) -> None:
        """Note an answer."""
        asked = self._asked.pop(told.number, None)
        if asked is None:
            return
        try:
            answer = codec.decode_answer(told.answer)
        except codec.BadMessageError as error:
            text = f"{asked.app}: cannot read the answer to {asked.verb}: {error}"
            answer = Refused(kind="failed", message=text)
        self._due.append((asked.then, answer))

    def line_lost(self, why: str) -> None:
        """Refuse everything that waits for an answer: it may have been carried out."""
        asked, self._asked = self._asked, {}
        for each in asked.values():
            text = (
                f"{why}; whether {each.verb} was carried out for {each.app} is not known: "
                "look when the host is back"
            )
            self._due.append((each.then, Refused(kind="failed", message=text)))

    def take_due(self, now: float) -> list[tuple[OnAnswer, Answer]]:
        """Return the answers that have come, and a refusal for each request that is overdue."""
        overdue = [number for number, each in self._asked.items() if each.deadline <= now]
        for number in overdue:
            each = self._asked.pop(number)
            text = f"{each.app}: no answer to {each.verb}; whether it was carried out is not known"
            self._due.append((each.then, Refused(kind="failed", message=text)))
        due, self._due = self._due, []
        return due


def verb_of(request: Request) -> str:
    """Return the name of a request."""
    return str(request.__struct_config__.tag)
