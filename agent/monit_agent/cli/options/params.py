"""Parameter types and commands for click."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from monit_agent.cli.keepers.apps import complete_target
from monit_agent.cli.pm2_words import own_name
from monit_agent.config.errors import BadInputError

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # no generic class in older versions of click 8

PM2_NAMES = {"token_normalize_func": own_name}
"""Context settings of a command whose options may also be written as in pm2 (--cron-restart)."""

SEPARATED = "monit_agent.cli.separated"
"""Key in ``ctx.meta`` of the words that followed ``--``."""


targets_argument = click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_target
)
update_env_option = click.option(
    "--update-env",
    is_flag=True,
    help="Let the workers inherit the environment of this command; what --env and env files set "
    "stays.",
)


class ParsedValue(_ParamType):
    """A value with a parser that raises `BadInputError`."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value; a value that is parsed already passes."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except BadInputError as error:
            self.fail(str(error), param, ctx)


class SplitCommand(click.Command):
    """A command that does not parse the words after ``--``: they belong to another program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what follows the first ``--`` in ``ctx.meta``; without ``--`` there is no entry."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[SEPARATED] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show these words in the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- ARGS...]"]


class NegativeNumbers(click.Command):
    """A command for which ``-1`` is a number: its only option is ``--help``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Prevent click from reading ``-1`` as an option."""
        first = next(
            (i for i, word in enumerate(args) if word[:1] == "-" and word[1:].isdigit()), None
        )
        if first is not None and "--" not in args:
            args = [*args[:first], "--", *args[first:]]
        return super().parse_args(ctx, args)
