"""Metrics of the row under the cursor: a line for each, and a plot of the chosen one."""

from collections.abc import Callable
from typing import ClassVar

from rich.cells import set_cell_size
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip

from monit_agent.client.fold import merge_history
from monit_agent.client.source import Source
from monit_agent.client.view import Identity, InstanceView
from monit_agent.wire.messages import Answer, MetricsPart, MetricsRange
from monit_tui.bindings import bindings
from monit_tui.format import UNKNOWN, printable
from monit_tui.own import details, said_text
from monit_tui.rows import RowKey, identities
from monit_tui.series import DETAILS, KINDS, SPANS, Kind, Series, current, kinds_of, listed, probed
from monit_tui.theme import Look
from monit_tui.widgets import plot
from monit_tui.widgets.lines import Lines, strip

STEPS = 60
"""Steps of a plot: at 5 minutes the picture moves once in 5 s, which is cheap over ssh."""
MANY_STEPS = 240
"""Steps of a plot that has a wide pane to itself."""

ASK_AT_MOST = 8
"""Instances of one app whose past is asked for: an hour of samples takes 300 kB each."""

LABEL, VALUE, AXIS = 11, 6, 7

PLOT_LEAST = 5
"""Lines below which a plot says little."""

COLUMN_LEAST = 26
"""Cells of a metric with a sparkline that says something."""

NOT_RUNNING = "not running; what is drawn was before"
NO_PROBE = "heap, loop lag: no probe reports from inside this worker"


class MetricsPane(Lines, can_focus=True):
    """Follows the cursor; `Spanned` tells which time is shown."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("metrics")

    class Spanned(Message):
        """Another time span is shown."""

    def __init__(self, source: Source, look: Look) -> None:
        super().__init__(id="metrics")
        self._source, self._look = source, look
        self.span = SPANS.index(300)
        self._key: RowKey | None = None
        self._chosen = "cpu"
        self._series: Series | None = None
        self._asked: set[tuple[Identity, int]] = set()

    @property
    def seconds(self) -> int:
        """Give how many seconds the plots show."""
        return SPANS[self.span]

    def show(self, key: RowKey | None) -> None:
        """Show another row, or the same one anew."""
        self._key = key
        self._ask_for_the_past()
        self._count_anew()
        self.repaint()

    def sampled(self) -> None:
        """Take in what came since."""
        views = self._views()
        if self._series is None or self._series.kinds != kinds_of(views):
            self._count_anew()
        else:
            self._series.take()
        self.repaint()

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Give a line per metric, then help and plot of the chosen one as far as they fit.

        Where that would leave no room for the plot, the metrics stand in two columns.
        """
        views, series = self._views(), self._series
        if not views or series is None or width < 8:
            return []
        kinds = listed(series.kinds, views)
        chosen = self._chosen_of(kinds)
        tight = height < len(kinds) + PLOT_LEAST + 2
        columns = 2 if tight and width >= 2 * COLUMN_LEAST else 1
        lines = self._lines(kinds, chosen, series, columns, width)
        absent = self._absent(views)
        if absent:
            lines.append(strip([(f"  {absent}", self._look.style("muted"))], width))
        fits = max(height - PLOT_LEAST - 1, (height + 1) // 2) if height > PLOT_LEAST else height
        hidden = len(lines) > fits
        if hidden:
            row = kinds.index(chosen) % -(-len(kinds) // columns)
            first = max(0, min(row - fits // 2, len(lines) - fits))
            lines = lines[first : first + fits]
        if len(lines) < height:
            place = f"{kinds.index(chosen) + 1}/{len(kinds)}  " if hidden else ""
            lines.append(self._help(chosen, views, place, width))
        room = height - len(lines)
        if room < 2 or (chosen.own is not None and chosen.own.kind == "text"):
            return lines
        return lines + self._plot(chosen, series, width, room)

    # ------------------------------------------------------------ parts

    def _lines(
        self, kinds: tuple[Kind, ...], chosen: Kind, series: Series, columns: int, width: int
    ) -> list[Strip]:
        one = width // columns
        longest = max(len(kind.label) for kind in kinds) + 1
        label = max(LABEL, min(longest, one // 3))
        cells = [self._line(kind, kind is chosen, series, (one, label)) for kind in kinds]
        rows = -(-len(cells) // columns)
        cells += [strip([], one)] * (rows * columns - len(cells))
        return [Strip.join(cells[row::rows]) for row in range(rows)]

    def _line(self, kind: Kind, chosen: bool, series: Series, size: tuple[int, int]) -> Strip:
        look, (width, room) = self._look, size
        mark = look.glyphs.folded if chosen else " "
        label = set_cell_size(printable(kind.label), room - 1) + " "
        parts = [
            (f"{mark} ", look.style("accent")),
            (label, look.style("strong" if chosen else "plain")),
        ]
        said = said_text(kind.own, self._views()) if kind.own else None
        if said is not None:
            said = set_cell_size(said, max(0, width - room - 4))
            return strip([*parts, (said, look.style("plain"))], width)
        values = series.values(kind)
        value = kind.text(current(kind, self._views()))
        spark = width - room - VALUE - 4
        parts.append((f"{value:>{VALUE}} ", look.style("muted" if value == UNKNOWN else "plain")))
        if spark > 4:
            high = max(kind.least, plot.ceiling(values))
            parts.append((plot.bars(values, spark, high, look.glyphs), look.style("key")))
        return strip(parts, width)

    def _absent(self, views: list[InstanceView]) -> str:
        """Say why numbers are missing."""
        if all(view.record.pid is None for view in views):
            return NOT_RUNNING
        return "" if probed(views) else NO_PROBE

    def _help(self, kind: Kind, views: list[InstanceView], place: str, width: int) -> Strip:
        style = self._look.style
        kinds = {one.name: one for one in KINDS}
        numbers = (
            details(kind.own, views)
            if kind.own
            else " ".join(
                f"{word} {kinds[name].text(current(kinds[name], views))}"
                for word, name in DETAILS.get(kind.name, ())
            )
        )
        head = [(f"  {numbers}", style("plain"))] if numbers else []
        return strip([*head, (f"  {place}{kind.help}", style("muted"))], width)

    def _plot(self, kind: Kind, series: Series, width: int, height: int) -> list[Strip]:
        look = self._look
        values = series.values(kind)
        behind = next((series.values(one) for one in series.kinds if one.name == kind.behind), None)
        whole = [*values, *(behind or [])]
        high = max(kind.least, plot.ceiling(whole, binary=kind.text(2048.0) == "2K"))
        area = (width - AXIS - 3, height)
        labels = {0: kind.text(high), height - 1: "0"}
        return [
            strip(
                [(f"{labels.get(y, ''):>{AXIS}} {look.glyphs.bar}", look.style("muted"))]
                + [(text, look.style(tone)) for text, tone in row],
                width,
            )
            for y, row in enumerate(plot.area(values, behind, area, high, look.glyphs))
        ]

    def _chosen_of(self, kinds: tuple[Kind, ...]) -> Kind:
        return next((kind for kind in kinds if kind.name == self._chosen), kinds[0])

    def _views(self) -> list[InstanceView]:
        if self._key is None:
            return []
        fleet = self._source.fleet
        found = [fleet.instance(one) for one in identities(fleet, self._key)]
        return [view for view in found if view is not None]

    def _count_anew(self) -> None:
        views = self._views()
        wide = self.size.width - AXIS - 3 >= MANY_STEPS // 2 and self.seconds >= MANY_STEPS
        steps = MANY_STEPS if wide else STEPS
        self._series = Series(views, kinds_of(views), self.seconds / steps, steps)

    def _ask_for_the_past(self) -> None:
        for view in self._views()[:ASK_AT_MOST]:
            wanted = (view.identity, self.seconds)
            enough = len(view.history) >= self.seconds
            if enough or wanted in self._asked or view.record.pid is None:
                continue
            self._asked.add(wanted)
            request = MetricsRange(instance=view.identity.instance, seconds=self.seconds)
            self._source.ask(view.identity.app, request, self._remember(view))

    def _remember(self, view: InstanceView) -> Callable[[Answer], None]:
        def then(answer: Answer) -> None:
            if isinstance(answer, MetricsPart):  # a refusal leaves a short history
                merge_history(view, answer)
                self._count_anew()
                self.repaint()

        return then

    # ------------------------------------------------------------ keys

    def action_span(self, step: int) -> None:
        """Show a longer or a shorter time; 0 is the usual one."""
        usual = SPANS.index(300)
        self.span = max(0, min(len(SPANS) - 1, self.span + step)) if step else usual
        self.show(self._key)
        self.post_message(self.Spanned())

    def action_choose(self, step: int) -> None:
        """Plot the next or the previous metric."""
        if self._series is None:
            return
        names = [kind.name for kind in listed(self._series.kinds, self._views())]
        if names:
            place = names.index(self._chosen) if self._chosen in names else 0
            self._chosen = names[(place + step) % len(names)]
            self.repaint()

    def on_resize(self) -> None:
        """Choose steps for the new width; Textual calls the base's handler after this one."""
        self._count_anew()
