"""For how long event loops have been held up at this moment, and what follows. Pure.

A Python process tells by itself, from its probe's thread; a Node process cannot speak while its
loop is held up, and nobody can while halted (SIGSTOP): then silence tells. Times called
``now`` are seconds of `Awake`, so that the agent's own sleep is nobody's silence.
"""

from collections.abc import Callable
from typing import NamedTuple

from monit_agent.observe.patience import Patience

SILENT_S = 2.5
"""So long without a report, of which one comes each second, is silence: one may be lost."""

LONG_S = 1.0
"""A loop that had been busy for so long when it last reported is taken to be so still; a shorter
time says only that it was caught at work."""

STUCK_S = 5.0
"""From when on it is told."""

ASK_AGAIN_S = 5.0


class Heard(NamedTuple):
    """What a process said last. ``busy_s`` is None when it has no event loop that runs."""

    at: float
    busy_s: float | None
    program: str


class Look(NamedTuple):
    """A living process as the kernel shows it: the letter of its state, and what it runs."""

    state: str
    program: str


class Stuck:
    """The processes of the app's instances by pid. ``look`` gives None for one that has ended."""

    def __init__(self, look: Callable[[int], Look | None]) -> None:
        self._look = look
        self._heard: dict[int, dict[int, Heard]] = {}
        self._presumed: dict[int, tuple[int, float]] = {}

    def heard(self, instance: int, pid: int, busy_s: float | None, now: float) -> None:
        """A process of the instance has reported."""
        known = self._heard.setdefault(instance, {})
        before = known.get(pid)
        program = before.program if before else getattr(self._look(pid), "program", "")
        known[pid] = Heard(now, busy_s, program)
        if instance in self._presumed and self._presumed[instance][0] == pid:
            del self._presumed[instance]

    def presume(self, instance: int, pid: int, since: float) -> None:
        """An earlier agent saw the worker stuck since then; believed until the worker speaks."""
        self._presumed[instance] = (pid, since)

    def ended(self, instance: int, pid: int) -> None:
        """A process said good-bye, or closed its connection."""
        self._heard.get(instance, {}).pop(pid, None)

    def forget(self, instance: int) -> None:
        """Drop what is known of an instance: it is gone, or has another worker."""
        self._heard.pop(instance, None)
        self._presumed.pop(instance, None)

    def seconds(self, instance: int, worker: int, now: float) -> float | None:
        """Give for how long the worst loop has been held up; None without any."""
        known = self._heard.get(instance, {})
        each = [self._of(known, pid, now) for pid in list(known)]
        each.append(self._as_presumed(instance, worker, now))
        return max((seconds for seconds in each if seconds is not None), default=None)

    def _of(self, known: dict[int, Heard], pid: int, now: float) -> float | None:
        last = known[pid]
        silence = now - last.at
        if silence < SILENT_S:
            if last.busy_s is None:
                return None
            return last.busy_s + (silence if last.busy_s >= LONG_S else 0.0)
        there = self._look(pid)
        if there is None or there.program != last.program:
            del known[pid]  # it has ended, or replaced itself by something that does not report
            return None
        if last.busy_s is None and there.state not in ("T", "t"):
            return None  # without a loop nothing is held up by what takes long
        return silence + (last.busy_s or 0.0)

    def _as_presumed(self, instance: int, worker: int, now: float) -> float | None:
        if instance not in self._presumed:
            return None
        pid, since = self._presumed[instance]
        if pid != worker or self._look(pid) is None:
            del self._presumed[instance]
            return None
        return now - since


class _Slot:
    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.longest = 0.0
        self.told = False
        self.ask_at = 0.0


class StuckGuard:
    """Says when an instance's loop is stuck, when it is not any more, and when it has to go."""

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}

    def known(self, instance: int, pid: int) -> None:
        """It was told by an earlier agent that this worker is stuck."""
        self._slot(instance, pid).told = True

    def judge(self, instance: int, pid: int, seconds: float, now: float) -> tuple[str, str] | None:
        """Give kind and text of a happening when it begins or ends; called once a second."""
        slot = self._slot(instance, pid)
        if seconds >= STUCK_S:
            slot.patience.ill()
            begins, slot.told = not slot.told, True
            slot.longest = seconds
            return ("stuck", f"event loop held up for {seconds:.0f} s so far") if begins else None
        slot.patience.well(now)
        slot.ask_at = 0.0
        if not slot.told:
            return None
        slot.told = False
        return "unstuck", f"event loop runs again after {max(slot.longest, STUCK_S):.0f} s"

    def replace(self, instance: int, pid: int, seconds: float, limit: float | None) -> str | None:
        """Give the reason to replace the worker now, or None."""
        slot = self._slot(instance, pid)
        if limit is None or seconds < max(limit * slot.patience.factor, slot.ask_at):
            return None
        slot.patience.asked()
        return f"stuck: event loop held up for {seconds:.0f} s"

    def refused(self, instance: int, seconds: float) -> None:
        """The replacement was refused: it is asked for again a little later."""
        slot = self._slots.get(instance)
        if slot is not None:
            slot.patience.refused()
            slot.ask_at = seconds + ASK_AGAIN_S

    def forget(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._slots.pop(instance, None)

    def _slot(self, instance: int, pid: int) -> _Slot:
        slot = self._slots.get(instance)
        if slot is None or slot.patience.pid != pid:
            patience = slot.patience.next(pid) if slot else Patience(pid)
            slot = self._slots[instance] = _Slot(patience)
        return slot
