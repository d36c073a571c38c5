"""Decides that a worker uses more memory than its app may, and how fast it must be stopped. Pure.

Two kinds of workers pass a limit. One needs a little more than its limit, for ever: a restart does
not help, so each of them is given more time. Another leaks: it is stopped near the limit, however
often. They differ in that the leak keeps reaching new peaks.

Measured with a Node program that leaks 80 MB/s under a limit of 150 MiB: the first was stopped
at 237 MB and the next ones at 309 to 326 MB; one that ignores SIGTERM was killed at 391 to 397 MB.
With samples of one second and growing time alone it reached 928 MB.
"""

from typing import NamedTuple

MEMORY_SAMPLES = 2
"""Samples in a row over the limit before a worker is replaced: one may be a spike."""

MEMORY_SAMPLES_MOST = 64
"""Each time that the next worker is over the limit at once too, it gets twice as many, up to
this: an app that needs more than its limit must not be restarted without end every second."""

AT_ONCE_SAMPLES = 120
"""A worker that was over the limit within its first two minutes was so at once."""

CEILING = 1.5
"""Above the limit times this, a worker that still grows is replaced without waiting."""

NEXT_CEILING = 2.0
"""The same for the worker after one that reached the ceiling within `AT_ONCE_SAMPLES`: an app may
need more while it starts than afterwards."""

KILL_ABOVE_CEILING = 0.5
"""A worker that should stop and grows is killed from this part of the limit above the ceiling."""

GROWS_WHILE_STOPPING = 0.1
"""Growth since the stop was requested, as a part of the limit, that shows that it does not stop."""

NEW_PEAK = 0.01
"""Growth counts from this part of the limit above the highest sample so far. A garbage collector's
sawtooth reaches no new peaks."""

YOUNG_S = 3.0
"""A worker whose first sample comes this early grew from nothing."""


class Overrun(NamedTuple):
    """A worker uses too much memory."""

    kill: bool
    """Send SIGKILL; else replace it as any restart does."""
    why: str


class _MemorySlot:
    """One slot's worker, which may have ``allowed`` samples in a row over the limit."""

    def __init__(self, pid: int | None, allowed: int, ceiling: float, peak: int | None) -> None:
        self.pid = pid
        self.allowed = allowed
        self.ceiling = ceiling
        self.peak = peak
        """The highest sample so far; None before the first one of a worker that is not new."""
        self.seen = 0
        self.over = 0
        self.requested_at: int | None = None
        """What it used when its replacement was requested."""
        self.reached_ceiling = False
        self.killed = False

    def next_worker(self, pid: int | None, peak: int | None) -> "_MemorySlot":
        """Return what the next worker of the slot is allowed."""
        at_once = self.requested_at is not None and self.seen <= AT_ONCE_SAMPLES
        allowed = min(self.allowed * 2, MEMORY_SAMPLES_MOST) if at_once else MEMORY_SAMPLES
        ceiling = NEXT_CEILING if at_once and self.reached_ceiling else CEILING
        return _MemorySlot(pid, allowed, ceiling, peak)

    def grows(self, used: int, limit: int) -> bool:
        """Return whether the worker reached a new peak."""
        return self.peak is not None and used > self.peak + limit * NEW_PEAK


class MemoryGuard:
    """Decides about the workers of one app, each once."""

    def __init__(self) -> None:
        self._slots: dict[int, _MemorySlot] = {}

    def sampled(
        self, instance: int, pid: int | None, used: int | None, limit: int | None, age_s: float
    ) -> Overrun | None:
        """Return what must be done about a worker, or None. Called with each new reading, at most
        once a second.

        ``used`` and ``limit`` are bytes, None for unknown and for no limit; ``age_s`` is the
        worker's age.
        """
        if used is None:
            return None
        slot = self._slot(instance, pid, age_s)
        slot.seen += slot.requested_at is None
        slot.over = slot.over + 1 if limit is not None and used > limit else 0
        overrun = self.used_now(instance, pid, used, limit)
        slot.peak = max(used, slot.peak or 0)
        if overrun is not None or limit is None:
            return overrun
        if slot.requested_at is not None or slot.over < slot.allowed:
            return None
        slot.requested_at = used
        return Overrun(kill=False, why=f"memory {megabytes(used)} > limit {megabytes(limit)}")

    def used_now(
        self, instance: int, pid: int | None, used: int, limit: int | None
    ) -> Overrun | None:
        """Return what must be done at once, or None. Called between samples too."""
        slot = self._slots.get(instance)
        if slot is None or slot.pid != pid or limit is None or slot.killed:
            return None
        times = used / limit
        text = f"memory {megabytes(used)}, {times:.1f} times its limit {megabytes(limit)}"
        if slot.requested_at is None:
            if times <= slot.ceiling or not slot.grows(used, limit):
                return None
            slot.requested_at, slot.reached_ceiling = used, True
            return Overrun(kill=False, why=f"{text}, and growing")
        grown = used - slot.requested_at
        if times <= slot.ceiling + KILL_ABOVE_CEILING or grown <= limit * GROWS_WHILE_STOPPING:
            return None
        slot.killed = slot.reached_ceiling = True
        return Overrun(kill=True, why=f"{text}, and growing while it should stop")

    def may_pass_soon(self, instance: int, used: int, limit: int, growth: int) -> bool:
        """Return whether a worker that grows by ``growth`` soon is over its limit then, or is over
        it and grows, and has not been killed."""
        slot = self._slots.get(instance)
        alive = slot is not None and not slot.killed
        return alive and growth > limit * NEW_PEAK and used + growth > limit

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._slots.pop(instance, None)

    def _slot(self, instance: int, pid: int | None, age_s: float) -> _MemorySlot:
        slot = self._slots.get(instance)
        if slot is not None and slot.pid == pid:
            return slot
        peak = 0 if age_s <= YOUNG_S else None
        first = _MemorySlot(pid, MEMORY_SAMPLES, CEILING, peak)
        new = slot.next_worker(pid, peak) if slot else first
        self._slots[instance] = new
        return new


def megabytes(size: int) -> str:
    """Return ``size`` bytes as people write it: ``210 MB``, small ones with a digit more."""
    amount = size / 1_000_000
    return f"{amount:.0f} MB" if amount >= 10 else f"{amount:.1f} MB"
