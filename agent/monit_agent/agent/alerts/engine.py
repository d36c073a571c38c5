"""From readings once a second to alerts that fire and are cleared. Pure; times called ``now`` are
seconds of a clock that does not jump, and are passed by the caller.

    ok → pending → firing → resolving → ok

The hold counts time with data: a second without any is neither good nor bad. An alert is announced
when it fires and when it is cleared, in turn: never two fired without a cleared between. One that
fires again soon waits for its cool-down, and one that changes all the time is announced once as
flapping, and then not at all for an hour.
"""

from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple

COOL_DOWN_S = 300.0
COOL_DOWN_GROWTH = 1.5
COOL_DOWN_MAX_S = 3600.0
"""From an announcement to the next one of the same alert, each time longer."""

FLAPPING_CHANGES = 5
FLAPPING_WITHIN_S = 1800.0
FLAPPING_SILENT_S = 3600.0
"""More changes than this within that time are flapping, and how long it is silent then."""

LONGEST_STEP_S = 1.5
"""More than this between two readings was not seen: it does not count as time with data."""

Phase = Literal["ok", "pending", "firing", "resolving"]
Announced = Literal["fired", "cleared", "flapping"]

Key = tuple[str, int | None]
"""A rule, and an instance; None for the app."""


class Hold(NamedTuple):
    """How long a rule's value must be beyond its threshold, and back."""

    fire_s: float = 0.0
    clear_s: float = 0.0


class Reading(NamedTuple):
    """What a rule finds in one second."""

    level: int
    """1: bad. -1: good. 0: between, where an alert that fires keeps firing, and no other does."""
    value: float | None = None
    text: str = ""
    """What is wrong, where the value does not say it."""


class Announcement(NamedTuple):
    """Something to notify about."""

    key: Key
    what: Announced
    value: float | None
    text: str
    lasted_s: float | None = None
    """How long it fired; of what is cleared."""
    why: str = ""
    """Why it is cleared, where that is not because all is well again."""


class Alert:
    """What is remembered of one rule and one instance."""

    def __init__(self) -> None:
        self.phase: Phase = "ok"
        self.held_s = 0.0
        self.seen_at: float | None = None
        """Of the last reading."""
        self.since = 0.0
        """When it began to fire."""
        self.value: float | None = None
        self.text = ""
        self.announced = False
        """Whether the last announcement was that it fires, or is flapping."""
        self.next_at = 0.0
        """When it may be announced again."""
        self.cool_down_s = COOL_DOWN_S
        self.changes: deque[float] = deque(maxlen=FLAPPING_CHANGES + 1)
        self.silent_until = 0.0

    @property
    def is_firing(self) -> bool:
        """Return whether it fires now."""
        return self.phase in ("firing", "resolving")

    def is_flapping(self, now: float) -> bool:
        """Return whether it is silent because it changed too often."""
        return now < self.silent_until

    def is_idle(self, now: float) -> bool:
        """Return whether nothing about it matters any more."""
        return (
            self.phase == "ok"
            and not self.announced
            and now >= self.silent_until
            and now >= self.next_at + COOL_DOWN_MAX_S
            and (not self.changes or now >= self.changes[-1] + FLAPPING_WITHIN_S)
        )


class AlertEngine:
    """The alerts of one app."""

    def __init__(self) -> None:
        self.alerts: dict[Key, Alert] = {}
        self.changed = False
        """Whether something changed that must outlive this process; whoever saves it resets it."""

    def firing(self) -> Iterator[tuple[Key, Alert]]:
        """Yield what fires now."""
        yield from ((key, alert) for key, alert in self.alerts.items() if alert.is_firing)

    def read(
        self,
        key: Key,
        reading: Reading | None,
        hold: Hold,
        now: float,
        *,
        quiet: bool = False,
        muted: bool = False,
    ) -> Announcement | None:
        """Take the reading of this second, None for no data; return what to announce.

        While it is ``quiet`` nothing begins and nothing ends; ``muted`` only holds back that
        something fires.
        """
        alert = self.alerts.get(key)
        if alert is None:
            if reading is None or reading.level <= 0 or quiet:
                return None
            alert = self.alerts[key] = Alert()
        if quiet:
            if alert.phase == "pending":
                alert.phase = "ok"
            alert.seen_at = None
        elif reading is not None:
            self._move(alert, reading, hold, now)
        announcement = self._announce(key, alert, now, held_back=quiet or muted)
        if announcement is None and alert.is_idle(now):
            del self.alerts[key]
        return announcement

    def drop(self, key: Key, why: str, now: float) -> Announcement | None:
        """Forget an alert whose instance or rule is gone; return what to announce."""
        alert = self.alerts.pop(key, None)
        if alert is None:
            return None
        self.changed = self.changed or alert.is_firing or alert.announced
        if not alert.announced:
            return None
        return Announcement(key, "cleared", None, alert.text, now - alert.since, why)

    def _move(self, alert: Alert, reading: Reading, hold: Hold, now: float) -> None:
        """Change the phase."""
        passed_s = 0.0 if alert.seen_at is None else min(now - alert.seen_at, LONGEST_STEP_S)
        alert.seen_at = now
        if alert.is_firing:
            if reading.level > 0:
                alert.value, alert.text = reading.value, reading.text
            self._move_back(alert, reading.level, passed_s, hold, now)
            return
        if reading.level <= 0:
            alert.phase = "ok"
            return
        alert.value, alert.text = reading.value, reading.text
        alert.held_s = alert.held_s + passed_s if alert.phase == "pending" else 0.0
        alert.phase = "pending"
        if alert.held_s >= hold.fire_s:
            alert.phase, alert.since = "firing", now
            self._note_change(alert, now)

    def _move_back(self, alert: Alert, level: int, passed_s: float, hold: Hold, now: float) -> None:
        if level >= 0:
            alert.phase = "firing"
            return
        alert.held_s = alert.held_s + passed_s if alert.phase == "resolving" else 0.0
        alert.phase = "resolving"
        if alert.held_s >= hold.clear_s:
            alert.phase = "ok"
            self._note_change(alert, now)

    def _note_change(self, alert: Alert, now: float) -> None:
        alert.changes.append(now)
        self.changed = True

    def _announce(
        self, key: Key, alert: Alert, now: float, *, held_back: bool
    ) -> Announcement | None:
        if alert.is_flapping(now):
            return None
        if not alert.is_firing and alert.announced:
            alert.announced = False
            self.changed = True
            lasted_s = now - alert.since
            return Announcement(key, "cleared", alert.value, alert.text, lasted_s)
        if held_back:
            return None
        many = len(alert.changes) > FLAPPING_CHANGES
        if many and alert.changes[0] > now - FLAPPING_WITHIN_S and alert.changes[-1] == now:
            alert.announced = self.changed = True
            alert.silent_until = now + FLAPPING_SILENT_S
            return Announcement(key, "flapping", alert.value, alert.text)
        if not alert.is_firing or alert.announced or now < alert.next_at:
            return None
        if now >= alert.next_at + COOL_DOWN_MAX_S:
            alert.cool_down_s = COOL_DOWN_S
        alert.announced = self.changed = True
        alert.next_at = now + alert.cool_down_s
        alert.cool_down_s = min(alert.cool_down_s * COOL_DOWN_GROWTH, COOL_DOWN_MAX_S)
        return Announcement(key, "fired", alert.value, alert.text)
