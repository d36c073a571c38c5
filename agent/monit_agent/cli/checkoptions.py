"""What can be said to ``monit start`` about checks of the workers."""

from typing import Any, TypedDict

import click

from monit_agent.cli.params import Parsed
from monit_agent.config import checks, units
from monit_agent.supervise.spec import Checks


class CheckSaid(TypedDict):
    """The parameters about checks by their names; None is not said."""

    ready_url: str | None
    ready_command: tuple[str, ...] | None
    health_url: str | None
    health_command: tuple[str, ...] | None
    health_interval: float | None
    health_timeout: float | None
    health_failures: int | None
    health_grace: float | None
    restart_stuck: float | None


_FIELDS = {
    "ready_url": "ready_url",
    "ready_command": "ready_command",
    "health_url": "health_url",
    "health_command": "health_command",
    "health_interval": "health_interval_s",
    "health_timeout": "health_timeout_s",
    "health_failures": "health_failures",
    "health_grace": "health_grace_s",
    "restart_stuck": "restart_stuck_s",
}
"""Options by the name that they have in the spec."""

_OTHER: dict[str, dict[str, Any]] = {
    "ready_url": {"ready_command": ()},
    "ready_command": {"ready_url": ""},
    "health_url": {"health_command": ()},
    "health_command": {"health_url": ""},
}
"""What an option takes the place of."""

_URL = Parsed("url", checks.parse_url)
_COMMAND = Parsed("command", checks.parse_command)

CHECK_PARAMETERS: list[click.Parameter] = [
    click.Option(
        ["--ready-url"],
        type=_URL,
        metavar="URL",
        help="Online only when this answers 200 to 399, as http://127.0.0.1:{port}/health; "
        "unix:SOCKET[:/PATH] too.",
    ),
    click.Option(
        ["--ready-command"],
        type=_COMMAND,
        metavar="COMMAND",
        help="Online only when this ends with 0; MONIT_PID, MONIT_INSTANCE and PORT are set, "
        "and no shell runs it.",
    ),
    click.Option(
        ["--health-url"],
        type=_URL,
        metavar="URL",
        help="Restart a worker when this does not answer 200 to 399; none: no such check.",
    ),
    click.Option(
        ["--health-command"],
        type=_COMMAND,
        metavar="COMMAND",
        help="Restart a worker when this does not end with 0.",
    ),
    click.Option(
        ["--health-interval"],
        type=Parsed("duration", checks.parse_interval),
        metavar="TIME",
        help="Time between two health checks [10s].",
    ),
    click.Option(
        ["--health-timeout"],
        type=Parsed("duration", checks.parse_timeout),
        metavar="TIME",
        help="How long the answer to a check may take [3s].",
    ),
    click.Option(
        ["--health-failures"],
        type=Parsed("number", lambda text: units.parse_number(text, 1, 1000)),
        metavar="N",
        help="So many failures in a row are the reason for a restart [3].",
    ),
    click.Option(
        ["--health-grace"],
        type=Parsed("duration", units.parse_duration),
        metavar="TIME",
        help="How long a worker is online before its first health check [5s].",
    ),
    click.Option(
        ["--restart-stuck"],
        type=Parsed("duration", checks.parse_stuck),
        metavar="TIME",
        help="Restart a worker whose event loop is held up for so long, as 30s [never].",
    ),
]


def changed_checks(base: Checks, said: CheckSaid) -> Checks:
    """Give ``base`` with what was said: a URL takes the place of a command, and a command of a
    URL, unless both were said."""
    news: dict[str, Any] = {
        field: said[name]  # type: ignore[literal-required]
        for name, field in _FIELDS.items()
        if said[name] is not None  # type: ignore[literal-required]
    }
    if news.get("health_url") == "":  # what was said about a check that is no more goes with it
        base = Checks(
            ready_url=base.ready_url,
            ready_command=base.ready_command,
            health_timeout_s=base.health_timeout_s,
            restart_stuck_s=base.restart_stuck_s,
        )
    for name, other in _OTHER.items():
        if name in news:
            news = {**other, **news}
    return base._replace(**news)
