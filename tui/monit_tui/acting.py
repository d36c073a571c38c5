"""Doing what the user asked for: question, request, and a word about how it went."""

from collections.abc import Callable, Sequence
from typing import Protocol

from textual.notifications import SeverityLevel

from monit_agent.client.source import Source
from monit_agent.wire.messages import (
    Actions,
    ActionsPart,
    Answer,
    CancelReload,
    Happening,
    Offer,
    Refused,
    Request,
    Trigger,
)
from monit_tui.answers import told
from monit_tui.asking import Asking, Explained, Verb, ask, can_undo, replaced_since, scale, undo
from monit_tui.rows import RowKey, name_of

SLOW_S = 15.0
"""How long a command's answer may take: agents are asked while their machine suffers."""

OFFERS_S = 2.0
"""How long the palette waits for an agent to say what can be triggered."""

ACTION_S = 30.0
"""How long an action may take; the command line has a longer word for it."""


class Dialogs(Protocol):
    """What `Acting` needs of the screen."""

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a line for some seconds."""
        ...

    def confirm(self, asking: Asking, then: Callable[[], None]) -> None:
        """Ask, and call ``then`` on yes."""
        ...

    def arguments(self, who: str, offer: Offer, then: Callable[[tuple[str, ...]], None]) -> None:
        """Ask for the arguments of an action."""
        ...

    def answers(self, title: str) -> Callable[[Sequence[str]], None]:
        """Open a place for answers; what is given is to be called with their lines."""
        ...

    def how_many(self, app: str, now: int, then: Callable[[int], None]) -> None:
        """Ask for a number of instances."""
        ...


class Acting:
    """Turns keys into requests; the apps answer through the source."""

    def __init__(self, source: Source, dialogs: Dialogs) -> None:
        self._source, self._dialogs = source, dialogs

    def act(self, verb: Verb, keys: tuple[RowKey, ...]) -> None:
        """Ask for confirmation where that is due, then do it."""
        self._offer(ask(verb, keys, self._source.fleet))

    def scale(self, key: RowKey) -> None:
        """Ask for a number, then scale the app of this row."""
        app = self._source.fleet.apps.get(key.app)
        if app is not None:
            self._dialogs.how_many(
                app.name, len(app.instances), lambda count: self._offer(scale(app, count))
            )

    def undo(self, key: RowKey) -> None:
        """Call off what is under way in the app of this row."""
        app = self._source.fleet.apps.get(key.app)
        if app is not None:
            self._offer(undo(app))

    def can_undo(self, key: RowKey | None) -> bool:
        """Tell whether there is something to call off."""
        return key is not None and can_undo(self._source.fleet.apps.get(key.app))

    def happened(self, app: str, happening: Happening) -> None:
        """Say aloud what must not be missed: a reload that failed, an instance that gave up."""
        who = app if happening.instance is None else f"{app}/{happening.instance}"
        if happening.kind == "reload_failed" and happening.text.startswith("cancelled"):
            self._dialogs.say(f"{app}: reload {happening.text}", "warning")
        elif happening.kind == "reload_failed":
            self._dialogs.say(f"{app}: reload failed. {happening.text}", "error")
        elif happening.kind == "errored":
            self._dialogs.say(f"{who} gave up. {happening.text}", "error")
        elif happening.kind == "reload_done":
            self._dialogs.say(f"{app}: reload done.")

    # ------------------------------------------------------------ actions of the apps' own

    def offers(self, key: RowKey, then: Callable[[tuple[Offer, ...]], None]) -> None:
        """Find out what can be triggered on this row; () when its agent does not say."""

        def answered(answer: Answer) -> None:
            then(answer.offers if isinstance(answer, ActionsPart) else ())

        self._source.ask(key.app, Actions(instance=key.instance), answered, OFFERS_S)

    def trigger(self, key: RowKey, offer: Offer) -> None:
        """Ask for the action's arguments, run it, and show what each process answers."""
        who = name_of(key)

        def run(args: tuple[str, ...]) -> None:
            answers = self._dialogs.answers(f"{offer.name} in {who}")
            request = Trigger(
                instance=key.instance, action=offer.name, args=args, timeout_s=ACTION_S
            )
            self._source.ask(
                key.app, request, lambda answer: answers(told(key.app, offer.name, answer)),
                ACTION_S + SLOW_S,
            )  # fmt: skip

        self._dialogs.arguments(who, offer, run)

    def _offer(self, asking: Asking | Explained) -> None:
        if isinstance(asking, Explained):
            self._dialogs.say(asking.text)
        elif asking.confirm:
            self._dialogs.confirm(asking, lambda: self._do(asking))
        else:
            self._do(asking)

    def _do(self, asking: Asking) -> None:
        replaced = replaced_since(asking, self._source.fleet)
        if replaced:
            text = f"Nothing was sent: {', '.join(replaced)} is not there any more."
            self._dialogs.say(text, "warning")
            return
        for app, request in asking.requests:
            self._source.ask(app, request, self._report(app, request), SLOW_S)

    def _report(self, app: str, request: Request) -> Callable[[Answer], None]:
        def then(answer: Answer) -> None:
            if isinstance(answer, Refused):
                self._dialogs.say(f"{app}: {answer.message}", "error")
            elif isinstance(request, CancelReload):
                self._dialogs.say(f"{app}: the reload is called off; no more are replaced.")
            else:
                word = type(request).__name__.replace("SendSignal", "Signal").lower()
                self._dialogs.say(f"{app}: {word} is under way.")

        return then
