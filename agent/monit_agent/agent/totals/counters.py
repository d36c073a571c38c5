"""Totals over sources that each count from 0. Pure.

A source is a process, a process tree or a keeper: it counts until it ends, and the next one starts
again. A total is the growth of all of them.
"""

from collections.abc import Callable, Mapping


class Counters:
    """Totals by name. ``last`` has what each source reported last."""

    def __init__(
        self,
        totals: dict[str, float] | None = None,
        last: dict[str, dict[str, float]] | None = None,
    ) -> None:
        self.totals = totals or {}
        self.last = last or {}

    def add(self, source: str, values: Mapping[str, float], *, resets: bool = False) -> None:
        """Add the growth of a source since it reported last; of a new one, all.

        A value that is lower than before was reset and counts from 0, with ``resets``; without, it
        is a sum of which a part is gone, and has not grown.
        """
        before = self.last.setdefault(source, {})
        for name, value in values.items():
            old = before.get(name, 0.0)
            growth = value - old if value >= old else value if resets else 0.0
            self.totals[name] = self.totals.get(name, 0.0) + growth
        before.update(values)

    def count(self, name: str, amount: float = 1.0) -> None:
        """Add to a total without a source."""
        self.totals[name] = self.totals.get(name, 0.0) + amount

    def integer(self, name: str) -> int | None:
        """Return a total as a whole number; None when nothing was reported."""
        value = self.totals.get(name)
        return None if value is None else round(value)

    def drop_sources(self, is_gone: Callable[[str], bool]) -> None:
        """Forget what sources reported that do not report any more."""
        for source in [each for each in self.last if is_gone(each)]:
            del self.last[source]
