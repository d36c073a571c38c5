"""How alerts read in events and notices. Pure."""

from monit_agent.agent.alerts.engine import Announcement
from monit_agent.agent.alerts.rules import Rule

_UNITS = (("G", 1024**3), ("M", 1024**2), ("k", 1024))


def announcement_text(rule: Rule | None, announcement: Announcement) -> str:
    """Return ``loop-lag: event loop lag p99 312 ms, above 250 ms for 1m``."""
    name = announcement.key[0]
    if announcement.what == "cleared":
        lasted = duration_text(announcement.lasted_s or 0.0)
        why = f" ({announcement.why})" if announcement.why else ""
        return f"{name}: {rule.title if rule else 'the rule is gone'}: over after {lasted}{why}"
    text = alert_text(rule, announcement.value, announcement.text)
    if announcement.what == "flapping":
        return f"{name}: flapping, and silent for an hour; the last time: {text}"
    return f"{name}: {text}"


def alert_text(rule: Rule | None, value: float | None, text: str) -> str:
    """Return what is wrong: ``event loop lag p99 312 ms, above 250 ms for 1m``."""
    if rule is None:
        return text
    if rule.threshold is None or value is None:
        return f"{rule.title}: {text}" if text else rule.title
    if rule.unit == "count":
        return f"{value:.0f} {rule.title}"
    beyond = "above" if rule.above else "below"
    hold = f" for {duration_text(rule.hold.fire_s)}" if rule.hold.fire_s else ""
    shown, limit = amount_text(value, rule.unit), amount_text(rule.threshold, rule.unit)
    # a value may be on its way back already
    is_beyond = value > rule.threshold if rule.above else value < rule.threshold
    return f"{rule.title} {shown}, {beyond} {limit}{hold}" if is_beyond else f"{rule.title} {shown}"


def amount_text(value: float, metric: str) -> str:
    """Return a value in the unit that the name of its metric ends with."""
    if metric.endswith("_percent"):
        return f"{_plain(value)} %"
    if metric.endswith("_bytes"):
        return next((f"{_plain(value / by)}{unit}" for unit, by in _UNITS if value >= by),
                    f"{_plain(value)} bytes")  # fmt: skip
    if metric.endswith("_ms"):
        return f"{_plain(value)} ms"
    if metric.endswith("_per_s"):
        return f"{_plain(value)}/s"
    return f"{_plain(value)} s" if metric.endswith("_s") else _plain(value)


def duration_text(seconds: float) -> str:
    """Return ``45s``, ``2m``, ``1h30m``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    return f"{minutes}m{left:02d}s" if left else f"{minutes}m"


def _plain(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
