"""The entry point of the command line: the overview, and errors as exit codes."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_exists, app_names, monit_home
from monit_agent.cli.render import output
from monit_agent.cli.render.command_name import command_name, with_own_name
from monit_agent.cli.verb_table import (
    BARE_WORDS,
    GROUPS,
    OF_TARGETS,
    SCREEN,
    VERBS,
    find_verb,
    load_verb,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EXAMPLES = """\
Examples:
  monit start app.py                       run a script with the active Python
  monit start server.js -i 4 --name api    run four instances, api/0 to api/3
  monit start -- uvicorn main:app          run any command
  monit                                    open the full-screen monitor
  monit logs api --err -n 50               show the last 50 error lines, then new ones
  monit reload api                         load new code without losing requests"""

TARGETS = """\
Targets:
  all   web   web/0   @namespace   'api-*'   an id from the first column of monit list
  localhost:web   (the app web on this machine)
  web1:web        (the app web on the host web1; needs --host, see monit list --help)"""


NAMES_SHOWN = 8
"""Most apps that an error lists."""

VERSION_OPTIONS = ("--version", "-V", "-v")
OWN_OPTIONS = ("--help", "-h", *VERSION_OPTIONS)


class Verbs(click.Group):
    """All verbs. A verb is imported only when it is called. Other words are apps to watch."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read ``monit api`` and ``monit`` as calls of the screen."""
        if args[:1] and args[0] in VERSION_OPTIONS and args[1:] == ["--json"]:
            _write_version_fields()
            ctx.exit()
        args = _host_after_verb(args)
        if args[:1] == ["help"]:
            args = [*args[1:2], "--help"]
        if ctx.resilient_parsing or (args and (args[0] in OWN_OPTIONS or find_verb(args[0]))):
            return super().parse_args(ctx, args)
        words = _words_of_pm2(args)
        if words is None:
            ctx.meta[BARE_WORDS] = True
        return super().parse_args(ctx, words or [SCREEN, *args])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the overview."""
        _ = ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb with this name or alias, unless only a target is completed."""
        name = find_verb(cmd_name)
        if name in OF_TARGETS and ctx.resilient_parsing and _completes_no_option():
            return click.Command(name, params=[_targets_to_complete()])
        return None if name is None else load_verb(name)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing a single verb."""
        _ = ctx
        formatter.write("Usage: monit [TARGET...]\n       monit VERB [OPTIONS] [ARGS]\n\n")
        formatter.write("Run apps, keep them running, and monitor them in the terminal.\n")
        for group in GROUPS:
            formatter.write(f"\n{group}:\n")
            for name, verb in VERBS.items():
                if verb.group == group:
                    formatter.write(f"  {name:<15}{verb.summary}\n")
        formatter.write(f"\n{TARGETS}\n\n{EXAMPLES}\n\n")
        formatter.write("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such target,\n")
        formatter.write("            4 an app's agent, or a host, does not answer.\n")
        formatter.write("See monit VERB --help for details. All files are in $MONIT_HOME")
        formatter.write(" (default ~/.local/state/monit).\n")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete verbs, and apps to watch, without importing the verbs."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 — only while completing

        from monit_agent.cli.keepers.apps import complete_target  # noqa: PLC0415 — only while completing

        words = [CompletionItem(name, help=verb.summary) for name, verb in VERBS.items()]
        matching = [word for word in words if word.value.startswith(incomplete)]
        return matching + complete_target(ctx, self.params[0], incomplete)


def _host_after_verb(args: list[str]) -> list[str]:
    """Return ``--host web1 list`` as ``list --host web1``."""
    size = 2 if args[:1] == ["--host"] else 1 if args and args[0].startswith("--host=") else 0
    rest = args[size:]
    return [rest[0], *args[:size], *rest[1:]] if size and rest and find_verb(rest[0]) else args


def _completes_no_option() -> bool:
    """Return whether a shell completes a command line that has no option yet."""
    return " -" not in os.environ.get("COMP_WORDS", " -")


def _targets_to_complete() -> click.Argument:
    from monit_agent.cli.keepers.apps import complete_target  # noqa: PLC0415 — only while completing

    return click.Argument(["targets"], nargs=-1, shell_complete=complete_target)


def _words_of_pm2(args: list[str]) -> list[str] | None:
    """Return ``args`` in monit's words when they begin with one of pm2's; None otherwise.

    An app of that name wins. Raise `CommandError` with an answer for a word without a counterpart.
    """
    from monit_agent.cli.pm2_words import find_pm2_command  # noqa: PLC0415 — only for other words

    row = find_pm2_command(args[0]) if args else None
    if row is None or app_exists(monit_home(), args[0]):
        return None
    if row.stands_for:
        return [*row.stands_for, *args[1:]]
    raise CommandError(ExitCode.USAGE, f"{args[0]} is a command of pm2: {row.answer}")


def _show_version(ctx: click.Context, _: click.Parameter, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:
        from monit_agent import __version__  # noqa: PLC0415 — only for this option

        output.write_lines([f"monit {__version__}"])
        ctx.exit()


def _write_version_fields() -> None:
    """Write which monit this is, as one JSON object."""
    from monit_agent import __version__  # noqa: PLC0415 — only for this option
    from monit_agent.system.installation import own_installation  # noqa: PLC0415
    from monit_agent.wire.limits import PROTOCOL_VERSION  # noqa: PLC0415

    python, package = own_installation()
    fields = {
        "version": __version__,
        "protocol": PROTOCOL_VERSION,
        "python": python,
        "python_version": sys.version.split()[0],
        "package": package,
    }
    output.write_json(fields)


class OwnNameFormatter(click.HelpFormatter):
    """Writes help with the command's own name."""

    def getvalue(self) -> str:
        """Return what was written."""
        return with_own_name(super().getvalue())


click.Context.formatter_class = OwnNameFormatter

monit = Verbs(
    "monit",
    params=[
        click.Option(
            [*VERSION_OPTIONS],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show_version,
            help="Show the version and exit; --version --json shows where it runs from.",
        )
    ],
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)


def _usage_error_text(error: click.UsageError) -> str:
    verb = error.ctx.info_name if error.ctx is not None else None
    if isinstance(error, click.NoSuchOption):
        from monit_agent.cli.pm2_words import answer_to_flag  # noqa: PLC0415 — only for errors

        answer = answer_to_flag(error.option_name, verb)
        if error.option_name == "--host":
            answer = f"{verb} concerns this machine alone; run it there: ssh HOST monit {verb} …"
        return (
            f"No such option: {error.option_name}; {answer}." if answer else error.format_message()
        )
    if isinstance(error, click.MissingParameter) and error.param and error.param.name == "targets":
        return f"{verb} needs a TARGET: {_possible_targets()}"
    return error.format_message()


def _possible_targets() -> str:
    """Return what a verb that needs a target can be given."""
    names = app_names(monit_home())
    if not names:
        return "an app; there are no apps yet, and monit start app.py starts one"
    more = f" … ({len(names)} apps; monit list)" if len(names) > NAMES_SHOWN else ""
    return (
        f"an app, an instance (NAME/0) or @namespace; apps: {', '.join(names[:NAMES_SHOWN])}{more}"
    )


def run_command_line() -> int:
    """Run the command line and return its exit code; every error ends here."""
    if sys.stdout is None or sys.stderr is None:  # the caller closed them
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 — for the process's life
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    try:
        result: Any = monit.main(prog_name=command_name(), standalone_mode=False)
    except CommandError as error:
        output.write_error(str(error))
        return error.code
    except click.UsageError as error:
        output.write_error(_usage_error_text(error))
        if error.ctx is not None:
            output.write_message(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help'.")
        return ExitCode.USAGE
    except click.ClickException as error:
        output.write_error(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        output.write_interrupted()
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        output.discard_stdout()
        return ExitCode.BROKEN_PIPE
    return result if isinstance(result, int) else ExitCode.DONE
