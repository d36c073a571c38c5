"""Answers to requests about alerts."""

import math
import time
from collections.abc import Callable

from monit_agent.agent.alerts.hooks import HookSender
from monit_agent.agent.alerts.texts import duration_text
from monit_agent.agent.alerts.watch import AlertWatch
from monit_agent.agent.health.keeper_requests import SendRequest, ignore_answer
from monit_agent.agent.serve.router import Handler, RefusedError, Reply
from monit_agent.wire.limits import MUTE_S, MUTES
from monit_agent.wire.messages import (
    Accepted,
    AlertMute,
    AlertTestPart,
    MuteAlerts,
    Request,
    TestAlert,
)


class AlertRequests:
    """The handlers of requests about alerts; ``request`` is the keeper's."""

    def __init__(
        self,
        watch: AlertWatch,
        hooks: HookSender,
        request: SendRequest,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._watch = watch
        self._hooks = hooks
        self._request = request
        self._wall = wall

    def table(self) -> dict[type[Request], Handler]:
        """Return the handler of every kind of request."""
        return {MuteAlerts: self._handle_mute, TestAlert: self._handle_test}

    def _handle_test(self, _request: TestAlert, by: str, reply: Reply) -> None:
        if not self._hooks.records():
            reply(AlertTestPart())
            return
        done = self._hooks.try_all(by, lambda results: reply(AlertTestPart(results=results)))
        if not done:
            raise RefusedError("refused", "another trial notice is on its way; try again later")

    def _handle_mute(self, request: MuteAlerts, by: str, reply: Reply) -> None:
        rule, seconds = request.rule, request.seconds
        if not math.isfinite(seconds) or not 0.0 <= seconds <= MUTE_S:
            raise RefusedError("bad_request", f"a mute lasts from 0 to {MUTE_S:g} s")
        muted = {each.rule for each in self._watch.mutes.current}
        if seconds > 0.0:
            self._check_rule(rule, muted)
        elif not muted or (rule is not None and rule not in muted):
            text = "nothing is muted" if rule is None else f"the rule {rule} is not muted"
            raise RefusedError("refused", text)
        self._watch.set_mute(AlertMute(rule=rule, until=self._wall() + seconds, by=by))
        what = f"alerts {rule}" if rule else "alerts"
        text = f"mute {what} for {duration_text(seconds)}" if seconds else f"unmute {what}"
        record = {"instance": None, "kind": "requested", "text": text, "by": by}
        self._request("record_event", ignore_answer, **record)
        reply(Accepted())

    def _check_rule(self, rule: str | None, muted: set[str | None]) -> None:
        names = self._watch.book.names()
        if rule is not None and rule not in names:
            known = ", ".join(names)
            raise RefusedError("refused", f"there is no rule {rule!r}; the app has {known}")
        if rule not in muted and len(muted) >= MUTES:
            raise RefusedError("refused", f"{MUTES} rules are muted already")
