"""Requests of programs that run actions in the processes of apps."""

from collections.abc import Iterable

from monit_agent.client.commands.action_results import parse_value, why_no_action
from monit_agent.client.public.agent_answers import AgentRequest, AnswersJob
from monit_agent.client.public.api_requests import INSTANCES_MAX, TriggerAction
from monit_agent.client.public.jobs import Chosen, Receiver, Reply, RequestFailedError
from monit_agent.client.public.records import ActionOutcome, Item
from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import ActionResult, Answer, Trigger, TriggerPart

MARGIN_S = 3.0
"""Extra time for the answer of an agent that itself stops waiting at the timeout."""

NAMED = 8
"""Failed processes whose errors the text has; `RequestFailedError.results` has all."""


class TriggerJob(AnswersJob):
    """Answers with what each process returned."""

    at_once = INSTANCES_MAX
    """All, because each takes as long as the action."""

    def __init__(self, source: Source, receiver: Receiver, request: TriggerAction) -> None:
        super().__init__(source, receiver, request.targets)
        self._request = request
        self._results: list[ActionOutcome] = []
        self._offers: set[str] = set()

    def requests(self, chosen: Chosen) -> list[AgentRequest]:
        """Ask each app, or each instance that is meant."""
        request, found = self._request, list[AgentRequest]()
        for app in chosen.apps:
            numbers = chosen.numbers(self.source.fleet.apps[app])
            for number in (None,) if numbers is None else numbers:
                trigger = Trigger(
                    instance=number,
                    action=request.action,
                    args=request.args,
                    timeout_s=request.timeout_s,
                )
                found.append(AgentRequest(app, trigger, request.timeout_s + MARGIN_S))
        return found

    def items_of(self, app: AppId, answer: Answer) -> Iterable[Item]:
        """Keep the results; they are in the reply."""
        if isinstance(answer, TriggerPart):
            self._results += [_outcome(app, each) for each in answer.results]
            self._offers |= {offer.name for offer in answer.offers}
        return ()

    def finish(self) -> None:
        """Reply with the results, if every process did the work."""
        failed = [each for each in self._results if not each.ok]
        if failed:
            texts = [f"{_name(each)}: {each.error}" for each in failed[:NAMED]]
            more = [f"and {len(failed) - NAMED} more"] if len(failed) > NAMED else []
            self.fail_with("failed", "; ".join([*texts, *more]))
        elif not self._results:
            targets = " ".join(self._request.targets)
            self.fail_with("failed", why_no_action(targets, self._request.action, self._offers))
        else:
            self.reply = Reply(results=tuple(self._results))

    def fail_with(self, kind: str, text: str) -> None:
        """Make the reply, with the results of the others."""
        self.fail(RequestFailedError(kind, text, results=self._results))


def _outcome(app: AppId, result: ActionResult) -> ActionOutcome:
    return ActionOutcome(
        host=app.host,
        app=app.app,
        instance=result.instance,
        pid=result.pid,
        ok=result.ok,
        value=parse_value(result.value) if result.ok else None,
        error=None if result.ok else result.value,
    )


def _name(result: ActionOutcome) -> str:
    return f"{AppId(result.host, result.app)}/{result.instance} (pid {result.pid})"
