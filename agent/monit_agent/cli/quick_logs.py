"""The last lines of apps of this machine, and searches for them, in the short way: as
``quick_list.py``, nothing is imported for it but what it needs. New lines are followed in the long
way, behind those that are shown by then.

`None` is returned, and nothing was written, where all of it takes the long way: another option, a
word that is wrong, a host, no apps, output that is kept in no file, an agent that does not answer
or is of another version.
"""

from collections.abc import Mapping, Sequence

from monit_agent.cli.control.selection import TargetSelection, needed_apps, select_targets
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_names, monit_home
from monit_agent.cli.logs.log_query import LogQuery
from monit_agent.cli.logs.log_search import LineChooser
from monit_agent.cli.logs.log_stream import LogStream
from monit_agent.cli.logs.past_lines import LogSelection, PastLines
from monit_agent.cli.logs.quick_words import QuickWords, read_words
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.log_lines import LogWriter
from monit_agent.client.listing import NoListingError, list_apps
from monit_agent.client.logs.lines import StreamLine
from monit_agent.client.logs.plain_requests import NoPlainAnswerError, PlainRequests
from monit_agent.client.logs.rows import StreamKey
from monit_agent.client.plain_link import PlainLink
from monit_agent.client.view import Fleet
from monit_agent.wire.logfiles import where_to_look
from monit_agent.wire.paths import app_paths


class _LongWayError(Exception):
    """The command takes the long way."""


def quick_logs(words: Sequence[str]) -> int | None:
    """Write the lines and return the exit code; None if that takes the long way."""
    options = read_words(words)
    if options is None:
        return None
    writer = LogWriter(terminal.stdout_terminal(), as_json=options.as_json, bare=options.bare)
    selection = _selection(options)
    try:
        streams = _show(options, selection, writer)
        return _follow(options, selection, writer, streams) if options.follow else ExitCode.DONE
    except (_LongWayError, NoListingError, NoPlainAnswerError):
        return None
    except CommandError as error:
        output.write_error(str(error))
        return error.code
    except KeyboardInterrupt:
        output.write_interrupted()
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        output.discard_stdout()
        return ExitCode.BROKEN_PIPE


def _selection(options: QuickWords) -> LogSelection:
    before, after = (
        options.context if each is None else each for each in (options.before, options.after)
    )
    query = LogQuery(options.expression, None, before, after)
    return LogSelection(
        lines=options.lines,
        query=query,
        streams=(options.only,) if options.only else ("out", "err"),
        newest_first=False,
        folds=False,
        as_printed=options.bare and not options.as_json and query.is_everything,
    )


def _show(options: QuickWords, selection: LogSelection, writer: LogWriter) -> list[LogStream]:
    """Write the lines that are there; return their streams. Nothing was written when it raises an
    error that means the long way: all is read before the first line is written."""
    home = monit_home()
    names = app_names(home)
    needed = needed_apps(options.targets, names)
    links = {
        name: PlainLink(app_paths(home, name).ctl)
        for name in names
        if needed is None or name in needed
    }
    try:
        chosen = _chosen(links, options.targets)
        requests = PlainRequests(links)
        keys = [
            StreamKey(who, stream)
            for who in sorted(chosen.instances)
            for stream in selection.streams
        ]
        streams = [LogStream(key, requests) for key in keys]
        writer.widen(keys)
        past = PastLines(streams, selection, writer, requests)
        if options.counts:
            past.show_counts(as_json=options.as_json)
        else:
            past.show()
        if not options.follow and not options.counts:
            writer.write(_unfinished(streams, selection.query))
        return streams
    finally:
        for link in links.values():
            link.close()


def _chosen(links: Mapping[str, PlainLink], targets: Sequence[str]) -> TargetSelection:
    """Return what the targets select."""
    fleet = Fleet()
    fleet.apps = {app.id: app for app in list_apps(links)}
    if not fleet.apps:
        raise _LongWayError
    try:
        chosen = select_targets(fleet, targets)
    except CommandError as error:
        raise _LongWayError from error
    for name in chosen.apps:
        record = fleet.apps[name].record
        if record is None or where_to_look(record.log.to, name.app):
            raise _LongWayError
    return chosen


def _unfinished(streams: Sequence[LogStream], query: LogQuery) -> list[StreamLine]:
    """Return the lines that have no newline yet."""
    return [
        line for stream in streams for line in LineChooser(query).choose(stream.unfinished_line())
    ]


def _follow(
    options: QuickWords, selection: LogSelection, writer: LogWriter, shown: Sequence[LogStream]
) -> ExitCode:
    """Continue behind the lines that are shown."""
    from monit_agent.cli.control.fleet import open_fleet  # noqa: PLC0415 — the long way
    from monit_agent.cli.logs.log_reader import LogReader  # noqa: PLC0415

    home = monit_home()
    with open_fleet(home, options.targets) as (source, there):
        reader = LogReader(source, home, there, selection, writer, shown=shown)
        reader.catch_up()
        reader.report_silent_agents()
        return reader.follow(options.targets)
