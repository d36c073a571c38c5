"""Where event loops of one instance were held up, equal stacks folded. Pure."""

from msgspec import structs

from monit_agent.observe.probewords import BlockWords
from monit_agent.wire.limits import BLOCKS
from monit_agent.wire.messages import Blocked, BlockKind, Frame

Key = tuple[BlockKind, tuple[tuple[str, int, str], ...]]

GOING_ON_S = 3.0
"""A block that is said to go on is believed so long; its probe says it again each second."""

_NOT_THE_APPS = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen", "<string>")
"""Parts of the paths of code that the app did not write."""


class Blocks:
    """The table of one instance; the place seen longest ago makes room for a new one."""

    def __init__(self) -> None:
        self._table: dict[Key, Blocked] = {}
        self._going_on: dict[int, tuple[float, list[BlockWords]]] = {}
        self.lost = 0

    def add(self, pid: int, words: tuple[BlockWords, ...], now: float) -> None:
        """Take in what one report of process ``pid`` says, at ``now`` (monotonic)."""
        self._going_on.pop(pid, None)
        going_on = [each for each in words if not each.count]
        if going_on:
            self._going_on[pid] = (now, going_on)
        for each in words:
            if each.count:
                self._fold(each)

    def records(self, now: float) -> tuple[Blocked, ...]:
        """Give the table, longest total first, with what goes on now."""
        table = dict(self._table)
        for at, words in self._going_on.values():
            for each in words if now - at < GOING_ON_S else ():
                key = (each.kind, each.stack)
                known = table.get(key) or _record(each)
                going_on_ms = round(1000.0 * (each.max + now - at), 1)
                table[key] = structs.replace(known, going_on_ms=going_on_ms)
        return tuple(
            sorted(table.values(), key=lambda each: -(each.total_ms + (each.going_on_ms or 0.0)))
        )

    def _fold(self, words: BlockWords) -> None:
        key = (words.kind, words.stack)
        known = self._table.pop(key, None)
        if known is None:
            if len(self._table) >= BLOCKS:
                oldest = min(self._table, key=lambda each: self._table[each].last_at)
                self.lost += self._table.pop(oldest).count
            known = _record(words)
        self._table[key] = structs.replace(
            known,
            count=known.count + words.count,
            total_ms=round(known.total_ms + 1000.0 * words.total, 1),
            max_ms=round(max(known.max_ms, 1000.0 * words.max), 1),
            last_at=max(known.last_at, words.at),
        )


def _record(words: BlockWords) -> Blocked:
    stack = tuple(Frame(file=file, line=line, function=name) for file, line, name in words.stack)
    own = (i for i, frame in enumerate(stack) if not any(p in frame.file for p in _NOT_THE_APPS))
    return Blocked(
        kind=words.kind, stack=stack, culprit=next(own, 0), count=0, total_ms=0.0, max_ms=0.0,
        first_at=words.at, last_at=words.at,
    )  # fmt: skip
