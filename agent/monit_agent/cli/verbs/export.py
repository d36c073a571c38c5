"""``monit export``: print the apps in the format of another program."""

import os

import click

from monit_agent.cli.control.config_files import config_errors
from monit_agent.cli.control.current_folder import current_folder
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.keepers.saved_apps import SavedApp, read_apps
from monit_agent.cli.render import output
from monit_agent.config.files.app_tables import apps_text
from monit_agent.config.files.export import (
    compose_lines,
    left_out,
    procfile_lines,
    systemd_lines,
)
from monit_agent.config.files.from_spec import spec_values

FORMATS = ("toml", "procfile", "systemd", "compose")

HELP = """\b
Examples:
  monit export > monit.toml
  monit export web --format systemd > web.service
  monit export --format compose --with-env > compose.yaml
"""


@click.command("export", epilog=HELP)
@click.argument("apps", nargs=-1, metavar="[APP]...", shell_complete=complete_target)
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="toml", show_default=True,
    help="What to print: monit.toml, a Procfile, systemd units or a compose file.",
)  # fmt: skip
@click.option("--with-env", is_flag=True, help="Print the values of variables, too.")
def export(apps: tuple[str, ...], kind: str, *, with_env: bool) -> int:
    """Print the settings of apps as a config file. Without APP, all apps are printed.

    Variables that were set with --env are left out and named on standard error, because their
    values may be secrets. --with-env prints them. Settings that a format has no counterpart for are
    named there, too.
    """
    found = read_apps(monit_home(), apps)
    if not found:
        raise CommandError(ExitCode.NO_TARGET, "there are no apps; monit start app.py starts one")
    if not with_env:
        found = [_without_variables(app) for app in found]
    with config_errors():
        folder, path = current_folder(), os.environ.get("PATH", os.defpath)
    values = {spec.name: spec_values(spec, named, folder, path) for spec, named in found}
    for spec, _ in found if kind != "toml" else ():
        if missing := left_out(kind, spec, values[spec.name], values):
            output.write_message(f"{spec.name}: {', '.join(missing)} left out: not known to {kind}")
    if kind == "toml":
        lines = apps_text(values)
    elif kind == "procfile":
        lines = procfile_lines(found)
        # a shell reads it: bytes that are not UTF-8 stay as they are
        output.write_raw(os.fsencode("".join(f"{line}\n" for line in lines)))
        return ExitCode.DONE
    elif kind == "systemd":
        lines = systemd_lines(found)
    else:
        lines = compose_lines(found)
    output.write_lines(lines)
    return ExitCode.DONE


def _without_variables(app: SavedApp) -> SavedApp:
    spec, named = app
    hidden = [*named, *(["the URL of alerts.webhook"] if spec.alerts.webhook else [])]
    if hidden:
        output.write_message(
            f"{spec.name}: {', '.join(hidden)} left out; --with-env prints the values"
        )
    return spec._replace(alerts=spec.alerts._replace(webhook="")), {}
