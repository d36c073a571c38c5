"""The lines that are kept of each instance, bounded, also of those nobody looks at now."""

from collections.abc import Collection

from monit_agent.client.loglines import LineAssembler
from monit_agent.client.logrows import StreamKey
from monit_agent.client.view import Identity
from monit_agent.wire.messages import Stream

RINGS = 64
"""Instances whose lines are kept though they are not selected; the longest unseen go first."""

STREAMS: tuple[Stream, Stream] = ("out", "err")


class Rings:
    """A `LineAssembler` for each stream of each instance that was selected lately."""

    def __init__(self) -> None:
        self._streams: dict[StreamKey, LineAssembler] = {}
        self._visited: dict[Identity, None] = {}

    def visit(self, who: Collection[Identity]) -> None:
        """Keep lines of these from now on; forget the longest unseen of the others."""
        for identity in who:
            self._visited.pop(identity, None)
            self._visited[identity] = None
        chosen = frozenset(who)
        spare = [ring for ring in self._visited if ring not in chosen]
        for ring in spare[: max(0, len(spare) - RINGS)]:
            del self._visited[ring]
            for name in STREAMS:
                self._streams.pop(StreamKey(*ring, name), None)

    def knows(self, identity: Identity) -> bool:
        """Tell whether lines of an instance are kept."""
        return identity in self._visited

    def stream(self, key: StreamKey) -> LineAssembler:
        """Give the lines of one stream."""
        found = self._streams.get(key)
        if found is None:
            found = self._streams[key] = LineAssembler(key)
        return found

    def trim(self, identity: Identity, most: int) -> None:
        """Drop the oldest lines of an instance as long as at least ``most`` stay."""
        streams = [self.stream(StreamKey(*identity, name)) for name in STREAMS]
        while True:
            ends = [(run.at_ns, len(run), each) for each in streams if (run := each.oldest)]
            if not ends:
                return
            _, size, oldest = min(ends, key=_time_of)
            if sum(map(len, streams)) - size < most:
                return
            oldest.drop_oldest()


def _time_of(end: tuple[int, int, LineAssembler]) -> int:
    return end[0]
