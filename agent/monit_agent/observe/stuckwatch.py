"""Tells when an event loop is stuck, and has its worker replaced where the user wants that.

Judging is pure (`StuckGuard`).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from monit_agent.observe.awake import Awake
from monit_agent.observe.keeperwords import KeeperAnswer
from monit_agent.observe.known import Known
from monit_agent.observe.stuck import STUCK_S, Stuck, StuckGuard
from monit_agent.wire.messages import Sample

Replace = Callable[[tuple[int, ...], str, Callable[[], None]], None]
"""Have instances replaced, because of a reason; called back when that is refused."""

Ask = Callable[..., None]
"""`KeeperLink.ask`."""


class Tools(NamedTuple):
    """What is needed to look after an app's workers."""

    awake: Awake
    ask: Ask
    replace: Replace
    known: Callable[[], Known | None]
    """What is known of the app; None before the keeper's first word."""


class StuckWatch:
    """Looks at every sample. ``where`` says where an instance's loop is held up now."""

    def __init__(self, tools: Tools, stuck: Stuck, where: Callable[[int], str]) -> None:
        self._tools = tools
        self._stuck = stuck
        self._where = where
        self._guard = StuckGuard()

    def ticked(self, instance: int, sample: Sample) -> None:
        """Take in the sample of this second."""
        now, known = self._tools.awake.now(), self._tools.known()
        if known is None or sample.pid is None or instance not in known.instances:
            return
        seconds = sample.stuck_s or 0.0
        happening = self._guard.judge(instance, sample.pid, seconds, now)
        if happening is not None:
            kind, text = happening
            text += self._where(instance) if kind == "stuck" else ""
            tell(self._tools.ask, instance, kind, text)
        if known.instances[instance].status != "online":
            return
        limit = known.app.checks.restart_stuck_s
        why = self._guard.replace(instance, sample.pid, seconds, limit)
        if why is not None:
            why += self._where(instance)
            self._tools.replace((instance,), why, partial(self._guard.refused, instance, seconds))

    def remember(self, known: Known) -> None:
        """Take over from the events what an agent before this one saw: a Node worker that is stuck
        cannot connect, and so not say it again."""
        now, wall = self._tools.awake.now(), time.time()
        last = {
            happening.instance: happening
            for happening in known.happenings
            if happening.kind in ("stuck", "unstuck", "exited", "ready")
        }
        for instance, happening in last.items():
            record = known.instances.get(instance) if instance is not None else None
            if happening.kind == "stuck" and record is not None and record.pid is not None:
                since = now - max(0.0, wall - happening.at) - STUCK_S
                self._stuck.presume(record.instance, record.pid, since)
                self._guard.known(record.instance, record.pid)

    def forget(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._guard.forget(instance)


def tell(ask: Ask, instance: int, kind: str, text: str) -> None:
    """Have the keeper remember and publish a happening."""
    ask("tell", ignore, instance=instance, kind=kind, text=text)


def ignore(_answer: KeeperAnswer) -> None:
    """The keeper's answer changes nothing."""
