"""Sends notices through the hooks of an app, one at a time for each of them.

A hook that hangs or fails delays nothing but its own queue. It is an event when a hook begins to
fail and when it works again, and its problem is shown until then.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

from monit_agent.agent.agent_order import Surroundings
from monit_agent.agent.alerts.hook import COMMAND, HOOKS, WEBHOOK, Delivery, Hook
from monit_agent.agent.alerts.hook_queue import NoticeQueues, Waiting
from monit_agent.agent.alerts.notices import AlertPace, Notice, make_notice
from monit_agent.agent.keeper.state import AppState
from monit_agent.wire.messages import EventRecord, HookRecord, HookResult

BACKOFF_S = (1.0, 5.0)
"""The waits between the tries of a webhook: three tries."""

MISSED_S = 60.0
"""An agent is replaced within seconds: notices about older events would be noise."""

EVENT_KINDS = frozenset({"exited", "errored", "ready", "reload_failed", "unhealthy"})


class _Counts:
    """How a hook did since the agent started."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.at: float | None = None
        self.problem: str | None = None


class HookSender:
    """The hooks of one app. ``record`` has the keeper record an event: kind, text."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: str,
        state: Callable[[], AppState | None],
        record: Callable[[str, str], None],
        surroundings: Surroundings,
    ) -> None:
        self._loop = loop
        self._surroundings = surroundings
        self._state = state
        self._record = record
        self._queues = NoticeQueues(path, HOOKS)
        self._pace = AlertPace()
        self._counts = {hook: _Counts() for hook in HOOKS}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._trial: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ what is sent

    def restore(self, state: AppState) -> None:
        """Send notices about what happened just before this agent, and while there was none."""
        since = max(self._queues.event_at, time.time() - MISSED_S)
        for event in [each for each in state.events if each.at > since]:
            self.event_added(event)

    def event_added(self, event: EventRecord) -> None:
        """Send a notice about an event, where the user wants that."""
        if event.kind in EVENT_KINDS and event.kind in self._wanted():
            self._queues.event_at = max(self._queues.event_at, event.at)
            text = f"{event.kind.replace('_', ' ')}: {event.text}"
            self._send(make_notice(event.kind, self._who(event.instance), event.at, text,
                                   by=event.by))  # fmt: skip

    def alert(self, kind: str, instance: int | None, text: str, fields: dict[str, Any]) -> None:
        """Send a notice about an alert, at once or with others within a minute."""
        if "alert" not in self._wanted():
            return
        notice = make_notice(kind, self._who(instance), time.time(), text, **fields)
        passed = self._pace.add(notice, self._loop.time())
        if passed is not None:
            self._send(passed)

    def every_second(self) -> None:
        """Send what waits for its minute, and what an agent before this one did not send."""
        due = self._pace.due(self._loop.time())
        if due is not None:
            self._send(due)
        hooks = self._hooks()
        for name, queue in self._queues.queues.items():
            if name not in hooks:
                self._queues.clear(name)
                self._counts[name].problem = None
            elif queue:
                self._start(name)

    def try_all(self, by: str, answered: Callable[[tuple[HookResult, ...]], None]) -> bool:
        """Send a trial notice through each hook; return False while another trial is under way."""
        if self._trial is not None and not self._trial.done():
            return False
        text = "a trial notice; nothing is wrong"
        notice = make_notice("test", self._who(None), time.time(), text, by=by)
        self._trial = self._loop.create_task(self._try_all(notice, answered))
        return True

    def records(self) -> tuple[HookRecord, ...]:
        """Return the hooks that are named, and how they do."""
        return tuple(
            HookRecord(
                hook=hook.name,
                target=hook.target,
                sent=counts.sent,
                failed=counts.failed,
                dropped=self._queues.dropped[hook.name],
                waiting=len(self._queues.queues[hook.name]),
                at=counts.at,
                problem=counts.problem,
            )
            for hook in self._hooks().values()
            for counts in [self._counts[hook.name]]
        )

    # ------------------------------------------------------------ sending

    def _wanted(self) -> tuple[str, ...]:
        """Return what notices are sent about; nothing where no hook is named."""
        state = self._state()
        return state.app.alerts.on if state is not None and self._hooks() else ()

    def _hooks(self) -> dict[str, Hook]:
        state = self._state()
        if state is None:
            return {}
        command, url, cwd = state.app.alerts.command, state.webhook, state.app.cwd
        ca = state.app.alerts.webhook_ca
        hooks = [Hook(COMMAND, command, "", cwd)] if command else []
        hooks += [Hook(WEBHOOK, (), url, cwd, "" if ca == "none" else ca)] if url else []
        return {hook.name: hook for hook in hooks}

    def _who(self, instance: int | None) -> dict[str, Any]:
        state = self._state()
        app = state.app.name if state is not None else ""
        return {"host": socket.gethostname(), "app": app, "instance": instance}

    def _send(self, notice: Notice) -> None:
        for name in self._hooks():
            self._queues.add(name, notice)
            self._start(name)

    def _start(self, name: str) -> None:
        task = self._tasks.get(name)
        if task is None or task.done():
            self._tasks[name] = self._loop.create_task(self._deliver_all(name))

    async def _deliver_all(self, name: str) -> None:
        while (hook := self._hooks().get(name)) and (waiting := self._queues.take(name)):
            dropped = self._queues.dropped[name]
            notice = {**waiting.notice, "dropped": dropped}
            delivery = await _run(hook, notice, self._surroundings)
            tries = waiting.tries + 1
            if not delivery.ok and delivery.again and tries <= len(BACKOFF_S):
                self._queues.put_back(name, Waiting(waiting.notice, tries))
                await asyncio.sleep(BACKOFF_S[tries - 1])
                continue
            self._note(hook, delivery, tries)

    def _note(self, hook: Hook, delivery: Delivery, tries: int) -> None:
        counts = self._counts[hook.name]
        counts.at = time.time()
        before = counts.problem
        if delivery.ok:
            counts.sent += 1
            counts.problem = None
        else:
            counts.failed += 1
            often = f", {tries} tries" if tries > 1 else ""
            counts.problem = f"alert {hook.name} {hook.target}: {delivery.text}{often}"
        if counts.problem is not None and before is None:
            self._record("hook_failed", counts.problem)
        elif counts.problem is None and before is not None:
            self._record("hook_works", f"alert {hook.name} {hook.target}: {delivery.text}")

    async def _try_all(
        self, notice: Notice, answered: Callable[[tuple[HookResult, ...]], None]
    ) -> None:
        hooks = list(self._hooks().values())
        found = await asyncio.gather(*(_run(hook, notice, self._surroundings) for hook in hooks))
        for hook, delivery in zip(hooks, found, strict=True):
            self._note(hook, delivery, 1)
        answered(
            tuple(
                HookResult(
                    hook=hook.name, target=hook.target, ok=each.ok, text=each.text,
                    took_s=each.took_s,
                )
                for hook, each in zip(hooks, found, strict=True)
            )
        )  # fmt: skip


async def _run(hook: Hook, notice: Notice, surroundings: Surroundings) -> Delivery:
    # imported here: most apps have no hook
    from monit_agent.agent.alerts.hook_run import HookRunner  # noqa: PLC0415

    return await HookRunner(surroundings).run(hook, notice)
