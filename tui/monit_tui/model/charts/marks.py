"""Events as marks on a time line: crashes, restarts, reloads, alerts. Pure.

A mark that follows from a request has the letter of the key that requests it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from monit_agent.wire.messages import EventRecord
from monit_tui.palettes import Glyphs, Tone


class EventMark(NamedTuple):
    """What stands on a time line at the time of an event."""

    event: EventRecord
    sign: str
    """A letter, or the name of a glyph."""
    tone: Tone
    weight: int
    """Of several marks in one cell the heaviest is drawn."""

    def glyph(self, glyphs: Glyphs) -> str:
        """Return the character that is drawn."""
        return self.sign if len(self.sign) == 1 else str(getattr(glyphs, self.sign))


_REQUESTS: tuple[tuple[str, str, Tone, int], ...] = (
    ("restart", "r", "accent", 5), ("reload", "R", "accent", 6), ("deploy", "D", "accent", 6),
    ("start", "s", "accent", 3), ("stop", "x", "accent", 4), ("scale", "S", "accent", 4),
    ("cancel", "u", "accent", 4), ("profile", "P", "accent", 2),
)  # fmt: skip
"""(first word of the request, sign, tone, weight)"""

_KINDS: dict[str, tuple[str, Tone, int]] = {
    "errored": ("error", "bad", 10), "killed": ("error", "bad", 9), "stuck": ("warn", "bad", 8),
    "unhealthy": ("warn", "bad", 8), "alert_fired": ("warn", "bad", 8),
    "unready": ("warn", "warn", 7), "reload_failed": ("R", "bad", 9),
    "reload_started": ("R", "accent", 6), "upgraded": ("U", "accent", 6),
    "upgrade_failed": ("U", "bad", 9), "log_lost": ("warn", "warn", 7),
    "clock_changed": ("warn", "warn", 7), "port_taken": ("warn", "warn", 7),
    "env_problem": ("warn", "warn", 7),
}  # fmt: skip

_CRASH: tuple[str, Tone, int] = ("error", "bad", 9)


def marks_of(events: Iterable[EventRecord], instance: int | None = None) -> list[EventMark]:
    """Return the marks of an app's events, oldest first; of one instance, also those of the app.

    An exit is a crash unless its worker was being stopped.
    """
    stopping: set[int | None] = set()
    found: list[EventMark] = []
    for event in events:
        sign = _sign(event, event.instance in stopping)
        if event.kind == "stopping":
            stopping.add(event.instance)
        elif event.kind in ("exited", "spawned"):
            stopping.discard(event.instance)
        if sign is not None and (instance is None or event.instance in (None, instance)):
            found.append(EventMark(event, *sign))
    return found


def _sign(event: EventRecord, was_stopping: bool) -> tuple[str, Tone, int] | None:
    if event.kind == "exited":
        return None if was_stopping else _CRASH
    if event.kind == "requested":
        word = event.text.partition(" ")[0]
        return next(((sign, tone, n) for begin, sign, tone, n in _REQUESTS if word == begin), None)
    return _KINDS.get(event.kind)


def event_text(event: EventRecord, app: str) -> str:
    """Return an event in one line: ``web/2 exited: exit code 1 after 2.5 s``."""
    who = app if event.instance is None else f"{app}/{event.instance}"
    kind = event.kind.replace("_", " ")
    return f"{who} {kind}: {event.text}" if event.text else f"{who} {kind}"
