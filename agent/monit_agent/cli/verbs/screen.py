"""``monit [TARGET...]``: the full-screen monitor, or the list without a terminal."""

import click

from monit_agent.cli.control.hosts import host_option, named_hosts
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_names, complete_target, monit_home
from monit_agent.cli.render import output
from monit_agent.cli.render.terminal import is_dumb, is_interactive
from monit_agent.cli.verb_table import BARE_WORDS

HELP = """\b
Example:
  monit screen web 'api-*'
"""


@click.command("screen", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@host_option
@click.option("--read-only", is_flag=True, help="Disable all keys that change something.")
def screen(targets: tuple[str, ...], read_only: bool) -> int:
    """Open the full-screen monitor: processes, logs, metrics and metadata.

    Without TARGET, all apps are shown. The apps keep running when the screen is closed. The word
    screen may be left out, except before an app with the name of a verb: monit web is the verb,
    monit screen web shows the app.
    """
    return open_screen(targets, read_only=read_only, end_at_once=True)


def open_screen(
    targets: tuple[str, ...], *, read_only: bool, end_at_once: bool = False, apps_stay: bool = True
) -> int:
    """Show the screen until it is closed, or the list without a terminal; return the exit code.

    With ``end_at_once`` the process ends with the screen; with ``apps_stay`` its last line says
    that the apps keep running.
    """
    folder, hosts = monit_home(), named_hosts()
    if not hosts:
        _refuse_unknown_words(folder, targets)
    if not is_interactive():
        from monit_agent.cli.verbs.list import print_list  # noqa: PLC0415 — only without a terminal

        output.write_message("monit: stdout is not a terminal; printing the list instead")
        return print_list(folder, targets)
    if is_dumb():
        raise CommandError(
            ExitCode.USAGE,
            "this terminal (TERM=dumb) cannot show the screen; "
            "use monit list --watch or monit logs",
        )
    from monit_tui.app import run  # noqa: PLC0415 — the only way from here to the screen

    return run(folder, list(targets), read_only, end_at_once, hosts, apps_stay=apps_stay)


def _refuse_unknown_words(folder: str, targets: tuple[str, ...]) -> None:
    """Refuse a word that is no app, and no verb either, instead of showing an empty screen."""
    after_verb = BARE_WORDS not in click.get_current_context().meta
    known = app_names(folder)
    for target in targets:
        plain = target.split("/")[0]
        if plain == "all" or plain in known or target[:1] == "@" or set(target) & set("*?["):
            continue
        if plain.isdigit():
            continue
        if after_verb:
            from difflib import get_close_matches  # noqa: PLC0415 — only for this error

            near = get_close_matches(plain, known, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            raise CommandError(
                ExitCode.NO_TARGET, f"nothing is called {target!r}{guess} (monit list shows all)"
            )
        from monit_agent.cli.pm2_words import suggestion  # noqa: PLC0415 — only for this error

        raise CommandError(
            ExitCode.NO_TARGET,
            f"{target!r} is neither a verb nor an app{suggestion(plain, tuple(known))} "
            "(monit --help, monit list)",
        )
