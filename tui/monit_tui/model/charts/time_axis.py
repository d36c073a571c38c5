"""Round times of day under a chart. Pure, but for the local time zone."""

import time
from typing import NamedTuple

from monit_tui.model.charts.steps import Window

DEFAULT_SPAN_S = 300
"""Seconds that a chart shows until the user chooses."""

_SECONDS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_HOURS = (1, 2, 3, 6, 12)
_DAYS = (1, 2, 5, 10, 20, 40)

_ROOM = 12
"""Cells from one tick to the next, at least: the longest label and a gap."""


class Tick(NamedTuple):
    """One labelled time."""

    at: float
    label: str
    midnight: bool = False
    """Whether a day begins."""


def ticks(window: Window, columns: int) -> list[Tick]:
    """Return the round times within a window, few enough for ``columns`` cells."""
    least = (window.until - window.begin) * _ROOM / max(1, columns)
    seconds = next((step for step in _SECONDS if step >= least), 0)
    if seconds:
        return _by_seconds(window, seconds)
    hours = next((step for step in _HOURS if step * 3600 >= least), 0)
    days = next((step for step in _DAYS if step * 86400 >= least), _DAYS[-1])
    return _by_hours(window, hours, 1) if hours else _by_hours(window, 24, days)


def _by_seconds(window: Window, step: int) -> list[Tick]:
    """Return ticks at round local times; zones differ from UTC by whole quarters of an hour."""
    offset = time.localtime(window.begin).tm_gmtoff
    at = -(-(window.begin + offset) // step) * step - offset
    pattern = "%H:%M:%S" if step < 60 else "%H:%M"
    found: list[Tick] = []
    while at < window.until:
        found.append(_tick(at, pattern))
        at += step
    return found


def _by_hours(window: Window, hours: int, days: int) -> list[Tick]:
    """Return ticks at whole hours of local days, which may have 23 or 25 of them."""
    begin = time.localtime(window.begin)
    found: list[Tick] = []
    day = begin.tm_mday - (begin.tm_yday % days if days > 1 else 0)
    while True:
        for hour in range(0, 24, hours):
            moment = (begin.tm_year, begin.tm_mon, day, hour, 0, 0, 0, 0, -1)
            at = time.mktime(moment)
            if at >= window.until:
                return found
            if at >= window.begin and (not found or at > found[-1].at):
                found.append(_tick(at, "%H:%M", only_days=hours == 24))
        day += days


def _tick(at: float, pattern: str, *, only_days: bool = False) -> Tick:
    local = time.localtime(at)
    midnight = local.tm_hour == local.tm_min == local.tm_sec == 0
    if midnight or only_days:
        return Tick(at, _day(local), midnight=True)
    return Tick(at, time.strftime(pattern, local))


def _day(local: time.struct_time) -> str:
    return f"{time.strftime('%a', local)} {local.tm_mday} {time.strftime('%b', local)}"


def time_text(at: float, span_s: float) -> str:
    """Return a moment of a chart as precisely as its span needs: ``Sat 14 Mar 13:50``."""
    local = time.localtime(at)
    if span_s <= 3600:
        return time.strftime("%H:%M:%S", local)
    if span_s <= 86400:
        return time.strftime("%H:%M", local)
    return f"{_day(local)} {time.strftime('%H:%M', local)}"


def span_text(seconds: int) -> str:
    """Return a time span: ``5 min``, ``6 h``, ``30 days``."""
    if seconds < 3600:
        return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"
    return f"{seconds // 3600} h" if seconds <= 86400 else f"{seconds // 86400} days"
