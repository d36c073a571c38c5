"""``monit logs --follow --json``: every line once, for a log shipper at the other end of the pipe.

Unlike the log on a terminal, which skips what nobody could read, it stays behind an app that prints
faster than its reader reads, and continues from the files.
"""

import contextlib
from collections.abc import Sequence

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.logs.past_lines import LogSelection
from monit_agent.cli.logs.places import PlaceReport
from monit_agent.cli.logs.silence import SilenceReport
from monit_agent.cli.render import output
from monit_agent.client.public.api_requests import ReadLogs
from monit_agent.client.public.jobs import Receiver
from monit_agent.client.public.records import Item, LostBytes, PrintedLine
from monit_agent.client.public.session import ApiSource, Session

TICK_S = 0.5
"""Longest wait of one poll; a message ends it at once."""


def follow_as_json(
    source: ApiSource, folder: str, targets: Sequence[str], selection: LogSelection
) -> ExitCode:
    """Write the lines of a plain selection and new ones, also of instances that appear later, until
    Ctrl-C."""
    request = ReadLogs(
        targets=tuple(targets),
        lines=selection.lines or 0,
        since=selection.query.since,
        follow=True,
        stream=selection.streams[0] if len(selection.streams) == 1 else None,
    )
    session = Session(source)
    silence, places = SilenceReport(source, folder), PlaceReport(source)
    job = session.begin(request, Receiver(_write, lambda: True))
    with contextlib.suppress(KeyboardInterrupt):
        while job.reply is None:
            session.poll(TICK_S)
            apps = {each.app_id for each in job.followed}
            silence.report(apps)
            places.report(apps)
        if job.reply.error is not None:
            raise CommandError(ExitCode.FAILED, str(job.reply.error))
    return ExitCode.INTERRUPTED


def _write(item: Item) -> None:
    if isinstance(item, PrintedLine):
        output.write_json_line(
            {
                "host": item.host,
                "app": item.app,
                "instance": item.instance,
                "stream": item.stream,
                "offset": item.offset,
                "at": item.at,
                "level": item.level,
                "context": False,
                "count": 1,
                "lines": 1,
                "line": item.line,
            }
        )
    elif isinstance(item, LostBytes):
        name = f"{item.host}:{item.app}" if item.host else item.app
        output.write_message(
            f"monit: {name}/{item.instance} {item.stream}: {item.bytes:,} bytes are no longer "
            "there: they were rotated away, or the log was emptied"
        )
