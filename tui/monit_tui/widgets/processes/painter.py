"""Draws the rows of the process list, and the second lines of those in trouble."""

from collections.abc import Callable, Iterable

from textual.strip import Strip

from monit_agent.client.view import Fleet
from monit_tui.clock import Clock
from monit_tui.cpu_past import CpuPast
from monit_tui.last_errors import LastErrors
from monit_tui.model.charts.spark import HIGH_PERCENT, STEPS, cpu_steps
from monit_tui.model.processes.condition import EXPLAINED
from monit_tui.model.processes.reasons import reason_text
from monit_tui.model.processes.rows import RowFacts, RowKey, instances_of
from monit_tui.text.fitting import different_names, fit_end
from monit_tui.theme import Look, Tone
from monit_tui.widgets.charts.plot import draw_bars
from monit_tui.widgets.lines import make_strip
from monit_tui.widgets.processes import columns

PAST_OF = 32
"""Of rows of more instances the past is not fetched: it would be many requests for one plot."""


class RowPainter:
    """Remembers the reasons of rows while one frame is drawn."""

    def __init__(
        self, fleet: Fleet, look: Look, clock: Clock, *, errors: LastErrors,
        past: CpuPast, with_keys: Callable[[str], str],
    ) -> None:  # fmt: skip
        self._fleet, self._look, self._clock, self._errors = fleet, look, clock, errors
        self._past, self._with_keys = past, with_keys
        self._reasons: dict[RowKey, str] = {}

    def forget_reasons(self) -> None:
        """Find out the reasons again: another frame is drawn."""
        self._reasons.clear()

    def lines_of(self, key: RowKey) -> int:
        """Return how many lines a row has."""
        return 2 if self._reason(key) else 1

    def lines_needed(self, keys: Iterable[RowKey], most: int) -> int | None:
        """Return how many lines these rows have; None for more than ``most``."""
        lines = 0
        for key in keys:
            lines += self.lines_of(key)
            if lines > most:
                return None
        return lines

    def row_line(
        self, key: RowKey, row: RowFacts, mark_and_name: tuple[str, str],
        plan: columns.TableLayout, width: int,
    ) -> Strip:  # fmt: skip
        """Return the first line of a row."""
        note = "" if self._reason(key) else row.note
        texts = columns.RowTexts(*mark_and_name, self._trend(key, plan), note)
        return make_strip(columns.row_parts(row, plan, self._look, texts), width)

    def reason_line(self, key: RowKey, row: RowFacts, width: int) -> Strip:
        """Return the second line of a row."""
        tone: Tone = "warn" if row.condition.severity >= EXPLAINED else "muted"
        parts = columns.reason_parts(
            self._with_keys(self._reason(key)), row.depth, tone, self._look, width
        )
        return make_strip(parts, width)

    def _trend(self, key: RowKey, plan: columns.TableLayout) -> str:
        if key.pid is not None or all(each.name != columns.TREND for each in plan.columns):
            return ""
        found = [self._fleet.instance(one) for one in instances_of(self._fleet, key)]
        views = [view for view in found if view is not None]
        if len(views) <= PAST_OF:
            self._past.request(views)
        steps = cpu_steps(views, self._clock.wall(), self._past.steps)
        return draw_bars(steps, STEPS, HIGH_PERCENT, self._look.glyphs)

    def _reason(self, key: RowKey) -> str:
        if key not in self._reasons:
            now, errors = self._clock.now(), self._errors.text
            self._reasons[key] = reason_text(self._fleet, key, now, errors)
        return self._reasons[key]


def fitted_names(
    facts: dict[RowKey, RowFacts], names: dict[RowKey, str], plan: columns.TableLayout, look: Look
) -> dict[RowKey, str]:
    """Return the names as they are shown: names of apps that look alike show where they differ."""
    ellipsis = look.glyphs.ellipsis
    tops = {key for key, row in facts.items() if not row.depth and not row.stateless}
    apps = different_names((names[key] for key in tops), plan.name, ellipsis)
    return {
        key: apps[name] if key in tops
        else fit_end(name, columns.name_room(facts[key], plan)[1], ellipsis)
        for key, name in names.items()
    }  # fmt: skip
