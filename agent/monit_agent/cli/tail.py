"""The last lines that an instance printed, for errors and for `describe`."""

from monit_agent.client.ask import ask_now
from monit_agent.client.live import LiveSource
from monit_agent.client.plain import coloured_text, plain_text
from monit_agent.client.view import Identity
from monit_agent.wire.messages import LogPart, LogTail, Stream


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


def last_words(
    source: LiveSource, who: Identity, lines: int, *, colour: bool, first: Stream = "err"
) -> tuple[Stream, list[str]]:
    """Give the last lines of the stream ``first``, or of the other one when there are none."""
    said = last_lines(source, who, first, lines, colour=colour)
    if said:
        return first, said
    other: Stream = "out" if first == "err" else "err"
    return other, last_lines(source, who, other, lines, colour=colour)
