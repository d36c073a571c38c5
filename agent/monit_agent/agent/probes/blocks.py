"""Where event loops of one instance were blocked, equal stacks folded. Pure."""

from msgspec import structs

from monit_agent.agent.probes.reports import BlockReport
from monit_agent.wire.limits import BLOCKS
from monit_agent.wire.messages import Blocked, BlockKind, Frame

Key = tuple[BlockKind, tuple[tuple[str, int, str], ...]]

ONGOING_S = 3.0
"""A block that has not ended is shown this long; its probe reports it again each second."""

_NOT_THE_APPS = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen", "<string>")
"""Parts of the paths of code that the app did not write."""


class Blocks:
    """The table of one instance; the place seen longest ago makes room for a new one."""

    def __init__(self) -> None:
        self._table: dict[Key, Blocked] = {}
        self._ongoing: dict[int, tuple[float, list[BlockReport]]] = {}
        self.lost = 0

    def add(self, pid: int, reports: tuple[BlockReport, ...], now: float) -> None:
        """Add the blocks in one report of process ``pid``, at ``now`` (monotonic)."""
        self._ongoing.pop(pid, None)
        ongoing = [each for each in reports if not each.count]
        if ongoing:
            # of processes that were killed while they were blocked, no other report comes
            lately = {at: each for at, each in self._ongoing.items() if now - each[0] < ONGOING_S}
            self._ongoing = {**lately, pid: (now, ongoing)}
        for each in reports:
            if each.count:
                self._fold(each)

    def records(self, now: float) -> tuple[Blocked, ...]:
        """Return the table, longest total first, with the blocks that have not ended."""
        table = dict(self._table)
        for at, reports in self._ongoing.values():
            for each in reports if now - at < ONGOING_S else ():
                key = (each.kind, each.stack)
                known = table.get(key) or _record(each)
                going_on_ms = round(1000.0 * (each.max + now - at), 1)
                table[key] = structs.replace(known, going_on_ms=going_on_ms)
        return tuple(
            sorted(table.values(), key=lambda each: -(each.total_ms + (each.going_on_ms or 0.0)))
        )

    def _fold(self, report: BlockReport) -> None:
        key = (report.kind, report.stack)
        known = self._table.pop(key, None)
        if known is None:
            if len(self._table) >= BLOCKS:
                oldest = min(self._table, key=lambda each: self._table[each].last_at)
                self.lost += self._table.pop(oldest).count
            known = _record(report)
        self._table[key] = structs.replace(
            known,
            count=known.count + report.count,
            total_ms=round(known.total_ms + 1000.0 * report.total, 1),
            max_ms=round(max(known.max_ms, 1000.0 * report.max), 1),
            last_at=max(known.last_at, report.at),
        )


def _record(report: BlockReport) -> Blocked:
    stack = tuple(Frame(file=file, line=line, function=name) for file, line, name in report.stack)
    own = (i for i, frame in enumerate(stack) if not any(p in frame.file for p in _NOT_THE_APPS))
    return Blocked(
        kind=report.kind, stack=stack, blocking_frame=next(own, 0),
        count=0, total_ms=0.0, max_ms=0.0, first_at=report.at, last_at=report.at,
    )  # fmt: skip
