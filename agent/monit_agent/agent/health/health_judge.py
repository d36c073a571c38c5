"""From single checks to a worker's health, and when it must be replaced. Pure.

Times called ``now`` are seconds of `AwakeClock`; ``wall`` is for people.
"""

from typing import NamedTuple

from monit_agent.agent.health.replacement_backoff import ReplacementBackoff
from monit_agent.wire.messages import Checks, Health

REPORTED_FROM = 2
"""So many failures in a row are an event; single slow answers would fill the event log."""

SPREAD = 0.618
"""Instances are not all checked at the same moment: each begins this part of a round later."""


class HealthVerdict(NamedTuple):
    """What follows from one check: kind and text of an event, and why to replace the worker."""

    event: tuple[str, str] | None = None
    replace_reason: str | None = None


class _CheckedSlot:
    def __init__(self, backoff: ReplacementBackoff, next_at: float) -> None:
        self.backoff = backoff
        self.next_at = next_at
        self.health = Health()
        self.reported = False
        self.texts: set[str] = set()
        """What went wrong in this row of failures."""
        self.counted = 0
        """Failures since the row began, or since a replacement was requested."""


class HealthJudge:
    """The health of all instances of one app."""

    def __init__(self) -> None:
        self._slots: dict[int, _CheckedSlot] = {}

    def is_due(self, instance: int, pid: int, checks: Checks, now: float) -> bool:
        """Return whether the worker, which is online, is to be checked now; call it often."""
        slot = self._slots.get(instance)
        if slot is None or slot.backoff.pid != pid:
            backoff = slot.backoff.for_next_worker(pid) if slot else ReplacementBackoff(pid)
            later = (instance * SPREAD % 1.0) * checks.health_interval_s
            first_at = now + checks.health_grace_s + later
            slot = self._slots[instance] = _CheckedSlot(backoff, first_at)
        return now >= slot.next_at

    def check_started(self, instance: int, checks: Checks, now: float) -> None:
        """Schedule the next check."""
        self._slots[instance].next_at = now + checks.health_interval_s

    def check_passed(self, instance: int, text: str, now: float, wall: float) -> HealthVerdict:
        """Return what follows from a check that passed."""
        slot = self._slots.get(instance)
        if slot is None:
            return HealthVerdict()
        before, reported = slot.health, slot.reported
        slot.health = Health(ok=True, at=wall, text=text)
        slot.reported, slot.counted = False, 0
        slot.texts.clear()
        slot.backoff.note_well(now)
        if not reported:
            return HealthVerdict()
        return HealthVerdict(event=("healthy", f"{text}, after {before.failures} failures"))

    def check_failed(self, instance: int, text: str, checks: Checks, wall: float) -> HealthVerdict:
        """Return what follows from a check that failed with ``text``."""
        slot = self._slots.get(instance)
        if slot is None:
            return HealthVerdict()
        failures = slot.health.failures + 1
        slot.health = Health(ok=False, failures=failures, at=wall, text=text)
        slot.counted += 1
        slot.backoff.note_ill()
        if len(slot.texts) < REPORTED_FROM:
            slot.texts.add(text)
        event = None
        if not slot.reported and failures >= min(REPORTED_FROM, checks.health_failures):
            slot.reported = True
            event = ("unhealthy", f"{text}, {_times(failures)} in a row")
        if slot.counted < checks.health_failures * slot.backoff.factor:
            return HealthVerdict(event)
        slot.backoff.replacement_requested()
        slot.counted = 0
        return HealthVerdict(event, _reason(failures, slot.texts, text))

    def replacement_refused(self, instance: int, checks: Checks) -> None:
        """Request it again at the next failure."""
        slot = self._slots.get(instance)
        if slot is not None:
            slot.backoff.replacement_refused()
            slot.counted = checks.health_failures * slot.backoff.factor

    def health(self, instance: int, pid: int | None) -> Health:
        """Return the health of the instance's worker."""
        slot = self._slots.get(instance)
        return slot.health if slot is not None and slot.backoff.pid == pid else Health()

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._slots.pop(instance, None)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _reason(failures: int, texts: set[str], last: str) -> str:
    if failures == 1:
        return f"health: {last}"
    if len(texts) == 1:
        return f"health: {last}, {_times(failures)} in a row"
    return f"health: failed {_times(failures)} in a row (last: {last})"
