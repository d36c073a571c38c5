"""The line above a log: its instances, whether it follows, and what is hidden."""

from typing import NamedTuple

from rich.cells import cell_len
from textual.strip import Strip

from monit_agent.client.logs.error_rate import ErrorRate
from monit_agent.client.logs.filter import LogFilter
from monit_agent.client.text.format import format_count
from monit_agent.client.text.sanitize import escape_controls
from monit_agent.client.view import Fleet
from monit_agent.wire.ids import AppId, InstanceId
from monit_tui.palettes import Tone
from monit_tui.text.fitting import fit_middle
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip
from monit_tui.widgets.log.history import LogHistory
from monit_tui.widgets.log.searching import SearchState
from monit_tui.widgets.log.view import LogView

_TITLE_LEAST = 12
"""Fewest cells of the title: a long name loses its middle, so that the state fits."""


class LogState(NamedTuple):
    """What the line shows."""

    title: str = ""
    follow: bool = True
    new: int = 0
    """Rows that were added since the log was paused."""
    percent: int | None = None
    """Position of the cursor from the top, or None while following."""
    log_filter: LogFilter = LogFilter()
    search: SearchState = SearchState()
    selected: int = 0
    errors: tuple[int, ...] = ()
    """Errors of the last minutes, the present one last; () when they are not counted."""
    errors_cut: bool = False
    loading: bool = False
    problem: str = ""


def status_parts(state: LogState, look: Look) -> list[tuple[str, Tone]]:
    """Return the parts of the line, the most important first."""
    glyphs = look.glyphs
    parts: list[tuple[str, Tone]] = [(escape_controls(state.title), "strong")]
    if state.follow:
        parts.append((f"{glyphs.online} follow", "good"))
    else:
        parts.append((f"{glyphs.stopped} paused", "warn"))
    if state.new:
        parts.append((f"+{format_count(state.new)} new", "accent"))
    if state.selected:
        parts.append((f"{state.selected} selected", "accent"))
    parts.extend((text, "key") for text in _hidden(state.log_filter))
    parts += _search_parts(state.search, look)
    if state.loading:
        parts.append((f"loading{glyphs.ellipsis}", "busy"))
    if state.percent is not None:
        parts.append((f"{state.percent}%", "muted"))
    if state.problem:
        parts.append((escape_controls(state.problem), "warn"))
    return parts


def _search_parts(search: SearchState, look: Look) -> list[tuple[str, Tone]]:
    if search.matcher is None:
        return []
    parts: list[tuple[str, Tone]] = [(f"/{escape_controls(search.matcher.text)}", "key")]
    place = look.glyphs.dot if search.rank is None else f"{search.rank:,}"
    more = "+" if search.percent is not None or search.cut else ""
    if search.matches:
        parts.append((f"{place}/{search.matches:,}{more}", "plain"))
    elif search.percent is None:
        parts.append(("no match", "warn"))
    if search.percent is not None:
        parts.append((f"searched {search.percent}%", "busy"))
    elif search.problem:
        parts.append((escape_controls(search.problem), "warn"))
    return parts


def error_parts(state: LogState, look: Look) -> list[tuple[str, Tone]]:
    """Return what the right end of the line says of the last minutes; [] without an error."""
    total, most = sum(state.errors), max(state.errors, default=0)
    if not total:
        return []
    blocks = look.glyphs.blocks
    steps = len(blocks) - 1
    bars = "".join(blocks[-(-count * steps // most)] for count in state.errors)
    more = "+" if state.errors_cut else ""
    words = "error" if total == 1 else "errors"
    return [(f"{total:,}{more} {words} in {len(state.errors)} min ", "muted"), (bars, "bad")]


def _hidden(log_filter: LogFilter) -> list[str]:
    parts: list[str] = []
    if log_filter.matcher:
        parts.append(
            f"&{'!' if log_filter.without else ''}{escape_controls(log_filter.matcher.text)}"
        )
    if log_filter.context:
        parts.append(f"-C {log_filter.context}")
    if log_filter.stream:
        parts.append(f"only {log_filter.stream}")
    if log_filter.level:
        parts.append(f"{log_filter.level} and worse")
    if log_filter.muted:
        names = sorted(log_filter.muted)
        first = str(names[0])
        parts.append(f"hidden: {first if len(names) == 1 else f'{len(names)} instances'}")
    return parts


def state_of(
    view: LogView,
    search: SearchState,
    rate: ErrorRate,
    title: str,
    *,
    loading: bool,
    problem: str,
) -> LogState:
    """Return what the line shows for a view."""
    window, shown = view.window, view.shown
    here, total = shown.index(window.cursor), max(1, len(shown))
    anchor = window.anchor
    return LogState(
        title,
        window.follow,
        window.unseen + view.book.missed_rows,
        None if window.follow else min(100, round(100 * (here + 1) / total)),
        shown.filter,
        search,
        0 if anchor is None else abs(shown.index(anchor) - here) + 1,
        tuple(rate.per_minute()),
        rate.is_cut,
        loading,
        problem,
    )


def problem_of(fleet: Fleet, problems: dict[AppId, str], who: tuple[InstanceId, ...]) -> str:
    """Return why lines of these instances may be missing; "" without a problem. ``problems`` are
    those of `LogHistory`."""
    for name in dict.fromkeys(one.app_id for one in who):
        app = fleet.apps.get(name)
        if app is None:
            return f"{name} no longer exists"
        if app.link in ("stale", "gone"):
            return app.problem or f"the agent of {name} does not answer"
        if name in problems:
            return problems[name]
    return ""


def why_empty(fleet: Fleet, history: LogHistory, who: tuple[InstanceId, ...]) -> str:
    """Return why there are no lines."""
    if not who:
        return "no instance selected"
    problem = problem_of(fleet, history.problems, who)
    if problem or history.is_opening(who):
        return problem or "no lines yet"
    if len(who) == 1:
        return f"{who[0]} has printed nothing"
    return f"these {len(who)} instances have printed nothing"


class LogStatus(Lines):
    """One line, painted separately from the log, so that a counter costs a few bytes."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="log-status")
        self.state = LogState()
        self._look = look

    def show_state(self, state: LogState) -> None:
        """Show another state."""
        if state != self.state:
            self.state = state
            self.repaint()

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Return the line."""
        style = self._look.style
        parts = [(" ", style("plain"))]
        (title, strong), *rest = status_parts(self.state, self._look)
        most = max(_TITLE_LEAST, width - 1 - sum(cell_len(text) + 2 for text, _ in rest) - 1)
        title = fit_middle(title, min(most, cell_len(title)), self._look.glyphs.ellipsis)
        parts += [(title, style(strong)), ("  ", style("plain"))]
        for text, tone in rest:
            parts += [(text, style(tone)), ("  ", style("plain"))]
        used = sum(cell_len(text) for text, _ in parts)
        right = error_parts(self.state, self._look)
        room = width - used - sum(cell_len(text) for text, _ in right) - 1
        if right and room >= 0:
            parts += [(" " * room, style("plain")), *((text, style(tone)) for text, tone in right)]
        return [make_strip(parts, width)]
