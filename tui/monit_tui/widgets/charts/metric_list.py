"""The list of metrics beside the charts: name, newest value, and a small plot. Pure."""

from collections.abc import Sequence

from rich.cells import set_cell_size
from rich.style import Style
from textual.strip import Strip

from monit_agent.client.text.format import UNKNOWN
from monit_agent.client.text.sanitize import printable
from monit_tui.model.charts.series import ChartKind
from monit_tui.text.fitting import fit_end
from monit_tui.theme import Look
from monit_tui.widgets.charts import plot
from monit_tui.widgets.charts.strips import ChartState
from monit_tui.widgets.lines import make_strip

LABEL, VALUE = 11, 6
NARROWEST = 2 + LABEL + 1 + VALUE
"""Cells of mark, name and value."""

SPARK_LEAST = 5
"""Fewest cells of a useful small plot."""

BESIDE = 52
"""Cells of a pane from which the list stands beside the charts."""


def list_width(width: int) -> int:
    """Return the cells of the list in a pane: none in a narrow one."""
    if width < BESIDE:
        return 0
    return NARROWEST if width < 90 else NARROWEST + min(20, (width - 60) // 4)


def list_lines(
    kinds: Sequence[ChartKind], chosen: ChartKind, state: ChartState, look: Look,
    size: tuple[int, int],
) -> list[Strip]:  # fmt: skip
    """Return lines of ``size``, the selected metric among them."""
    width, height = size
    first = first_shown(kinds.index(chosen), len(kinds), height)
    lines: list[Strip] = []
    for kind in kinds[first : first + height]:
        last = len(lines) == height - 1 and first + height < len(kinds)
        if last and height > 2:
            text = f"  {len(kinds) - first - height + 1} more"
            lines.append(make_strip([(text, look.style("muted"))], width))
            continue
        mark = look.glyphs.folded if kind is chosen else " "
        parts = [
            (f"{mark} ", look.style("accent")),
            (set_cell_size(printable(kind.label), LABEL) + " ",
             look.style("strong" if kind is chosen else "plain")),
        ]  # fmt: skip
        value = state.now(kind)
        parts.append((
            fit_end(value, VALUE, look.glyphs.ellipsis) if kind.own and kind.own.kind == "text"
            else f"{value:>{VALUE}}",
            look.style("muted" if value == UNKNOWN else "plain"),
        ))  # fmt: skip
        spark = width - NARROWEST - 1
        if spark >= SPARK_LEAST:
            parts += [(" ", Style()), _spark(kind, state, spark, look)]
        lines.append(make_strip(parts, width))
    return lines


def first_shown(place: int, count: int, height: int) -> int:
    """Return the first line of a list that is too long, so that the selected one is in view."""
    return max(0, min(place - height // 2, count - height))


def _spark(kind: ChartKind, state: ChartState, width: int, look: Look) -> tuple[str, Style]:
    values = [step and step.high for step in state.steps(kind)]
    high = max(kind.least, plot.round_up(values))
    style = look.style("curve" if kind is state.chosen else "band")
    return plot.draw_bars(values, width, high, look.glyphs), style
