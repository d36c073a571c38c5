"""Readiness and health checks as a user wrote them: read, and refused where they make no sense."""

import shlex

from monit_agent.config.errors import BadInputError
from monit_agent.config.units import parse_duration
from monit_agent.supervise.spec import AppSpec, Checks
from monit_agent.wire.checkurl import BadUrlError, filled, read_url, wants_port

INTERVAL_LEAST_S = 0.5
TIMEOUT_LEAST_S = 0.1
STUCK_LEAST_S = 3.0
"""A Node program's silence is only told from a late report after 2.5 seconds."""


def parse_url(text: str) -> str:
    """Return the URL if it can be asked; ``none`` is "", no check."""
    url = text.strip()
    if url == "none":
        return ""
    try:
        read_url(filled(url, 1, 0))
    except BadUrlError as error:
        raise BadInputError(str(error)) from error
    return url


def parse_command(text: str) -> tuple[str, ...]:
    """Give the words of a command, split as a shell does; no shell runs it."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise BadInputError(f"{text!r} cannot be split into words: {error}") from error
    if not words or not words[0]:
        raise BadInputError("the command is empty; write for example 'redis-cli ping'")
    if "\0" in text:
        raise BadInputError("the command holds a NUL, which no program can be given")
    return words


def parse_interval(text: str) -> float:
    """Give the seconds between two checks."""
    return _at_least(text, INTERVAL_LEAST_S)


def parse_timeout(text: str) -> float:
    """Give the seconds that an answer may take."""
    return _at_least(text, TIMEOUT_LEAST_S)


def parse_stuck(text: str) -> float:
    """Give the seconds for which a worker may be stuck."""
    return _at_least(text, STUCK_LEAST_S)


def _at_least(text: str, least_s: float) -> float:
    seconds = parse_duration(text)
    if seconds < least_s:
        raise BadInputError(f"{text!r} is too short; at least {least_s:g}s")
    return seconds


def check_checks(spec: AppSpec) -> AppSpec:
    """Return the spec if its checks can be made, or raise `BadInputError`."""
    checks = spec.checks
    for what, url, command in (
        ("ready", checks.ready_url, checks.ready_command),
        ("health", checks.health_url, checks.health_command),
    ):
        if url and command:
            raise BadInputError(f"--{what}-url and --{what}-command: choose one of them")
        if url and wants_port(url) and spec.port is None:
            raise BadInputError(
                f"--{what}-url {url}: the app has no port to put there; give it with --port"
            )
    if spec.wait_ready and (checks.ready_url or checks.ready_command):
        raise BadInputError(
            "--wait-ready believes the app's own word, --ready-url and --ready-command a check; "
            "choose one of them"
        )
    tuned = checks._replace(
        ready_url="", ready_command=(), restart_stuck_s=None, health_timeout_s=3.0
    )
    if tuned != Checks() and not (checks.health_url or checks.health_command):
        raise BadInputError(
            "--health-interval, --health-failures and --health-grace are about a check; "
            "say which with --health-url or --health-command"
        )
    return spec
