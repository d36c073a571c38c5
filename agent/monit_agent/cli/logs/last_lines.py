"""The last lines that an instance printed, for errors and for `describe`."""

from monit_agent.client.commands.blocking import request_and_wait
from monit_agent.client.source import Source
from monit_agent.client.text.sanitize import coloured_text, plain_text
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.messages import (
    Crashes,
    CrashesPart,
    CrashReport,
    LogPart,
    LogSince,
    LogTail,
    Stream,
)


def last_lines(
    source: Source, who: InstanceId, stream: Stream, lines: int, *, colour: bool
) -> list[str]:
    """Return at most ``lines`` lines, oldest first, safe for a terminal; [] without an answer."""
    request = LogTail(instance=who.instance, stream=stream, lines=lines)
    answer = request_and_wait(source, who.app_id, request)
    if not isinstance(answer, LogPart) or not answer.data:
        return []
    show = coloured_text if colour else plain_text
    return [show(line) for line in answer.data.removesuffix(b"\n").split(b"\n")[-lines:]]


def crash_reports(source: Source, who: InstanceId, limit: int) -> tuple[CrashReport, ...]:
    """Return the newest crash reports of an instance, newest first; () without an answer."""
    request = Crashes(instance=who.instance, limit=limit)
    answer = request_and_wait(source, who.app_id, request)
    return answer.reports if isinstance(answer, CrashesPart) else ()


def lines_since(
    source: Source, who: InstanceId, stream: Stream, since: float, lines: int
) -> list[str]:
    """Return the last ``lines`` lines that were printed at or after ``since`` (wall seconds)."""
    first = request_and_wait(
        source, who.app_id, LogSince(instance=who.instance, stream=stream, at=since)
    )
    if not isinstance(first, LogPart):
        return []
    tail = LogTail(instance=who.instance, stream=stream, lines=lines)
    last = request_and_wait(source, who.app_id, tail)
    if not isinstance(last, LogPart):
        return []
    data = last.data[max(0, first.offset - last.offset) :].removesuffix(b"\n")
    return [plain_text(line) for line in data.split(b"\n")] if data else []


def last_output(
    source: Source, who: InstanceId, lines: int, *, colour: bool, first: Stream = "err"
) -> tuple[Stream, list[str]]:
    """Return the last lines of the stream ``first``, or of the other one when there are none."""
    printed = last_lines(source, who, first, lines, colour=colour)
    if printed:
        return first, printed
    other: Stream = "out" if first == "err" else "err"
    return other, last_lines(source, who, other, lines, colour=colour)
