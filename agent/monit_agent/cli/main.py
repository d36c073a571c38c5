"""The table of verbs, and how the words of the command line find theirs."""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from monit_agent.cli import output
from monit_agent.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SCREEN = "screen"


class Verb(NamedTuple):
    """Where a verb lives and what the overview says of it."""

    place: str
    """``module:attribute`` in this package; imported when the verb is called."""
    group: str
    summary: str


RUNNING, LOOKING, MORE = "Run apps", "Look at them", "More"

VERBS = {
    "start": Verb("start:start", RUNNING, "Start an app, or one that was stopped."),
    "stop": Verb("steer:stop", RUNNING, "Stop apps; they stay listed."),
    "restart": Verb("steer:restart", RUNNING, "Stop and start apps, all instances at once."),
    "reload": Verb("reload:reload", RUNNING, "Replace instances one after another."),
    "scale": Verb("scale:scale", RUNNING, "Change how many instances an app has."),
    "signal": Verb("steer:send_signal", RUNNING, "Send a signal to the workers."),
    "trigger": Verb("trigger:trigger", RUNNING, "Run an action that apps offer."),
    "reset": Verb("steer:reset", RUNNING, "Set restart counters to zero."),
    "delete": Verb("delete:delete", RUNNING, "Stop apps and forget them; logs stay."),
    "list": Verb("list:list_apps", LOOKING, "List all instances, with what they use."),
    "describe": Verb("describe:describe", LOOKING, "Tell everything about an app."),
    "logs": Verb("logs:logs", LOOKING, "Show what apps print, and follow it."),
    "flush": Verb("steer:flush", LOOKING, "Empty log files."),
    SCREEN: Verb("screen:screen", LOOKING, "The full screen; the same as monit alone."),
    "demo": Verb("demo:demo", MORE, "A small real app to try everything on."),
    "completion": Verb("completion:completion", MORE, "Print the shell's completion script."),
}

ALIASES = {
    "ls": "list",
    "ps": "list",
    "status": "list",
    "l": "list",
    "del": "delete",
    "rm": "delete",
    "info": "describe",
    "show": "describe",
    "desc": "describe",
    "log": "logs",
    "sendSignal": "signal",
    "monit": SCREEN,
    "dash": SCREEN,
    "dashboard": SCREEN,
}
"""Other words for the verbs, as users of pm2 type them."""

EXAMPLES = """\
Examples:
  monit start app.py                       run a script, by the Python that is active
  monit start server.js -i 4 --name api    four instances called api/0 to api/3
  monit start -- uvicorn main:app          run any command
  monit                                    watch everything on one screen
  monit logs api --err -n 50               the last 50 error lines, then new ones
  monit reload api                         new code, no request lost"""

TARGETS = """\
Targets:
  all   web   web/0   @namespace   'api-*'   or an id from the first column of monit list"""


class Verbs(click.Group):
    """All verbs; each is imported only when it is called. What is no verb names apps to watch."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take ``monit web`` and ``monit`` for the screen."""
        if args[:1] == ["help"]:
            args = [*args[1:2], "--help"]
        own = {"--help", "-h", "--version", "-V"}
        if not ctx.resilient_parsing and not (args and (args[0] in own or find(args[0]))):
            args = [SCREEN, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the verbs in the order of the overview."""
        _ = ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb called ``cmd_name``, or one of its other names."""
        _ = ctx
        name = find(cmd_name)
        return None if name is None else load(name)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing a single verb."""
        _ = ctx
        formatter.write("Usage: monit [TARGET...]\n       monit VERB [OPTIONS] [ARGS]\n\n")
        formatter.write("Run apps, keep them running, and watch them in the terminal.\n")
        for group in (RUNNING, LOOKING, MORE):
            formatter.write(f"\n{group}:\n")
            for name, verb in VERBS.items():
                if verb.group == group:
                    formatter.write(f"  {name:<12}{verb.summary}\n")
        formatter.write(f"\n{TARGETS}\n\n{EXAMPLES}\n\n")
        formatter.write("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such target,\n")
        formatter.write("            4 an app's agent does not answer.\n")
        formatter.write("monit VERB --help tells more. Everything lies in $MONIT_HOME")
        formatter.write(" (default ~/.local/state/monit).\n")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete verbs, and apps to watch, without importing the verbs."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 — only while completing

        from monit_agent.cli.apps import complete_target  # noqa: PLC0415 — only while completing

        words = [CompletionItem(name, help=verb.summary) for name, verb in VERBS.items()]
        fitting = [word for word in words if word.value.startswith(incomplete)]
        return fitting + complete_target(ctx, self.params[0], incomplete)


def find(word: str) -> str | None:
    """Give the verb that ``word`` means, or None when it is none."""
    return word if word in VERBS else ALIASES.get(word)


def load(name: str) -> click.Command:
    """Import the verb called ``name``."""
    module, _, attribute = VERBS[name].place.partition(":")
    return getattr(importlib.import_module(f"monit_agent.cli.{module}"), attribute)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from monit_agent import __version__  # noqa: PLC0415 — only for this option

        output.write_lines([f"monit {__version__}"])
        ctx.exit()


monit = Verbs(
    "monit",
    params=[
        click.Option(
            ["--version", "-V"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show_version,
            help="Show the version and exit.",
        )
    ],
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)


def run() -> int:
    """Run the command line and give its exit code; the top border for every error."""
    if sys.stdout is None or sys.stderr is None:  # the caller closed them
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 — for the process's life
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    try:
        result: Any = monit.main(prog_name="monit", standalone_mode=False)
    except CommandError as error:
        output.complain(str(error))
        return error.code
    except click.UsageError as error:
        output.complain(error.format_message())
        if error.ctx is not None:
            output.say(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help'.")
        return Exit.USAGE
    except click.ClickException as error:
        output.complain(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        output.complain("interrupted; the apps go on")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        output.give_up_stdout()
        return 128 + 13
    return result if isinstance(result, int) else Exit.DONE
