"""``monit config``: check, show and import config files, without starting anything."""

import os
from typing import Any

import click

from monit_agent.cli.control.config_files import (
    chosen_profile,
    config_errors,
    config_path,
    print_notes,
)
from monit_agent.cli.control.current_folder import current_folder
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.options.start_options import profile_option
from monit_agent.cli.render import output
from monit_agent.config.files.app_tables import entries_text
from monit_agent.config.files.config import (
    Config,
    check_config,
    make_launches,
    open_foreign,
    read_config,
)
from monit_agent.config.files.entries import AppEntry, Item
from monit_agent.config.files.faults import (
    ConfigFaultsError,
    Fault,
    Place,
    in_order,
    shown_path,
)
from monit_agent.config.files.schema import config_schema
from monit_agent.config.files.toml_writer import setting_key, toml_key, toml_value

HIDDEN = "(hidden)"
"""What stands for the value of a variable or a webhook, which may be a secret."""

HELP = """\b
Examples:
  monit config check                  check the config file of this folder
  monit config check apps.toml
  monit config show --profile production
  monit config schema > monit.schema.json
  monit config import supervisord.conf > monit.toml

\b
Without FILE: monit.toml, [tool.monit] of pyproject.toml, pm2's ecosystem file
or a Procfile, whichever comes first.
docs/configuration.md describes the format.
"""


@click.group("config", epilog=HELP, invoke_without_command=True)
@click.pass_context
def config(ctx: click.Context) -> None:
    """Check, show and import config files. Nothing is started.

    'monit start FILE' starts the apps of a config file.
    """
    if ctx.invoked_subcommand is None:
        raise click.UsageError(f"config needs one of: {', '.join(config.commands)}")


file_argument = click.argument("file", required=False, type=click.Path())


def _profile(command: Any) -> Any:
    command.params.append(profile_option())
    return command


@_profile
@config.command("check")
@file_argument
def check(file: str | None, profile: str | None) -> int:
    """Report everything that is wrong with a config file, with file and line.

    Without --profile, all profiles are checked. The exit code is 2 when something is wrong.
    """
    with config_errors():
        found = check_config(
            config_path(file, current_folder()), chosen_profile(profile), os.environ
        )
    print_notes(found)
    parts = [_count(len(found.entries), "app")]
    if found.profiles:
        parts.append(_count(len(found.profiles), "profile"))
    without_effect = f"{_count(len(found.notes), 'key')} without effect"
    parts.append(without_effect if found.notes else "nothing is wrong")
    output.write_lines([f"{shown_path(found.path)}: {', '.join(parts)}"])
    return ExitCode.DONE


@_profile
@config.command("show")
@file_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: str | None, as_json: bool, profile: str | None) -> int:
    """Show the settings of each app and where each value stands.

    Defaults, profile, includes and monit.local.toml are merged. Values of environment variables are
    hidden, and so are the URLs of webhooks.
    """
    with config_errors():
        path = config_path(file, current_folder())
        found = read_config(path, chosen_profile(profile), os.environ)
        make_launches(found, os.environ)
    print_notes(found)
    if as_json:
        output.write_json([_as_json(entry) for entry in found.entries])
    else:
        output.write_lines(_as_toml(found))
    return ExitCode.DONE


@config.command("schema")
def schema() -> int:
    """Print the JSON Schema of monit.toml.

    Editors complete and check keys with it: save it as monit.schema.json beside monit.toml, whose
    first line is '#:schema monit.schema.json'.
    """
    output.write_json(config_schema())
    return ExitCode.DONE


@config.command("import")
@click.argument("file", type=click.Path())
def import_file(file: str) -> int:
    """Print the apps of another program's file as a monit.toml.

    Read are files of supervisor (.conf, .ini), process-compose (.yaml) and pm2, and Procfiles.
    Variables are printed with their values. What has no counterpart is named on standard error.
    """
    with config_errors():
        path = config_path(file, current_folder())
        source = open_foreign(path, os.environ)
        entries = source.entries(None)
        if source.faults or not entries:
            raise ConfigFaultsError(source.faults or [Fault(Place(path), "there is no app in it")])
    profiles = {name: source.entries(name) for name in sorted(source.profiles())}
    for note in in_order(source.notes):
        output.write_message(str(note))
    output.write_lines(entries_text(entries, profiles))
    return ExitCode.DONE


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _shown(key: str, item: Item) -> Any:
    return HIDDEN if key.startswith("env.") or key == "alerts.webhook" else item.value


def _as_toml(found: Config) -> list[str]:
    lines: list[str] = []
    for entry in found.entries:
        pairs = [
            (f"{setting_key(key)} = {toml_value(_shown(key, item))}", str(item.place))
            for key, item in entry.items.items()
        ]
        width = min(max((len(text) for text, _ in pairs), default=0), 60)
        lines += [
            *([""] if lines else []),
            f"[{toml_key('apps', entry.name)}]",
            *(f"{text:<{width}}  # {place}" for text, place in pairs),
        ]
    return lines


def _as_json(entry: AppEntry) -> dict[str, Any]:
    return {
        "app": entry.name,
        "file": entry.place.path,
        "line": entry.place.line,
        "settings": {
            key: {
                "value": _shown(key, item),
                "file": item.place.path,
                "line": item.place.line,
            }
            for key, item in entry.items.items()
        },
    }
