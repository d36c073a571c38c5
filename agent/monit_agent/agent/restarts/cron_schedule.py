"""Decides when a cron expression has come, in the time zone of the app."""

from datetime import UTC, datetime, tzinfo

from monit_agent.agent.journal import log
from monit_agent.system.timezone import BadZoneError, zone_name, zone_of


class CronSchedule:
    """A cron expression (five fields) in the zone that ``TZ`` names for the app."""

    def __init__(self) -> None:
        self.next_at: float | None = None
        """When it comes next, in wall seconds; None without one."""
        self.zone: str | None = None
        """The zone as it is written; None without an expression."""
        self._key: tuple[str | None, str | None] | None = None
        self._tzinfo: tzinfo = UTC
        self._last = 0.0

    def is_due(self, expression: str | None, variable: str | None, now: float) -> bool:
        """Return whether it is time. Called every second with the app's ``TZ`` and the wall clock.

        A time is met once, however late; times that were slept over count as one. When the
        clock was set back the next time is computed again.
        """
        if (expression, variable) != self._key:
            self._key = (expression, variable)
            self.zone = None if expression is None else self._use_zone(variable)
            self.next_at = self._next_time(expression, now)
        elif now < self._last:
            self.next_at = self._next_time(expression, now)
        self._last = now
        if self.next_at is None or now < self.next_at:
            return False
        self.next_at = self._next_time(expression, now)
        return True

    def _use_zone(self, variable: str | None) -> str:
        try:
            self._tzinfo = zone_of(variable)
        except BadZoneError as error:
            log(f"{error}; cron uses UTC, as the app does")
            self._tzinfo = UTC
            return f"UTC ({error})"
        return zone_name(variable)

    def _next_time(self, expression: str | None, now: float) -> float | None:
        if expression is None:
            return None
        from cronsim import CronSim, CronSimError  # noqa: PLC0415 (0.4 MB, and few apps have one)

        try:
            found = next(CronSim(expression, datetime.fromtimestamp(now, self._tzinfo)), None)
        except CronSimError as error:
            log(f"the cron expression {expression!r} cannot be read: {error}")
            return None
        return found.timestamp() if found else None
