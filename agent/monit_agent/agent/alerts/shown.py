"""What clients see of the alerts that fire. Pure."""

from monit_agent.agent.alerts.engine import Alert, AlertEngine, Key
from monit_agent.agent.alerts.mutes import Mutes
from monit_agent.agent.alerts.rules import RuleBook
from monit_agent.agent.alerts.texts import alert_text
from monit_agent.wire.limits import ALERTS
from monit_agent.wire.messages import AlertRecord


def alert_records(
    engine: AlertEngine, book: RuleBook, mutes: Mutes, now: float, wall: float
) -> tuple[AlertRecord, ...]:
    """Return what fires now, the longest first."""
    firing = sorted(engine.firing(), key=lambda each: each[1].since)
    return tuple(
        _record(key, alert, book, silence(key, alert, mutes, now), wall - now)
        for key, alert in firing[:ALERTS]
    )


def silence(key: Key, alert: Alert, mutes: Mutes, now: float) -> str:
    """Return why nothing is announced of an alert; "" for another one."""
    if alert.is_flapping(now):
        return "flapping"
    if mutes.is_muted(key[0]):
        return "muted"
    return "" if alert.announced else "cooling down"


def _record(key: Key, alert: Alert, book: RuleBook, silent: str, to_wall: float) -> AlertRecord:
    rule = book.find(key[0])
    return AlertRecord(
        rule=key[0],
        instance=key[1],
        since=round(alert.since + to_wall, 3),
        ends=alert.phase == "resolving",
        value=alert.value,
        threshold=rule.threshold if rule else None,
        metric=rule.unit if rule else "",
        text=alert_text(rule, alert.value, alert.text),
        announced=alert.announced,
        silent=silent,
    )
