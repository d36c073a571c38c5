"""The last lines that an instance printed, for errors and for `describe`."""

from monit_agent.client.ask import ask_now
from monit_agent.client.live import LiveSource
from monit_agent.client.plain import coloured_text, plain_text
from monit_agent.client.view import Identity
from monit_agent.wire.messages import LogPart, LogSince, LogTail, Stream


def last_lines(
    source: LiveSource, who: Identity, stream: Stream, lines: int, *, colour: bool
) -> list[str]:
    """Give at most ``lines`` lines, oldest first, safe for a terminal; none if none are had."""
    request = LogTail(instance=who.instance, stream=stream, lines=lines)
    answer = ask_now(source, who.app, request)
    if not isinstance(answer, LogPart) or not answer.data:
        return []
    show = coloured_text if colour else plain_text
    return [show(line) for line in answer.data.removesuffix(b"\n").split(b"\n")[-lines:]]


def lines_since(
    source: LiveSource, who: Identity, stream: Stream, since: float, lines: int
) -> list[str]:
    """Give the last ``lines`` lines that were printed at or after ``since`` (wall seconds)."""
    first = ask_now(source, who.app, LogSince(instance=who.instance, stream=stream, at=since))
    if not isinstance(first, LogPart):
        return []
    tail = LogTail(instance=who.instance, stream=stream, lines=lines)
    last = ask_now(source, who.app, tail)
    if not isinstance(last, LogPart):
        return []
    data = last.data[max(0, first.offset - last.offset) :].removesuffix(b"\n")
    return [plain_text(line) for line in data.split(b"\n")] if data else []


def last_words(
    source: LiveSource, who: Identity, lines: int, *, colour: bool, first: Stream = "err"
) -> tuple[Stream, list[str]]:
    """Give the last lines of the stream ``first``, or of the other one when there are none."""
    said = last_lines(source, who, first, lines, colour=colour)
    if said:
        return first, said
    other: Stream = "out" if first == "err" else "err"
    return other, last_lines(source, who, other, lines, colour=colour)
