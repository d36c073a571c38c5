"""What is sent: notices as plain data, and at most one a minute about the alerts of an app. Pure.

``docs/alerts.md`` documents the fields.
"""

from collections.abc import Mapping
from typing import Any

Notice = dict[str, Any]
"""JSON-able."""

FORMAT = 1
"""A number for programs; it grows when a field changes its meaning."""

APART_S = 60.0
"""The least time between two notices about alerts of an app."""

ALSO = 20
"""Alerts that a notice lists besides the first one; of more, the number."""

TEXT_CHARACTERS = 400


def make_notice(kind: str, who: Mapping[str, Any], at: float, text: str, **more: Any) -> Notice:
    """Return a notice; ``who`` has host, app and instance, ``text`` is for people."""
    instance = who.get("instance")
    name = who["app"] if instance is None else f"{who['app']}/{instance}"
    line = f"{name} on {who['host']}: {text}"
    return {
        "format": FORMAT,
        "kind": kind,
        "host": who["host"],
        "app": who["app"],
        "instance": instance,
        "at": round(at, 3),
        "text": line[:TEXT_CHARACTERS],
        **more,
    }


class AlertPace:
    """Lets one notice about alerts pass at once, and joins those of the next minute to one."""

    def __init__(self) -> None:
        self._next_at = 0.0
        self._held: list[Notice] = []
        self._more = 0

    def add(self, notice: Notice, now: float) -> Notice | None:
        """Return the notice if it may be sent now; else keep it."""
        if not self._held and now >= self._next_at:
            self._next_at = now + APART_S
            return notice
        if len(self._held) <= ALSO:
            self._held.append(notice)
        else:
            self._more += 1
        return None

    def due(self, now: float) -> Notice | None:
        """Return what was kept, as one notice, if it may be sent now."""
        if not self._held or now < self._next_at:
            return None
        first, *others = self._held
        more = len(others) + self._more
        self._held, self._more = [], 0
        self._next_at = now + APART_S
        if not others:
            return first
        keys = ("kind", "instance", "rule", "at", "text")
        also = [{key: each[key] for key in keys} for each in others]
        return {**first, "text": f"{first['text']} (+{more})", "also": also, "more": more}
