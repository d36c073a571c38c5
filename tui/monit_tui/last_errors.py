"""Fetches the last lines of workers that exited, for the reason in their rows."""

from collections.abc import Callable, Iterable

from monit_agent.client.logs.last_error import LINES, last_error
from monit_agent.client.source import Source
from monit_agent.client.view import InstanceView
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.messages import Answer, Exit, LogPart, LogTail

AGAIN_S = 10.0
"""Seconds between two requests for one instance: a crash loop prints the same each time."""

IN_FLIGHT = 8
"""Most requests that wait for an answer: hundreds of instances may crash at one time."""


class LastErrors:
    """What the last worker of an instance printed about its end, as far as it is known."""

    def __init__(self, source: Source, changed: Callable[[], None]) -> None:
        self._source = source
        self.changed = [changed]
        """Called when a line has come."""
        self._texts: dict[InstanceId, str] = {}
        self._exits: dict[InstanceId, float] = {}
        """Wall time of the exit whose lines were requested."""
        self._requested: dict[InstanceId, float] = {}
        self._flying = 0

    def text(self, identity: InstanceId) -> str:
        """Return the line, "" while it is unknown."""
        return self._texts.get(identity, "")

    def forget_gone(self) -> None:
        """Forget instances that no longer exist."""
        fleet = self._source.fleet
        for identity in [one for one in self._requested if fleet.instance(one) is None]:
            for known in (self._texts, self._exits, self._requested):
                known.pop(identity, None)

    def request(self, views: Iterable[InstanceView]) -> None:
        """Request what is missing for these instances."""
        now = self._source.monotonic()
        for view in views:
            if self._flying >= IN_FLIGHT:
                return
            last = view.record.exits[-1] if view.record.exits else None
            who = view.identity
            recent = now - self._requested.get(who, float("-inf")) < AGAIN_S
            if last is None or recent or self._exits.get(who) == last.at:
                continue
            self._exits[who], self._requested[who] = last.at, now
            self._ask(who, last, ("err", "out"))

    def _ask(self, who: InstanceId, last: Exit, streams: tuple[str, ...]) -> None:
        stream, *others = streams
        request = LogTail(
            instance=who.instance, stream="err" if stream == "err" else "out", lines=2 * LINES
        )
        self._flying += 1

        def then(answer: Answer) -> None:
            self._flying -= 1
            text = last_error(answer, last) if isinstance(answer, LogPart) else ""
            if not text and others:
                self._ask(who, last, tuple(others))
            elif text != self._texts.get(who, ""):
                self._texts[who] = text
                for call in self.changed:
                    call()

        self._source.send_request(who.app_id, request, then)
