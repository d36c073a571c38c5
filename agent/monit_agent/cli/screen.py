"""``monit [TARGET...]``: the full screen, or the list where there is none."""

import click

from monit_agent.cli import output
from monit_agent.cli.apps import app_names, complete_target, home, suggestion
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.cli.terminal import has_screen, is_dumb

HELP = """\b
Example:
  monit web 'api-*'
"""


@click.command("screen", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@click.option("--read-only", is_flag=True, help="Leave out every key that changes something.")
def screen(targets: tuple[str, ...], read_only: bool) -> int:
    """Watch apps on the full screen: the list, logs, metrics and metadata.

    Without TARGET all apps are shown. The screen only watches: closing it changes nothing for
    the apps.
    """
    folder = home()
    _check(folder, targets)
    if not has_screen():
        from monit_agent.cli.list import print_list  # noqa: PLC0415 — only without a terminal

        output.say("monit: this is no terminal, so here is the list, once (monit list --help)")
        return print_list(folder, targets)
    if is_dumb():
        raise CommandError(
            Exit.USAGE,
            "this terminal (TERM=dumb) cannot show the screen; use monit list --watch, monit logs",
        )
    from monit_tui.app import run  # noqa: PLC0415 — the only way from here to the screen

    return run(folder, list(targets), read_only)


def _check(folder: str, targets: tuple[str, ...]) -> None:
    """Refuse a first word that is neither a verb nor an app, rather than show an empty screen."""
    from monit_agent.cli.main import ALIASES, VERBS  # noqa: PLC0415 — it imports this module

    known = app_names(folder)
    for target in targets:
        plain = target.split("/")[0]
        if plain == "all" or plain in known or target[:1] == "@" or set(target) & set("*?["):
            continue
        if plain.isdigit():
            continue
        raise CommandError(
            Exit.NO_TARGET,
            f"there is neither a verb nor an app called {target!r}"
            f"{suggestion(plain, [*VERBS, *ALIASES, *known])} (monit --help, monit list)",
        )
