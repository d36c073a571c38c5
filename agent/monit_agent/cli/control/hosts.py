"""The other machines that a command is about: ``--host`` and ``$MONIT_HOSTS``."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.client.hosts.names import (
    CONNECTING_AT_ONCE,
    LOGIN_S,
    Host,
    HostError,
    hosts_file,
    parse_hosts,
)
from monit_agent.client.source import Source
from monit_agent.client.targets import names_many
from monit_agent.client.view import Fleet, HostView
from monit_agent.wire.ids import THIS_HOST, AppId

_META = "monit.hosts"

ANSWER_WITHIN_S = LOGIN_S + 5.0
"""How long a command waits until the hosts that are dialled at once have answered, or cannot be
reached."""


def _parse(ctx: click.Context, _: click.Parameter, texts: tuple[str, ...]) -> None:
    if ctx.resilient_parsing:
        return
    try:
        ctx.meta[_META] = parse_hosts(texts, hosts_file(os.environ))
    except HostError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from error


host_option = click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="HOST[,HOST]…",
    envvar="MONIT_HOSTS",
    expose_value=False,
    callback=_parse,
    help="Use the apps of these machines, through ssh; @GROUP is one of hosts.toml, localhost this "
    "machine.",
)


def named_hosts() -> tuple[Host, ...]:
    """Return the hosts of the command that runs; () when it is about this machine alone."""
    ctx = click.get_current_context(silent=True)
    found: Any = () if ctx is None else ctx.meta.get(_META, ())
    return found


def wait_for_hosts(source: Source) -> None:
    """Poll until every host has listed its apps or cannot be reached."""
    turns = -(-len(source.fleet.hosts) // CONNECTING_AT_ONCE)
    within_s = ANSWER_WITHIN_S * turns
    end = source.monotonic() + within_s
    while any(_is_awaited(host) for host in source.fleet.hosts.values()):
        left = end - source.monotonic()
        if left <= 0:
            break
        source.poll(left)
    for host in source.fleet.hosts.values():
        if _is_awaited(host):
            host.problem = f"{host.name}: no answer within {within_s:g} s"


def host_problems(fleet: Fleet) -> list[str]:
    """Return what is wrong with the hosts, in words."""
    found = [host.problem for host in fleet.hosts.values() if host.problem is not None]
    for host in fleet.hosts.values():
        if host.clock_ahead_s:
            side = "ahead of" if host.clock_ahead_s > 0 else "behind"
            found.append(
                f"{host.name}: its clock is {abs(host.clock_ahead_s):.0f} s {side} this machine's; "
                "uptimes and times are wrong by that"
            )
    return found


def by_host(apps: Iterable[AppId]) -> list[list[AppId]]:
    """Return the apps of each host, in the order of the hosts' names; this machine is first."""
    found: dict[str, list[AppId]] = {}
    for app in apps:
        found.setdefault(app.host, []).append(app)
    return [found[host] for host in sorted(found)]


def is_local(app: AppId) -> bool:
    """Return whether an app is on this machine, so that its files can be read."""
    return app.host == THIS_HOST


def home_of(app: AppId, fleet: Fleet, home: str) -> str:
    """Return the folder of the files on the app's host; ``home`` is that of this machine."""
    return home if is_local(app) else fleet.hosts[app.host].home or home


def confirm_many(targets: Sequence[str], *, yes: bool) -> None:
    """Ask before something that is not undone happens to every app of other machines; refuse it
    where nobody can be asked."""
    hosts = [host.name for host in named_hosts()]
    if yes or not hosts or not any(map(names_many, targets)):
        return
    what = f"{' '.join(targets)} on {', '.join(hosts)}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(ExitCode.USAGE, f"this concerns {what}; add --yes if that is meant")
    if not click.confirm(f"This concerns {what}. Do it?", err=True):
        raise CommandError(ExitCode.FAILED, "nothing was done")


def _is_awaited(host: HostView) -> bool:
    return host.state == "connecting" or (host.state == "live" and not host.is_listed)
