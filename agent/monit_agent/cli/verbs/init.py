"""``monit init``: write a monit.toml."""

import os

import click

from monit_agent.cli.control.config_files import config_errors
from monit_agent.cli.control.current_folder import current_folder
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.keepers.saved_apps import read_apps
from monit_agent.cli.render import output
from monit_agent.config.files.app_tables import apps_text
from monit_agent.config.files.from_spec import spec_values

TEMPLATE = """\
#:schema monit.schema.json
# monit start            starts these apps
# monit config check     reports what is wrong in this file
# All keys: monit start --help (each option is a key) and docs/configuration.md
version = 1
# namespace = "shop"
# include = ["apps/*.toml"]

# [defaults]                            # settings of all apps
# env-file = ".env"

[apps.web]
run = "python3 -m http.server 8000"     # or script = "app.py", or module = "package.module"
port = 8000                             # online when it accepts connections there
# cwd = "."                             # paths count from the folder of this file
# instances = 2                         # or "max": one per CPU core
# env = { LOG_LEVEL = "info" }
# max-memory = "500M"
# kill-timeout = "30s"
# restart = "never"
# ready.url = "http://127.0.0.1:8000/"
# health.url = "http://127.0.0.1:8000/"

# [apps.web.profiles.production]        # monit start --profile production
# instances = "max"
# env = { LOG_LEVEL = "warning" }
"""

HELP = """\b
Examples:
  monit init                    write monit.toml
  monit init deploy/apps.toml
"""


@click.command("init", epilog=HELP)
@click.argument("file", default="monit.toml", type=click.Path())
def init(file: str) -> int:
    """Write a config file: with the apps that exist, or an example with comments.

    FILE is monit.toml without being named. A file that exists is not changed. Variables that were
    set with --env are written with their values, and then only you can read the file.
    """
    with config_errors():
        path = os.path.normpath(os.path.join(current_folder(), os.path.expanduser(file)))
    if not path.endswith(".toml"):
        raise click.UsageError(f"{file}: the name of the file must end with .toml")
    apps = read_apps(monit_home())
    folder, search = os.path.dirname(path), os.environ.get("PATH", os.defpath)
    tables = {spec.name: spec_values(spec, named, folder, search) for spec, named in apps}
    text = "\n".join(apps_text(tables)) + "\n" if apps else TEMPLATE
    has_secrets = any(named or spec.alerts.webhook for spec, named in apps)
    _write_new(path, text, 0o600 if has_secrets else 0o666)
    what = f"{len(apps)} apps" if len(apps) != 1 else apps[0][0].name
    output.write_message(f"{file}: written with {what if apps else 'an example'}")
    if has_secrets:
        output.write_message(f"{file} has the values of variables; only you can read it")
    return ExitCode.DONE


def _write_new(path: str, text: str, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise CommandError(
            ExitCode.FAILED, f"{path} exists and was not changed; name another file"
        ) from error
    except OSError as error:
        raise CommandError(ExitCode.FAILED, f"{path}: {error.strerror or error}") from error
