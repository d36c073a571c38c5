"""Carries out what a key requests: confirmation, request, and a notice of the result."""

from collections.abc import Callable, Sequence
from typing import Protocol

from textual.notifications import SeverityLevel

from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import (
    Actions,
    ActionsPart,
    Answer,
    EventRecord,
    Offer,
    Refused,
    Request,
    Stop,
    Trigger,
)
from monit_tui.model.action_lines import answer_lines
from monit_tui.model.confirmation import (
    NotPossible,
    PlannedAction,
    Verb,
    changes_since,
    plan_action,
    plan_scale,
)
from monit_tui.model.processes.rows import RowKey, row_name
from monit_tui.model.undo import (
    StoppedInstances,
    after_requests,
    is_reloading,
    plan_undo,
    still_stopped,
)

SLOW_S = 15.0
"""Timeout of a command's answer: the machine may be overloaded when it is sent."""

OFFERS_S = 2.0
"""How long the palette waits for an agent to list its actions."""

ACTION_S = 30.0
"""How long an action may take; on the command line, ``--timeout`` sets it."""


Plan = Callable[[], PlannedAction | NotPossible]
"""Plans an action by what is known now."""


class DialogHost(Protocol):
    """What `ActionRunner` needs from the screen."""

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a notice for some seconds."""
        ...

    def ask_confirmation(self, planned: PlannedAction, then: Callable[[], None]) -> None:
        """Ask for confirmation, and call ``then`` on yes."""
        ...

    def ask_arguments(
        self, who: str, offer: Offer, then: Callable[[tuple[str, ...]], None]
    ) -> None:
        """Ask for the arguments of an action."""
        ...

    def open_answers(self, title: str) -> Callable[[Sequence[str]], None]:
        """Open a dialog for answers; return a function that shows their lines."""
        ...

    def ask_count(self, app: str, now: int, then: Callable[[int], None]) -> None:
        """Ask for a number of instances."""
        ...


class ActionRunner:
    """Turns keys into requests, and shows a notice of each answer."""

    def __init__(self, source: Source, dialogs: DialogHost) -> None:
        self._source, self._dialogs = source, dialogs
        self._stopped: StoppedInstances = {}
        self.not_asked: frozenset[str] = frozenset()
        """Actions that the user has chosen to have done without a question."""

    def carry_out(self, verb: Verb, keys: tuple[RowKey, ...]) -> None:
        """Carry ``verb`` out, after confirmation where it is needed."""
        self._offer(lambda: plan_action(verb, keys, self._source.fleet), verb)

    def scale_app(self, key: RowKey, count: int | None = None) -> None:
        """Scale the app of this row; ask for the number if there is none."""
        app = self._source.fleet.apps.get(key.app)
        if app is None:
            return

        def plan(count: int) -> PlannedAction | NotPossible:
            now = self._source.fleet.apps.get(key.app)
            return plan_scale(now, count) if now else NotPossible(f"{key.app} no longer exists.")

        if count is not None:
            self._offer(lambda: plan(count), "scale")
            return
        self._dialogs.ask_count(
            app.name, len(app.instances), lambda count: self._offer(lambda: plan(count), "scale")
        )

    def undo(self, key: RowKey | None) -> None:
        """Cancel the reload of this row's app, else start again what was stopped last."""
        fleet = self._source.fleet
        app = fleet.apps.get(key.app) if key is not None else None
        self._offer(lambda: plan_undo(app, self._stopped, fleet), "undo")

    def can_undo(self, key: RowKey | None) -> bool:
        """Return whether there is something to undo."""
        fleet = self._source.fleet
        reloading = key is not None and is_reloading(fleet.apps.get(key.app))
        return reloading or bool(still_stopped(self._stopped, fleet))

    def show_event(self, app: AppId, event: EventRecord) -> None:
        """Show a notice of what must not be missed: a failed reload, an errored instance."""
        who = app if event.instance is None else app.instance(event.instance)
        if event.kind == "reload_failed" and event.text.startswith("cancelled"):
            self._dialogs.show_notice(f"{app}: reload {event.text}", "warning")
        elif event.kind == "reload_failed":
            self._dialogs.show_notice(f"{app}: reload failed: {event.text}", "error")
        elif event.kind == "errored":
            self._dialogs.show_notice(f"{who} is errored: {event.text}", "error")
        elif event.kind == "reload_done":
            self._dialogs.show_notice(f"{app}: reload finished.")

    # ------------------------------------------------------------ actions of the apps' own

    def request_offers(self, key: RowKey, then: Callable[[tuple[Offer, ...]], None]) -> None:
        """Request the actions that this row offers; () when its agent does not answer."""

        def answered(answer: Answer) -> None:
            then(answer.offers if isinstance(answer, ActionsPart) else ())

        self._source.send_request(key.app, Actions(instance=key.instance), answered, OFFERS_S)

    def trigger_action(self, key: RowKey, offer: Offer) -> None:
        """Ask for the action's arguments, run it, and show what each process answers."""
        who = row_name(key)

        def run(args: tuple[str, ...]) -> None:
            answers = self._dialogs.open_answers(f"{offer.name} in {who}")
            request = Trigger(
                instance=key.instance, action=offer.name, args=args, timeout_s=ACTION_S
            )
            self._source.send_request(
                key.app, request, lambda answer: answers(answer_lines(key.app, offer.name, answer)),
                ACTION_S + SLOW_S,
            )  # fmt: skip

        self._dialogs.ask_arguments(who, offer, run)

    def _offer(self, plan: Plan, action: str, asked: PlannedAction | None = None) -> None:
        """Do what ``plan`` plans, after a question where one is needed.

        With ``asked``, that question has been answered with yes. It is asked again if its
        instances have changed meanwhile: somebody may have stopped what would be started.
        """
        planned = plan()
        if isinstance(planned, NotPossible):
            nothing = "Nothing was sent. " if asked else ""
            self._dialogs.show_notice(nothing + planned.text)
            return
        changed = changes_since(asked, planned) if asked else ""
        silent = action in self.not_asked and planned.typed is None
        if changed or (planned.confirm and asked is None and not silent):
            question = planned._replace(changed=changed)
            self._dialogs.ask_confirmation(question, lambda: self._offer(plan, action, question))
            return
        self._stopped = after_requests(self._stopped, planned.requests)
        for app, request in planned.requests:
            report = self._report(app, request, planned.done)
            self._source.send_request(app, request, report, SLOW_S)

    def _report(self, app: AppId, request: Request, done: str) -> Callable[[Answer], None]:
        def then(answer: Answer) -> None:
            if isinstance(answer, Refused):
                self._dialogs.show_notice(f"{app}: {answer.message}", "error")
            elif done:
                self._dialogs.show_notice(f"{app}: {done}")
            else:
                word = type(request).__name__.replace("SendSignal", "Signal").lower()
                way_back = "; {list.undo} starts it again" if isinstance(request, Stop) else ""
                self._dialogs.show_notice(f"{app}: {word} requested{way_back}.")

        return then
