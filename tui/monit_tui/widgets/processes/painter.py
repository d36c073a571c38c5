"""The parts of the rows of the process list, and of the second lines of those in trouble. Pure but
for what is requested."""

from collections.abc import Callable, Iterable, Mapping

from monit_agent.client.view import Fleet, InstanceView
from monit_agent.wire.ids import InstanceId
from monit_tui.clock import Clock
from monit_tui.model.charts.spark import HIGH_PERCENT, STEPS, cpu_steps
from monit_tui.model.processes.condition import EXPLAINED
from monit_tui.model.processes.reasons import reason_text
from monit_tui.model.processes.rows import RowFacts, RowKey, instances_of
from monit_tui.palettes import Glyphs, Tone, ToneParts
from monit_tui.text.fitting import different_names, fit_end
from monit_tui.widgets.charts.plot import draw_bars
from monit_tui.widgets.processes import columns

PAST_OF = 32
"""Of rows of more instances the past is not fetched: it would be many requests for one plot."""


class RowPainter:
    """Remembers the reasons of rows while one frame is drawn."""

    def __init__(
        self, fleet: Fleet, glyphs: Glyphs, clock: Clock, with_keys: Callable[[str], str], *,
        error_of: Callable[[InstanceId], str] = lambda _: "",
        past: Callable[[InstanceId], Mapping[int, float]] = lambda _: {},
        request_past: Callable[[list[InstanceView]], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """``error_of`` returns the line in which the last worker named its error, ``past`` the CPU
        before the first sample, as for `cpu_steps`."""
        self._fleet, self._glyphs, self._clock, self._with_keys = fleet, glyphs, clock, with_keys
        self._error_of, self._past, self._request_past = error_of, past, request_past
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
        plan: columns.TableLayout,
    ) -> ToneParts:  # fmt: skip
        """Return the first line of a row."""
        note = "" if self._reason(key) else row.note
        texts = columns.RowTexts(*mark_and_name, self._trend(key, plan), note)
        return columns.row_parts(row, plan, self._glyphs, texts)

    def reason_line(self, key: RowKey, row: RowFacts, width: int) -> ToneParts:
        """Return the second line of a row."""
        tone: Tone = "reason" if row.condition.severity >= EXPLAINED else "muted"
        text = self._with_keys(self._reason(key))
        return columns.reason_parts(text, row.depth, tone, self._glyphs, width)

    def _trend(self, key: RowKey, plan: columns.TableLayout) -> str:
        if key.pid is not None or all(each.name != columns.TREND for each in plan.columns):
            return ""
        found = [self._fleet.instance(one) for one in instances_of(self._fleet, key)]
        views = [view for view in found if view is not None]
        if len(views) <= PAST_OF:
            self._request_past(views)
        steps = cpu_steps(views, self._clock.wall(), self._past)
        return draw_bars(steps, STEPS, HIGH_PERCENT, self._glyphs)

    def _reason(self, key: RowKey) -> str:
        if key not in self._reasons:
            now = self._clock.now()
            self._reasons[key] = reason_text(self._fleet, key, now, self._error_of)
        return self._reasons[key]


def fitted_names(
    facts: dict[RowKey, RowFacts],
    names: dict[RowKey, str],
    plan: columns.TableLayout,
    glyphs: Glyphs,
) -> dict[RowKey, str]:
    """Return the names as they are shown: names of apps that look alike show where they differ."""
    ellipsis = glyphs.ellipsis
    tops = {key for key, row in facts.items() if not row.depth and not row.stateless}
    apps = different_names((names[key] for key in tops), plan.name, ellipsis)
    return {
        key: apps[name] if key in tops
        else fit_end(name, columns.name_room(facts[key], plan)[1], ellipsis)
        for key, name in names.items()
    }  # fmt: skip
