"""The parameters of ``monit start``, made from the table of options."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from monit_agent.cli.keepers.apps import complete_start
from monit_agent.cli.options.params import ParsedValue, SplitCommand
from monit_agent.client.text.settings import format_setting
from monit_agent.config.app import default_value
from monit_agent.config.options import BY_KEY, OPTIONS, Option
from monit_agent.config.values import parse_option

HELP_COLUMN = 26
"""Width of the flags' column, so that the sections are aligned; a longer flag has its own line."""

NO_BREAK = "\u00a0"


class StartCommand(SplitCommand):
    """Writes the help of the options under the headings of the table."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group of options."""
        groups = {
            name: option.group
            for option in OPTIONS
            for name in (option.parameter, option.parameter + SWITCH)
        }
        groups["profile"] = "Config file"
        sections: dict[str, list[tuple[str, str]]] = {group: [] for group in groups.values()}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                rows = sections.setdefault(groups.get(param.name or "", "Other"), [])
                rows.append((record[0].ljust(HELP_COLUMN), record[1]))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows, col_max=HELP_COLUMN)
        formatter.buffer = [text.replace(NO_BREAK, " ") for text in formatter.buffer]


def add_start_parameters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the parameters of ``start`` to ``function``, like the decorators of click do."""
    parameters = [
        click.Argument(["targets"], nargs=-1, metavar="[TARGET]...", shell_complete=complete_start),
        *(each for option in OPTIONS for each in _parameters(option)),
        profile_option(),
    ]
    function.__click_params__ = list(reversed(parameters))  # type: ignore[attr-defined]
    return function


def profile_option() -> click.Option:
    """Return the option that selects a profile of a config file."""
    return click.Option(
        ["--profile"],
        metavar="NAME",
        help="Use the settings of this profile of the config file. [default: $MONIT_PROFILE]",
    )


SWITCH = "_switch"
"""After the parameter of an option: that of its flag without a value."""


def _parameters(option: Option) -> list[click.Option]:
    names = [*option.flags, option.parameter]
    if option.implies:
        return [click.Option(names, is_flag=True, help=help_text(option))]
    parameter = click.Option(
        names,
        type=ParsedValue(option.kind, lambda text: parse_option(option, text)),
        multiple=option.several,
        metavar=option.metavar,
        help=help_text(option),
    )
    if option.switch is None:
        return [parameter]
    flag, value = option.switch
    text = f"The same as {option.flags[-1]} {value}."
    if option.key == "watch":
        text = "Watch the working directory."
    return [click.Option([flag, option.parameter + SWITCH], is_flag=True, help=text), parameter]


def help_text(option: Option) -> str:
    """Return the help of an option with its default, which is that of the spec."""
    if not option.field or option.implies or "[default" in option.help:
        return option.help
    default = default_value(option)
    if default in (None, "", ()):
        return option.help
    return f"{option.help} [default:{NO_BREAK}{format_setting(option, default)}]"


def used_settings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were used, by their keys, as ``config/app.py`` takes them."""
    settings: dict[str, Any] = {}
    for key, option in BY_KEY.items():
        value = parameters[option.parameter]
        if option.switch and parameters[option.parameter + SWITCH]:
            switched = parse_option(option, option.switch[1])
            value = (switched, *value) if option.several else value or switched
        if option.implies and value:
            settings[key] = parse_option(option, option.implies)
        elif not option.implies and value is not None and value != ():
            settings[key] = value
    return settings
