"""``monit web``: the screen in a browser."""

import importlib.util
import secrets
from typing import Any

import click

from monit_agent.cli.control.hosts import host_option, named_hosts
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.options.params import ParsedValue
from monit_agent.cli.render import output
from monit_agent.config import values
from monit_agent.config.errors import BadInputError

DEFAULT_ADDRESS = "127.0.0.1", 9210

TOKEN_BYTES = 24
"""192 bits: nobody guesses it."""

NEEDED = "textual_serve", "aiohttp"

HELP = """\b
Examples:
  monit web                                    then open the address that it prints
  ssh -L 9210:127.0.0.1:9210 web1 monit web    of another machine
  monit web --write api                        with the keys that act, only the app api
"""


def parse_web_address(text: str) -> tuple[str, int]:
    """Return host and port; a port alone is one of 127.0.0.1. Raise `BadInputError`."""
    plain = values.parse_listen(text)
    if plain.startswith("unix:"):
        raise BadInputError("a browser opens no Unix socket; write a port or HOST:PORT")
    host, port = values.parse_port_address(plain)
    return (DEFAULT_ADDRESS[0] if not host and ":" not in text else host), port


@click.command("web", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@host_option
@click.option(
    "--listen",
    "address",
    type=ParsedValue("address", parse_web_address),
    default=DEFAULT_ADDRESS,
    metavar="[HOST:]PORT",
    help="Where to listen; a port alone is one of 127.0.0.1. "
    f"[default: {DEFAULT_ADDRESS[0]}:{DEFAULT_ADDRESS[1]}]",
)
@click.option("--write", is_flag=True, help="Allow the keys that change something.")
@click.option(
    "--expose",
    is_flag=True,
    help="Allow an address that other machines can reach; the connection is not encrypted.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name under which browsers reach this machine, such as that of a proxy in front of it.",
)
def web(
    targets: tuple[str, ...],
    address: tuple[str, int],
    *,
    write: bool,
    expose: bool,
    names: tuple[str, ...],
) -> int:
    """Show the screen in a browser, until this command is stopped.

    The address that it prints has a token; who has it sees the logs of all apps. Without --write,
    the keys that change something are disabled.
    """
    missing = next((name for name in NEEDED if importlib.util.find_spec(name) is None), None)
    if missing is not None:
        raise CommandError(
            ExitCode.FAILED,
            "monit web needs textual-serve; in the folder that monit was installed from, run "
            "pipx install --force '.[web]', or uv tool install '.[web]'",
        )
    from monit_tui.web.access import AccessRules, is_loopback  # noqa: PLC0415 - only here
    from monit_tui.web.server import (  # noqa: PLC0415 - only here
        CannotListenError,
        WebScreenOptions,
        serve_screen,
    )

    if not expose and not is_loopback(address[0]):
        raise click.UsageError(
            f"{address[0] or 'every address'} can be reached from other machines, and the "
            "connection is not encrypted; listen on 127.0.0.1 and use ssh -L or a proxy with TLS, "
            "or add --expose"
        )
    home, token = monit_home(), secrets.token_urlsafe(TOKEN_BYTES)
    session: dict[str, Any] = {
        "home": home, "targets": targets, "read_only": not write, "hosts": named_hosts(),
    }  # fmt: skip
    known = frozenset(name.lower().rstrip(".") for name in names)

    def announce(host: str, port: int) -> None:
        mode = "its keys can change apps" if write else "read-only"
        output.write_message(f"serving the screen of {home}, {mode}; Ctrl+C ends it; open")
        shown = f"[{host}]" if ":" in host else host or "localhost"
        output.write_lines([f"http://{shown}:{port}/{token}/"])

    try:
        serve_screen(WebScreenOptions(session, AccessRules(token, known)), address, announce)
    except CannotListenError as error:
        raise CommandError(ExitCode.FAILED, str(error)) from error
    return ExitCode.DONE
