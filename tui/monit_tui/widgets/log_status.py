"""The line above a log: whose it is, whether it follows, what is hidden."""

from typing import NamedTuple

from textual.strip import Strip

from monit_agent.client.logfilter import LogFilter, Matcher
from monit_agent.client.plain import visible
from monit_agent.client.view import Fleet, Identity
from monit_tui.format import count
from monit_tui.theme import Look, Tone
from monit_tui.widgets.lines import Lines, strip
from monit_tui.widgets.log_history import History
from monit_tui.widgets.log_view import LogView

_STATE_CELLS = 30
"""Kept free of the title, so that a long name does not push out what matters."""


class State(NamedTuple):
    """What the line says."""

    title: str = ""
    follow: bool = True
    new: int = 0
    """Rows that came since the log was held still."""
    percent: int | None = None
    """How far down the cursor is, or None while following."""
    log_filter: LogFilter = LogFilter()
    matcher: Matcher | None = None
    selected: int = 0
    loading: bool = False
    problem: str = ""


def words(state: State, look: Look) -> list[tuple[str, Tone]]:
    """Give what the line says, the most important first."""
    glyphs = look.glyphs
    said: list[tuple[str, Tone]] = [(visible(state.title), "strong")]
    if state.follow:
        said.append((f"{glyphs.online} follow", "good"))
    else:
        said.append((f"{glyphs.stopped} paused", "warn"))
    if state.new:
        said.append((f"+{count(state.new)} new", "accent"))
    if state.selected:
        said.append((f"{state.selected} selected", "accent"))
    said.extend((text, "key") for text in _hidden(state.log_filter))
    if state.matcher:
        said.append((f"/{visible(state.matcher.text)}", "key"))
    if state.loading:
        said.append((f"loading{glyphs.ellipsis}", "busy"))
    if state.percent is not None:
        said.append((f"{state.percent}%", "muted"))
    if state.problem:
        said.append((visible(state.problem), "warn"))
    return said


def _hidden(log_filter: LogFilter) -> list[str]:
    said: list[str] = []
    if log_filter.matcher:
        said.append(f"&{'!' if log_filter.without else ''}{visible(log_filter.matcher.text)}")
    if log_filter.context:
        said.append(f"-C {log_filter.context}")
    if log_filter.stream:
        said.append(f"only {log_filter.stream}")
    if log_filter.level:
        said.append(f"{log_filter.level} and worse")
    if log_filter.muted:
        names = sorted(log_filter.muted)
        first = f"{names[0].app}/{names[0].instance}"
        said.append(f"without {first if len(names) == 1 else f'{len(names)} instances'}")
    return said


def state_of(view: LogView, title: str, *, loading: bool, problem: str) -> State:
    """Give what the line says of a view."""
    window, shown = view.window, view.shown
    here, total = shown.index(window.cursor), max(1, len(shown))
    anchor = window.anchor
    return State(
        title,
        window.follow,
        window.unseen + view.book.unkept,
        None if window.follow else min(100, round(100 * (here + 1) / total)),
        shown.filter,
        view.matcher,
        0 if anchor is None else abs(shown.index(anchor) - here) + 1,
        loading,
        problem,
    )


def problem_of(fleet: Fleet, problems: dict[str, str], who: tuple[Identity, ...]) -> str:
    """Say why lines of these instances may be missing; empty when nothing is known to be
    wrong. ``problems`` are those of `History`."""
    for name in dict.fromkeys(one.app for one in who):
        app = fleet.apps.get(name)
        if app is None:
            return f"{name} is gone"
        if app.link in ("stale", "gone"):
            return app.problem or f"no agent of {name} answers"
        if name in problems:
            return problems[name]
    return ""


def why_empty(fleet: Fleet, history: History, who: tuple[Identity, ...]) -> str:
    """Say why there is no line."""
    if not who:
        return "no instance is chosen"
    problem = problem_of(fleet, history.problems, who)
    if problem or history.opening(who):
        return problem or "no lines yet"
    if len(who) == 1:
        return f"{who[0].app}/{who[0].instance} has printed nothing"
    return f"these {len(who)} instances have printed nothing"


class LogStatus(Lines):
    """One line, painted apart from the log, so that a counter costs a few bytes."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="log-status")
        self.state = State()
        self._look = look

    def say(self, state: State) -> None:
        """Say something else."""
        if state != self.state:
            self.state = state
            self.repaint()

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Give the line."""
        style = self._look.style
        parts = [(" ", style("plain"))]
        most = max(12, width - _STATE_CELLS)
        title = self.state.title
        if len(title) > most:
            title = title[: most - 1] + self._look.glyphs.ellipsis
        for text, tone in words(self.state._replace(title=title), self._look):
            parts += [(text, style(tone)), ("  ", style("plain"))]
        return [strip(parts, width)]
