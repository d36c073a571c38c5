"""``monit logs``: log lines of apps, merged by time, then live."""

import time
from collections.abc import Sequence

import click
from click.core import ParameterSource

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.logs.log_query import LINES, MOST_LINES, LogQuery
from monit_agent.cli.logs.log_reader import LogReader
from monit_agent.cli.logs.past_lines import LogSelection
from monit_agent.cli.options.params import PM2_NAMES, ParsedValue
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.log_lines import LogWriter
from monit_agent.config import values
from monit_agent.config.errors import BadInputError
from monit_agent.logtext.expression import Expression
from monit_agent.logtext.levels import LEVELS, Level
from monit_agent.typed import TYPE_CHECKING
from monit_agent.wire.limits import SEARCH_CONTEXT, SEARCH_PATTERN
from monit_agent.wire.messages import ReopenLogs, Stream

if TYPE_CHECKING:
    from monit_agent.client.public.session import ApiSource

_ENDING = "--until, --fold, --reverse and --count"

HELP = """\b
Examples:
  monit logs                              show the last lines of every app, then new ones
  monit logs web --err --since 10m        show recent errors
  monit logs web/0 -n 1000 --no-follow --raw > web.log
  monit logs web api --grep 'timeout|refused' -i -C 2
  monit logs web --level error --since 02:30 --until 02:50
  monit logs web --grep 'POST /pay' --since 24h --count
  monit logs web --since 24h --level warn --fold
  monit logs --reopen web                 after logrotate has moved the files of web
"""


def _parse_expression(text: str) -> str:
    if len(text) > SEARCH_PATTERN:
        raise BadInputError(f"an expression has at most {SEARCH_PATTERN} characters")
    try:
        Expression(text)
    except ValueError as error:
        raise BadInputError(str(error)) from error
    return text


def _parse_level(text: str) -> str:
    # not click.Choice, which would translate "error" as it translates pm2's options
    if text not in LEVELS:
        raise BadInputError(f"{text!r} is not a level; there are {', '.join(LEVELS)}")
    return text


def _parse_context(text: str) -> int:
    return values.parse_number(text, 0, SEARCH_CONTEXT)


@click.command("logs", epilog=HELP, context_settings=PM2_NAMES)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@click.option(
    "-n",
    "--lines",
    type=ParsedValue("number", lambda text: values.parse_number(text, 0, MOST_LINES)),
    default=LINES,
    metavar="N",
    help=f"Number of recent lines of each app to show first. [default: {LINES}]",
)
@click.option(
    "-f",
    "--follow/--no-follow",
    "follow",
    default=None,
    help=f"Continue with new lines, or stop at the end. [default: --follow, except with {_ENDING}]",
)
@click.option(
    "--since",
    type=ParsedValue("time", lambda text: values.parse_moment(text, time.time())),
    metavar="TIME",
    help="Show all lines since 10m (ago), 14:03 or an ISO date; with -n, the last of them.",
)
@click.option(
    "--until",
    type=ParsedValue("time", lambda text: values.parse_moment(text, time.time())),
    metavar="TIME",
    help="Show lines printed before a time, and stop there.",
)
@click.option(
    "--grep",
    type=ParsedValue("expression", _parse_expression),
    metavar="RE",
    help="Show only lines that match a regular expression.",
)
@click.option("-i", "--ignore-case", is_flag=True, help="Ignore case in --grep.")
@click.option(
    "--level",
    type=ParsedValue("level", _parse_level),
    metavar="LEVEL",
    help="Show only lines of this level (error, warn, info, debug) or worse, and their tracebacks.",
)
@click.option(
    "-A",
    "--after",
    type=ParsedValue("number", _parse_context),
    metavar="N",
    help="Show N lines after each line that --grep or --level finds.",
)
@click.option(
    "-B",
    "--before",
    type=ParsedValue("number", _parse_context),
    metavar="N",
    help="Show N lines before it.",
)
@click.option(
    "-C",
    "--context",
    type=ParsedValue("number", _parse_context),
    default=0,
    metavar="N",
    help="Show N lines before and after it.",
)
@click.option(
    "--fold",
    is_flag=True,
    help="Show a traceback as the line that says what went wrong, and equal lines once.",
)
@click.option("--reverse", is_flag=True, help="Show the newest line first.")
@click.option("--count", is_flag=True, help="Show only how many lines there are of each stream.")
@click.option("--err", "only", flag_value="err", help="Show only standard error.")
@click.option("--out", "only", flag_value="out", help="Show only standard output.")
@click.option(
    "--raw",
    "bare",
    is_flag=True,
    help="Omit the name at the start of each line; in a pipe or file, write the bytes unchanged.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option(
    "--reopen",
    is_flag=True,
    help="Show nothing; begin new log files where logrotate moved the present ones away.",
)
@host_option
def logs(
    targets: tuple[str, ...],
    *,
    lines: int,
    follow: bool | None,
    since: float | None,
    until: float | None,
    grep: str | None,
    ignore_case: bool,
    level: Level | None,
    after: int | None,
    before: int | None,
    context: int,
    fold: bool,
    reverse: bool,
    count: bool,
    only: Stream | None,
    bare: bool,
    as_json: bool,
    reopen: bool,
) -> int:
    """Show log lines of apps, ordered by time, and follow them.

    Without TARGET, the lines of all apps are shown. On a terminal, colours are kept and all other
    control characters are made visible. In a pipe, colours are removed too, because a terminal is
    often at the other end (monit logs | grep …); --raw writes the bytes as the app printed them.
    The agents search all that is kept, also in compressed files, and begin with the newest lines.
    The objects of --json have the fields host, app, instance, stream, offset, at (seconds since
    1970), level, context, count, lines and line.
    """
    chosen = targets or ("all",)
    if reopen:
        return _reopen(chosen)
    expression = Expression(grep, ignore_case=ignore_case) if grep else None
    around = (context if each is None else each for each in (before, after))
    query = LogQuery(expression, level, *around, since=since, until=until)
    ends = until is not None or reverse or count or fold
    _refuse_contradictions(query, follows=bool(follow), ends=ends, folds=fold, reverse=reverse)
    selection = LogSelection(
        lines=lines if since is None or _is_given("lines") else None,
        query=query,
        streams=(only,) if only else ("out", "err"),
        newest_first=reverse,
        folds=fold,
        as_printed=bare and not as_json and query.is_everything,
    )
    writer = LogWriter(terminal.stdout_terminal(), as_json=as_json, bare=bare)
    with open_fleet(monit_home(), chosen) as (source, there):
        follows = follow is not False and not ends
        if follows and not there.apps:
            output.write_message("no apps yet; waiting for the first one (Ctrl-C ends)")
        if as_json and follows and selection.is_plain:
            return _follow_as_json(source, chosen, selection)
        reader = LogReader(source, monit_home(), there, selection, writer)
        if count:
            reader.past().show_counts(as_json=as_json)
        else:
            reader.past().show()
        return _end(reader, chosen, follows=follows, ends=ends)


def _end(reader: LogReader, targets: Sequence[str], *, follows: bool, ends: bool) -> ExitCode:
    """Follow, or end with what is not complete."""
    silent = reader.report_silent_agents()
    if follows:
        return reader.follow(targets)
    if not ends:
        reader.show_unfinished()
    return ExitCode.NO_ANSWER if silent else ExitCode.DONE


def _refuse_contradictions(
    query: LogQuery, *, follows: bool, ends: bool, folds: bool, reverse: bool
) -> None:
    if follows and ends:
        raise click.UsageError(f"{_ENDING} show what is there; drop --follow")
    if folds and (reverse or query.before or query.after):
        raise click.UsageError("--fold shows lines in their order and without context")


def _follow_as_json(source: "ApiSource", targets: Sequence[str], selection: LogSelection) -> int:
    from monit_agent.cli.logs.json_stream import follow_as_json  # noqa: PLC0415 — takes 3 ms

    return follow_as_json(source, monit_home(), targets, selection)


def _is_given(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source != ParameterSource.DEFAULT


def _reopen(targets: Sequence[str]) -> int:
    from monit_agent.cli.control.requests import CommandWords, request_targets  # noqa: PLC0415 — takes 10 ms

    return request_targets(
        targets,
        lambda numbers: ReopenLogs(instances=numbers),
        CommandWords("reopening the logs of", "reopened the logs of"),
    )
