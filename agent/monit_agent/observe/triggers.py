"""Reasons for which the agent itself asks for a restart: too much memory, the calendar."""

from datetime import datetime

from cronsim import CronSim, CronSimError

from monit_agent.observe.trouble import say
from monit_agent.wire.messages import Sample

MEMORY_SAMPLES = 2
"""Samples in a row over the limit before a worker is replaced: one may be a spike."""

MEMORY_SAMPLES_MOST = 64
"""Each time that the next worker is over the limit at once too, twice as many are waited for, up
to this: an app that needs more than its limit must not be restarted without end every second."""

AT_ONCE_SAMPLES = 120
"""A worker that was over the limit within its first two minutes was so at once."""


class _Memory:
    """What is remembered of one slot's worker."""

    def __init__(self, pid: int | None, patience: int) -> None:
        self.pid = pid
        self.patience = patience
        self.seen = 0
        self.over = 0
        self.asked = False

    def next_patience(self) -> int:
        """Give how many samples the next worker may be over the limit."""
        if self.asked and self.seen <= AT_ONCE_SAMPLES:
            return min(self.patience * 2, MEMORY_SAMPLES_MOST)
        return MEMORY_SAMPLES


class MemoryGuard:
    """Says once for each worker that it takes more memory than its app may."""

    def __init__(self) -> None:
        self._slots: dict[int, _Memory] = {}

    def exceeded(self, instance: int, sample: Sample, limit: int | None) -> str | None:
        """Give the reason to restart the instance now, or None. Called once a second."""
        rss = sample.rss_bytes
        if rss is None:
            return None
        slot = self._slots.get(instance)
        if slot is None or slot.pid != sample.pid:
            patience = slot.next_patience() if slot else MEMORY_SAMPLES
            slot = self._slots[instance] = _Memory(sample.pid, patience)
        slot.seen += not slot.asked
        slot.over = slot.over + 1 if limit is not None and rss > limit else 0
        if limit is None or slot.asked or slot.over < slot.patience:
            return None
        slot.asked = True
        return f"memory {megabytes(rss)} > limit {megabytes(limit)}"

    def forget(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._slots.pop(instance, None)


def megabytes(size: int) -> str:
    """Give ``size`` bytes as people say it: ``210 MB``, small ones with a digit more."""
    amount = size / 1_000_000
    return f"{amount:.0f} MB" if amount >= 10 else f"{amount:.1f} MB"


class Calendar:
    """Says when a cron expression (five fields, local time) has come."""

    def __init__(self) -> None:
        self._expression: str | None = None
        self._next: datetime | None = None
        self._last: datetime | None = None

    def due(self, expression: str | None, now: datetime) -> bool:
        """Say whether it is time. Called every second with the wall clock, without a zone.

        A time is met once, however late; times that were slept over count as one. When the
        clock was set back the next time is computed anew.
        """
        went_back = self._last is not None and now < self._last
        if expression != self._expression or went_back:
            self._expression = expression
            self._next = _following(expression, now)
        self._last = now
        if self._next is None or now < self._next:
            return False
        self._next = _following(expression, now)
        return True


def _following(expression: str | None, now: datetime) -> datetime | None:
    if expression is None:
        return None
    try:
        return next(CronSim(expression, now), None)
    except CronSimError as error:
        say(f"the cron expression {expression!r} cannot be read: {error}")
        return None
