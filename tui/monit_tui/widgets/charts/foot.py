"""The line below the charts: what happened at the cursor, or what the selected metric says."""

from rich.cells import cell_len
from textual.strip import Strip

from monit_agent.client.text.format import format_duration
from monit_agent.client.text.sanitize import printable
from monit_tui.model.charts.marks import event_text
from monit_tui.model.charts.time_axis import time_text
from monit_tui.text.fitting import fit_end
from monit_tui.theme import Look
from monit_tui.widgets.charts.data import ChartData
from monit_tui.widgets.charts.strips import ChartState
from monit_tui.widgets.lines import make_strip


def foot_line(
    state: ChartState, data: ChartData, look: Look, size: tuple[int, int]
) -> Strip:  # fmt: skip
    """Return what the user should know now: a moment, a problem, or the metric's meaning.

    ``size`` is the width of the line and the cells of the plot above it.
    """
    width, _ = size
    if state.cursor is not None:
        return _moment_line(state, state.cursor, (data, look), size)
    numbers = data.details(state.chosen)
    head = [(f"{numbers}  ", look.style("plain"))] if numbers else []
    room = width - 2 - sum(cell_len(each) for each, _ in head)
    text = fit_end(data.note() or state.chosen.help, room, look.glyphs.ellipsis)
    return make_strip([("  ", look.style("plain")), *head, (text, look.style("muted"))], width)


def _moment_line(
    state: ChartState, at: float, using: tuple[ChartData, Look], size: tuple[int, int]
) -> Strip:
    (data, look), (width, columns) = using, size
    parts = [
        (f"  {time_text(at, state.span_s)} ", look.style("accent")),
        (f"{format_duration(max(0.0, data.wall() - at))} ago  ", look.style("muted")),
    ]
    cell_s = (state.window.until - state.window.begin) / max(1, columns)
    near = [mark for mark in state.marks if abs(mark.event.at - at) <= cell_s]
    if not near:
        parts.append((state.keys_hint, look.style("muted")))
        return make_strip(parts, width)
    mark = max(near, key=lambda one: one.weight)
    app = str(data.key.app) if data.key else ""
    more = f"  and {len(near) - 1} more" if len(near) > 1 else ""
    parts += [
        (mark.glyph(look.glyphs) + " ", look.style(mark.tone)),
        (printable(event_text(mark.event, app)) + more, look.style("plain")),
    ]
    return make_strip(parts, width)
