"""``monit metrics`` and ``monit serve-metrics``: all apps for Prometheus."""

import contextlib
import os
import signal
import tempfile
from collections.abc import Generator
from typing import NoReturn

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option, named_hosts
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.options.params import ParsedValue
from monit_agent.cli.render import output
from monit_agent.config import values
from monit_agent.config.errors import BadInputError
from monit_agent.metrics.scrape import AppAnswer, Scraper, metrics_text, scrape_hosts
from monit_agent.metrics.server import MetricsServer, NotServedError, listening_socket
from monit_agent.wire.ids import AppId

DEFAULT_ADDRESS = "127.0.0.1", 9209

TEXTFILE = "monit.prom"
"""The name of the file in the folder of node_exporter's textfile collector."""

HOSTS_WITHIN_S = 5.0
"""For the answers of other machines: their lines may be slow."""

_LOOPBACK = ("localhost", "::1")

HELP = """\b
Examples:
  monit metrics | promtool check metrics
  monit metrics --textfile /var/lib/prometheus/node-exporter
  monit metrics --host web1,web2
"""

SERVE_HELP = """\b
Examples:
  monit start --name metrics -- monit serve-metrics
  monit serve-metrics --listen unix:/run/monit-metrics.sock
"""

Address = tuple[str, int] | str


def parse_address(text: str) -> Address:
    """Return host and port, or the path of a Unix socket. Raise `BadInputError`."""
    plain = values.parse_listen(text)
    if plain.startswith("unix:"):
        return os.path.abspath(plain.removeprefix("unix:"))
    host, port = values.parse_port_address(plain)
    if not host and ":" not in text:
        host = DEFAULT_ADDRESS[0]
    if not port:
        raise BadInputError("port 0 means any port; name the one that Prometheus scrapes")
    return host, port


@click.command("metrics", epilog=HELP)
@click.option("--openmetrics", is_flag=True, help="Print OpenMetrics instead of Prometheus text.")
@click.option(
    "--textfile",
    metavar="DIR",
    help=f"Write {TEXTFILE} in this folder instead, for node_exporter's textfile collector.",
)
@host_option
def metrics(openmetrics: bool, textfile: str | None) -> int:
    """Print the metrics of all apps once, in the text format of Prometheus.

    With --host, the series of other machines have the label host.
    """
    if openmetrics and textfile is not None:
        raise click.UsageError("the textfile collector does not read OpenMetrics")
    lost: list[str] = []
    answers = _scrape_hosts(lost) if named_hosts() else _scrape_here()
    text = metrics_text(answers, openmetrics=openmetrics)
    if textfile is None:
        output.write_raw(text.encode())
    else:
        _write_textfile(textfile, text)
    code = _report_silent(answers)
    return ExitCode.NO_ANSWER if lost else code


@click.command("serve-metrics", epilog=SERVE_HELP)
@click.option(
    "--listen",
    "address",
    type=ParsedValue("address", parse_address),
    default=DEFAULT_ADDRESS,
    metavar="[HOST:]PORT|unix:PATH",
    help="Where to listen; a port alone is one of 127.0.0.1. "
    f"[default: {DEFAULT_ADDRESS[0]}:{DEFAULT_ADDRESS[1]}]",
)
@click.option(
    "--expose",
    is_flag=True,
    help="Allow an address that other machines can reach; whoever reaches it reads all metrics.",
)
def serve_metrics(address: Address, expose: bool) -> int:
    """Serve the metrics of all apps at /metrics, for Prometheus.

    One such command serves all apps of a home. It runs until it is stopped, so start it as an app.
    It measures nothing itself: at each scrape it requests from each agent what that agent knows.
    """
    if not expose and not isinstance(address, str) and not is_loopback(address[0]):
        raise click.UsageError(
            f"{address[0] or 'every address'} can be reached from other machines, and there is "
            "neither encryption nor a password; listen on 127.0.0.1 or unix:PATH behind a proxy, "
            "or add --expose"
        )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with contextlib.suppress(SystemExit), _scraper() as scraper:
        _serve(address, scraper)
    return ExitCode.DONE


def _serve(address: Address, scraper: Scraper) -> None:
    try:
        with listening_socket(address) as listener:
            server = MetricsServer(
                listener,
                lambda openmetrics: metrics_text(scraper.scrape(), openmetrics=openmetrics),
            )
            place = f"unix:{address}" if isinstance(address, str) else f"http://{_shown(address)}/"
            output.write_message(f"serving metrics of {monit_home()} at {place}")
            server.serve_forever()
    except NotServedError as error:
        raise CommandError(ExitCode.FAILED, str(error)) from error


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    return host in _LOOPBACK or host.startswith("127.")


def _shown(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit


def _scrape_here() -> list[AppAnswer]:
    with _scraper() as scraper:
        return scraper.scrape()


def _scrape_hosts(lost: list[str]) -> list[AppAnswer]:
    """Return the answers; add the hosts that are not reached to ``lost``."""
    with open_fleet(monit_home(), ["all"]) as (source, _):
        lost += [host.name for host in source.fleet.hosts.values() if host.state != "live"]
        return scrape_hosts(source, HOSTS_WITHIN_S)


@contextlib.contextmanager
def _scraper() -> Generator[Scraper]:
    scraper = Scraper(monit_home())
    try:
        yield scraper
    finally:
        scraper.close()


def _report_silent(answers: list[AppAnswer]) -> int:
    silent = [str(AppId(each.host, each.app)) for each in answers if each.part is None]
    for app in silent:
        output.write_error(f"{app}: its agent does not answer; see monit describe {app}")
    return ExitCode.NO_ANSWER if silent else ExitCode.DONE


def _write_textfile(folder: str, text: str) -> None:
    """Replace the file as a whole: the collector must never read half of it, nor a temporary one,
    whose name does not end in .prom."""
    path = os.path.join(folder, TEXTFILE)
    try:
        with contextlib.ExitStack() as on_error:
            fd, temporary = tempfile.mkstemp(prefix=f".{TEXTFILE}.", dir=folder)
            on_error.callback(os.unlink, temporary)
            with open(fd, "wb") as file:
                file.write(text.encode())
                os.fchmod(file.fileno(), 0o644)
            os.rename(temporary, path)
            on_error.pop_all()
    except OSError as error:
        raise CommandError(
            ExitCode.FAILED, f"cannot write {path}: {error.strerror or error}"
        ) from error
