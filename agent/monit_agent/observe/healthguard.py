"""From single checks to a worker's health, and when it must be replaced. Pure.

Times called ``now`` are seconds of `Awake`; ``wall`` is for people.
"""

from typing import NamedTuple

from monit_agent.observe.patience import Patience
from monit_agent.wire.messages import Checks, Health

TOLD_FROM = 2
"""So many failures in a row are told; a single slow answer would fill the list of events."""

SPREAD = 0.618
"""Instances are not all checked at the same moment: each begins this part of a round later."""


class Verdict(NamedTuple):
    """What follows from one check. ``tell`` is kind and text of a happening, ``replace`` why the
    worker has to go."""

    tell: tuple[str, str] | None = None
    replace: str | None = None


class _Slot:
    def __init__(self, patience: Patience, next_at: float) -> None:
        self.patience = patience
        self.next_at = next_at
        self.health = Health()
        self.told = False
        self.texts: set[str] = set()
        """What went wrong in this row of failures."""
        self.counted = 0
        """Failures since the row began, or since a replacement was asked for."""


class HealthGuard:
    """The health of all instances of one app."""

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}

    def due(self, instance: int, pid: int, checks: Checks, now: float) -> bool:
        """Say whether the worker, which is online, is to be checked now; call it often."""
        slot = self._slots.get(instance)
        if slot is None or slot.patience.pid != pid:
            patience = slot.patience.next(pid) if slot else Patience(pid)
            later = (instance * SPREAD % 1.0) * checks.health_interval_s
            slot = self._slots[instance] = _Slot(patience, now + checks.health_grace_s + later)
        return now >= slot.next_at

    def begun(self, instance: int, checks: Checks, now: float) -> None:
        """A check of the instance was begun."""
        self._slots[instance].next_at = now + checks.health_interval_s

    def passed(self, instance: int, text: str, now: float, wall: float) -> Verdict:
        """The check succeeded."""
        slot = self._slots.get(instance)
        if slot is None:
            return Verdict()
        before, told = slot.health, slot.told
        slot.health = Health(ok=True, at=wall, text=text)
        slot.told, slot.counted = False, 0
        slot.texts.clear()
        slot.patience.well(now)
        if not told:
            return Verdict()
        return Verdict(tell=("healthy", f"{text}, after {before.failures} failures"))

    def failed(self, instance: int, text: str, checks: Checks, wall: float) -> Verdict:
        """The check failed, as ``text`` says."""
        slot = self._slots.get(instance)
        if slot is None:
            return Verdict()
        failures = slot.health.failures + 1
        slot.health = Health(ok=False, failures=failures, at=wall, text=text)
        slot.counted += 1
        slot.patience.ill()
        if len(slot.texts) < TOLD_FROM:
            slot.texts.add(text)
        tell = None
        if not slot.told and failures >= min(TOLD_FROM, checks.health_failures):
            slot.told = True
            tell = ("unhealthy", f"{text}, {_times(failures)} in a row")
        if slot.counted < checks.health_failures * slot.patience.factor:
            return Verdict(tell)
        slot.patience.asked()
        slot.counted = 0
        return Verdict(tell, _reason(failures, slot.texts, text))

    def refused(self, instance: int, checks: Checks) -> None:
        """The replacement was refused: the next failure asks for it again."""
        slot = self._slots.get(instance)
        if slot is not None:
            slot.patience.refused()
            slot.counted = checks.health_failures * slot.patience.factor

    def health(self, instance: int, pid: int | None) -> Health:
        """Give the health of the instance's worker."""
        slot = self._slots.get(instance)
        return slot.health if slot is not None and slot.patience.pid == pid else Health()

    def forget(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._slots.pop(instance, None)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _reason(failures: int, texts: set[str], last: str) -> str:
    if failures == 1:
        return f"health: {last}"
    if len(texts) == 1:
        return f"health: {_times(failures)} in a row {last}"
    return f"health: failed {_times(failures)} in a row, at last {last}"
