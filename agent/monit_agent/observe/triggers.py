"""Reasons for which the agent itself asks for a restart: too much memory, the calendar."""

from datetime import datetime

from cronsim import CronSim, CronSimError

from monit_agent.observe.trouble import say
from monit_agent.wire.messages import Sample

MEMORY_SAMPLES = 2
"""Samples in a row over the limit before a worker is replaced: one may be a spike."""


class MemoryGuard:
    """Says once for each worker that it takes more memory than its app may."""

    def __init__(self) -> None:
        self._over: dict[int, tuple[int | None, int]] = {}

    def exceeded(self, instance: int, sample: Sample, limit: int | None) -> str | None:
        """Give the reason to restart the instance now, or None. Called for every sample."""
        rss = sample.rss_bytes
        pid, count = self._over.get(instance, (None, 0))
        if pid != sample.pid:
            count = 0  # another worker, with a record of its own
        if limit is None or rss is None or rss <= limit:
            # below the limit the count begins anew, but who was asked for once stays so
            count = count if count >= MEMORY_SAMPLES else 0
            self._over[instance] = (sample.pid, count)
            return None
        self._over[instance] = (sample.pid, count + 1)
        if count + 1 != MEMORY_SAMPLES:
            return None
        return f"memory {megabytes(rss)} > limit {megabytes(limit)}"

    def forget(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._over.pop(instance, None)


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
