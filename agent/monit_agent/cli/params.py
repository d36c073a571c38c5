"""click's parameters for the values that ``config/units.py`` reads."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from monit_agent.config.errors import BadInputError

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # no generic class in older versions of click 8

SEPARATED = "monit_agent.cli.separated"
"""Where `SplitCommand` leaves the words that followed ``--``."""


class Parsed(_ParamType):
    """A value read by a function that refuses with `BadInputError`."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read what the user typed; a value that is read already passes."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except BadInputError as error:
            self.fail(str(error), param, ctx)


class SplitCommand(click.Command):
    """A command whose words after ``--`` are somebody else's and are not read at all."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put aside what follows the first ``--``; None there means that there was none."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[SEPARATED] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show where those words go."""
        return [*super().collect_usage_pieces(ctx), "[-- ARGS...]"]


class NegativeNumbers(click.Command):
    """A command that takes ``-1`` for a number: it has no options but ``--help``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep click from reading ``-1`` as an option."""
        first = next(
            (i for i, word in enumerate(args) if word[:1] == "-" and word[1:].isdigit()), None
        )
        if first is not None and "--" not in args:
            args = [*args[:first], "--", *args[first:]]
        return super().parse_args(ctx, args)


def cores() -> int:
    """Give how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
