"""Folds the lines that `monit logs --fold` shows, each stream by itself."""

from collections.abc import Iterable, Iterator

from monit_agent.cli.logs.log_search import Group
from monit_agent.client.logs.lines import StreamLine
from monit_agent.client.logs.rows import StreamKey
from monit_agent.logtext.folding import FoldedLines, fold_lines

WINDOW = 2000
"""Lines that are folded at once."""


def folded(groups: Iterable[Group]) -> Iterator[Group]:
    """Yield the lines of one stream, folded, each as a group."""
    window: list[StreamLine] = []
    for group in groups:
        window += group
        if len(window) < WINDOW:
            continue
        *done, last = fold_lines([line.raw for line in window])
        if not done:  # all is one: what follows is counted anew
            done, last = [last], None
        yield from ([_shown(window, each)] for each in done)
        window = window[last.start :] if last is not None else []
    yield from ([_shown(window, each)] for each in fold_lines([line.raw for line in window]))


def folded_lines(lines: Iterable[StreamLine]) -> list[StreamLine]:
    """Return lines of several streams, each stream folded, by time."""
    by_stream: dict[StreamKey, Group] = {}
    for line in lines:
        by_stream.setdefault(line.key, []).append(line)
    shown = [line for own in by_stream.values() for group in folded([own]) for line in group]
    return sorted(shown, key=lambda line: line.at_ns)


def _shown(lines: list[StreamLine], part: FoldedLines) -> StreamLine:
    first = lines[part.start]
    chosen = lines[part.shown]
    return chosen._replace(at_ns=first.at_ns, times=part.times, size=part.size)
