"""What can be said to ``monit start``: parameters, and how they become `StartOptions`."""

from collections.abc import Callable
from typing import Any

import click

from monit_agent.cli.apps import complete_start
from monit_agent.cli.checkoptions import CHECK_PARAMETERS, CheckSaid, changed_checks
from monit_agent.cli.params import Parsed, cores
from monit_agent.config import units
from monit_agent.config.app import StartOptions
from monit_agent.config.envfile import read_env_file
from monit_agent.supervise.spec import Checks, Policy

_DURATION = Parsed("duration", units.parse_duration)


class Said(CheckSaid):
    """The parameters of ``start`` by their names, read by click; None is not said."""

    targets: tuple[str, ...]
    module: str | None
    name: str | None
    instances: int | None
    port: int | None
    increment_var: str | None
    namespace: str | None
    cwd: str | None
    interpreter: str | None
    env: tuple[tuple[str, str], ...]
    env_file: tuple[str, ...]
    max_memory: int | None
    watch: bool
    cron: str | None
    no_autorestart: bool
    max_restarts: int | None
    min_uptime: float | None
    kill_timeout: float | None
    listen_timeout: float | None
    stop_signal: int | None
    stop_exit_codes: tuple[int, ...] | None
    wait_ready: bool
    no_probe: bool
    no_http: bool
    listen: tuple[str, ...]


_POLICY = {
    "max_memory": "max_memory_bytes",
    "cron": "cron",
    "max_restarts": "max_restarts",
    "min_uptime": "min_uptime_s",
    "kill_timeout": "kill_timeout_s",
    "listen_timeout": "listen_timeout_s",
    "stop_signal": "stop_signal",
    "stop_exit_codes": "stop_exit_codes",
}
"""Options that go into the policy under another name."""

_PARAMETERS: list[click.Parameter] = [
    click.Argument(["targets"], nargs=-1, metavar="[TARGET]", shell_complete=complete_start),
    click.Option(
        ["-m", "--module"], metavar="MODULE", help="Run a Python module, as python -m does."
    ),
    click.Option(
        ["--name"], metavar="NAME", help="What the app is called; default: the script's name."
    ),
    click.Option(
        ["-i", "--instances"],
        type=Parsed("n", lambda text: units.parse_instances(text, cores())),
        metavar="N|max",
        help="How many instances; max: one a core, -1: a core less.",
    ),
    click.Option(
        ["--port"],
        type=Parsed("port", units.parse_port),
        metavar="N",
        help="Given to the workers as PORT.",
    ),
    click.Option(
        ["--increment-var"],
        type=Parsed("name", units.parse_variable_name),
        metavar="NAME",
        help="Instance 1 finds one more in this variable, 2 two more: as PORT, a port each.",
    ),
    click.Option(
        ["--namespace"],
        type=Parsed("name", units.parse_namespace),
        help="A group of apps, as target @NAME.",
        metavar="NAME",
    ),
    click.Option(["--cwd"], metavar="FOLDER", help="Where the workers run; default: here."),
    click.Option(
        ["--interpreter"], metavar="PROGRAM", help="What runs the script; none: it runs itself."
    ),
    click.Option(
        ["--env"],
        type=Parsed("variable", units.parse_variable),
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable for the workers; may be repeated.",
    ),
    click.Option(
        ["--env-file"], multiple=True, metavar="FILE", help="Variables from a file, one a line."
    ),
    click.Option(
        ["--max-memory"],
        type=Parsed("size", units.parse_memory_limit),
        metavar="SIZE",
        help="Restart a worker that uses more, as 200M or 1G.",
    ),
    click.Option(["--watch"], is_flag=True, help="Restart when a file in the folder changes."),
    click.Option(
        ["--cron"],
        type=Parsed("pattern", units.parse_cron),
        metavar="PATTERN",
        help="Restart at these times, as '0 4 * * *'.",
    ),
    click.Option(["--no-autorestart"], is_flag=True, help="Do not start again what ends."),
    click.Option(
        ["--max-restarts"],
        type=Parsed("number", lambda text: units.parse_number(text, 0, 10_000)),
        metavar="N",
        help="Give up after so many unstable ends in a row [16].",
    ),
    click.Option(
        ["--min-uptime"],
        type=_DURATION,
        metavar="TIME",
        help="Living so long, a worker is online and stable [1s].",
    ),
    click.Option(
        ["--kill-timeout"],
        type=_DURATION,
        metavar="TIME",
        help="How long a worker may take to stop before it is killed [10s].",
    ),
    click.Option(
        ["--stop-signal"],
        type=Parsed("signal", units.parse_signal),
        metavar="SIGNAL",
        help="What asks a worker to stop [TERM].",
    ),
    click.Option(
        ["--stop-exit-codes"],
        type=Parsed("codes", units.parse_exit_codes),
        metavar="CODES",
        help="Exit codes that mean: finished, as 0,3.",
    ),
    click.Option(
        ["--wait-ready"],
        is_flag=True,
        help="Online only when the app says READY=1 (sd_notify) or process.send('ready') (Node).",
    ),
    click.Option(
        ["--no-probe"],
        is_flag=True,
        help="Look at the app from outside only (sets MONIT_PROBE=0): no heap, no loop lag.",
    ),
    click.Option(
        ["--no-http"],
        is_flag=True,
        help="Do not count HTTP requests (sets MONIT_PROBE_HTTP=0): a microsecond less for each.",
    ),
    click.Option(
        ["--listen-timeout"],
        type=_DURATION,
        metavar="TIME",
        help="How long a worker may take to be ready, with --wait-ready or a check [30s].",
    ),
    click.Option(
        ["--listen"],
        type=Parsed("where", units.parse_listen),
        multiple=True,
        metavar="[HOST:]PORT|unix:PATH",
        help="Given to the workers as an open socket (LISTEN_FDS); may be repeated.",
    ),
    *CHECK_PARAMETERS,
]


def start_parameters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give ``function`` the parameters of ``start``, as click's own decorators do."""
    function.__click_params__ = list(reversed(_PARAMETERS))  # type: ignore[attr-defined]
    return function


def given(said: Said) -> list[str]:
    """Give the names of the options that were used; the targets are no option."""
    return [
        name for name, value in said.items() if name != "targets" and value not in (None, False, ())
    ]


def changed(base: Policy, said: Said) -> Policy:
    """Give ``base`` with what was said about restarting and stopping."""
    news: dict[str, Any] = {
        field: said[name] for name, field in _POLICY.items() if said[name] is not None
    }
    if said["no_autorestart"]:
        news["autorestart"] = False
    return base._replace(**news)


def _switched_off(said: Said) -> dict[str, str]:
    switches = {"MONIT_PROBE": said["no_probe"], "MONIT_PROBE_HTTP": said["no_http"]}
    return {name: "0" for name, off in switches.items() if off}


def options_of(said: Said, words: tuple[str, ...]) -> StartOptions:
    """Make the options; ``words`` are what followed ``--``. Raises `BadInputError`."""
    from_files: dict[str, str] = {}
    for path in said["env_file"]:
        from_files.update(read_env_file(path))
    return StartOptions(
        target=said["targets"][0] if said["targets"] else None,
        module=said["module"],
        words=words,
        name=said["name"],
        namespace=said["namespace"] or "default",
        instances=said["instances"] or 1,
        port=said["port"],
        increment_var=said["increment_var"],
        cwd=said["cwd"],
        interpreter=said["interpreter"],
        env_file=from_files,
        env={**dict(said["env"]), **_switched_off(said)},
        watching=said["watch"],
        wait_ready=said["wait_ready"],
        policy=changed(Policy(), said),
        checks=changed_checks(Checks(), said),
        listen=said["listen"],
    )
