"""Checks of the workers, and what came of them, as lines of `monit describe`."""

from monit_agent.cli import words
from monit_agent.wire.limits import STUCK_SHOWN_S
from monit_agent.wire.messages import Checks, Sample


def check_pairs(checks: Checks) -> list[tuple[str, str]]:
    """Give what is asked of healthy workers; nothing where nothing is."""
    pairs: list[tuple[str, str]] = []
    what = checks.health_url or " ".join(checks.health_command)
    if what:
        failures = words.counted(checks.health_failures, "failure")
        text = (
            f"{what} every {words.ran_for(checks.health_interval_s)}, answered within "
            f"{words.ran_for(checks.health_timeout_s)}; restarted after {failures} in a row"
        )
        pairs.append(("health check", text))
    if checks.restart_stuck_s is not None:
        pairs.append(("when stuck", f"restarted after {words.ran_for(checks.restart_stuck_s)}"))
    return pairs


def health_pairs(sample: Sample | None, now: float) -> list[tuple[str, str]]:
    """Give how healthy an instance is, and whether it is stuck; nothing where nothing is known."""
    pairs: list[tuple[str, str]] = []
    if sample is not None and sample.stuck_s is not None and sample.stuck_s >= STUCK_SHOWN_S:
        pairs.append(
            ("stuck", f"its event loop is held up for {words.span(sample.stuck_s)} by now")
        )
    health = sample.health if sample else None
    if health is not None:
        pairs.append(("health", health_text(health.ok, health.text, health.failures)))
        if health.at is not None:
            pairs[-1] = ("health", f"{pairs[-1][1]} ({words.span(now - health.at)} ago)")
    return pairs


def health_text(ok: bool | None, text: str, failures: int) -> str:
    """Say what a health check said: ``ok, status 200``, ``failed 2 times in a row: status 503``."""
    if ok is None:
        return "not checked yet"
    if ok:
        return f"ok, {text}"
    return f"failed {words.counted(failures, 'time')} in a row: {text}"
