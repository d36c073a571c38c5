"""What the keys of the log pane do: a function for each name in `LOG_ACTIONS`."""

import os
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from textual.actions import SkipAction
from textual.notifications import SeverityLevel

from monit_agent.client.logs.filter import EVERYTHING, LogFilter
from monit_agent.client.logs.logbook import Logbook
from monit_agent.client.logs.rows import LogGap, Row
from monit_agent.client.source import Source
from monit_agent.client.text.sanitize import escape_controls
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.quantities import moment_of
from monit_tui.keys.keymap import fill_keys, key_actions
from monit_tui.text.clipboard import copy_text
from monit_tui.widgets.log.export import rows_as_text, save_rows
from monit_tui.widgets.log.history import LogHistory
from monit_tui.widgets.log.moment import MomentSeeker
from monit_tui.widgets.log.prompt import LogPrompt
from monit_tui.widgets.log.render import JSON_FORMS, STAMPS
from monit_tui.widgets.log.searching import ErrorSeeker, FilterFiller, LogSearcher
from monit_tui.widgets.log.view import LogView


class LogControls(Protocol):
    """What the commands need from the log pane."""

    view: LogView
    book: Logbook
    history: LogHistory
    prompt: LogPrompt
    who: tuple[InstanceId, ...]
    moments: MomentSeeker
    searcher: LogSearcher
    filler: FilterFiller
    errors: ErrorSeeker
    source: Source

    @property
    def app(self) -> object:
        """The app, which has the user's keys."""
        ...

    def toggle_all(self) -> None:
        """Show all instances of the apps, or only the selected ones."""
        ...

    def close_prompt(self) -> bool:
        """Close the field; return whether it was open."""
        ...

    def write_to_terminal(self, sequence: str) -> None:
        """Write an escape sequence that monit made directly to the terminal."""
        ...

    def run_worker(self, work: Coroutine[Any, Any, None]) -> object:
        """Run something that waits."""
        ...

    def notify(
        self, message: str, *, severity: SeverityLevel = "information", markup: bool = True
    ) -> None:
        """Show a notice for some seconds."""
        ...


Command = Callable[[LogControls], None]


def run_command(pane: LogControls, name: str) -> None:
    """Run the command called ``name``."""
    COMMANDS[name](pane)


def show_notice(pane: LogControls, text: str, *, bad: bool = False) -> None:
    """Show a notice for some seconds; text from apps in it is never markup."""
    text = fill_keys(text, key_actions(pane))
    pane.notify(escape_controls(text), severity="error" if bad else "information", markup=False)


# ------------------------------------------------------------ motion


def _follow(pane: LogControls) -> None:
    if pane.view.window.follow:
        pane.view.window.pause()
    else:
        pane.view.window.follow_end()


def _mover(rows: int) -> Command:
    return lambda pane: pane.view.window.move_cursor(rows)


def _scroller(pages: float) -> Command:
    def scroll(pane: LogControls) -> None:
        pane.view.window.scroll(round(pages * max(1, pane.view.window.height)))

    return scroll


def _first(pane: LogControls) -> None:
    pane.moments.go_to_oldest()


def read_moment(text: str, now: float) -> tuple[float | None, str]:
    """Return the time that a user typed, as ``@14:03`` or ``-10m``; else None and the reason."""
    at = moment_of(text.strip().lstrip("@-"), now)
    if at is None:
        example = "14:03, 2026-11-29T14:03 or 10m (ago)"
        return None, f"{text!r} is not a time; type for example {example}"
    return (at, "") if at <= now else (None, f"{text!r} is in the future")


def go_to_moment(pane: LogControls, text: str) -> None:
    """Go to the time that a user typed."""
    at, problem = read_moment(text, pane.source.wall())
    if at is None:
        show_notice(pane, problem, bad=True)
    else:
        pane.moments.go_to(at)


def _last(pane: LogControls) -> None:
    pane.view.window.follow_end()


def _sideways(direction: int) -> Command:
    def move_sideways(pane: LogControls) -> None:
        layout = pane.view.row_layout
        if not layout.wrap:
            step = max(8, layout.room // 3)
            pane.view.set_layout(x=max(0, layout.x + direction * step))

    return move_sideways


def _next_mark(pane: LogControls) -> None:
    """Move to the next marked row; past the end, continue at the oldest one and say so."""
    view = pane.view
    total = len(view.shown)
    if not total:
        return
    here = total - 1 if view.window.follow else view.shown.index(view.window.cursor)
    for step in range(1, total + 1):
        seq = view.shown.seq((here + step) % total)
        row = view.book.merged.row(seq)
        if (row.key, row.offset) in view.marks:
            view.window.go_to(seq)
            if here + step >= total:
                show_notice(pane, "no newer mark; continued at the oldest one")
            return
    show_notice(pane, "no mark is loaded; {logs.mark} marks a line")


# ------------------------------------------------------------ what is shown


def _all(pane: LogControls) -> None:
    pane.toggle_all()


def set_filter(pane: LogControls, log_filter: LogFilter) -> None:
    """Show only rows that match a filter, and search only them."""
    pane.view.set_filter(log_filter)
    pane.filler.start()
    pane.searcher.again()


def clear_search(pane: LogControls) -> None:
    """Forget the search, and highlight nothing."""
    pane.searcher.clear()
    pane.view.set_search(None)


def _mute(pane: LogControls) -> None:
    row = pane.view.current_row()
    if row is None:
        return
    identity = row.key.identity
    log_filter = pane.view.shown.filter
    set_filter(pane, log_filter._replace(muted=log_filter.muted | {identity}))


def _unmute(pane: LogControls) -> None:
    set_filter(pane, pane.view.shown.filter._replace(muted=frozenset()))


def _wrap(pane: LogControls) -> None:
    pane.view.set_layout(wrap=not pane.view.row_layout.wrap, x=0)


def _stamps(pane: LogControls) -> None:
    now = STAMPS.index(pane.view.row_layout.stamps)
    pane.view.set_layout(stamps=STAMPS[(now + 1) % len(STAMPS)])


def _json(pane: LogControls) -> None:
    now = JSON_FORMS.index(pane.view.row_layout.json)
    pane.view.set_layout(json=JSON_FORMS[(now + 1) % len(JSON_FORMS)])


def _fold(pane: LogControls) -> None:
    pane.view.folds = not pane.view.folds
    set_filter(pane, pane.view.shown.filter)


def _mark(pane: LogControls) -> None:
    row = pane.view.current_row()
    if row is not None:
        pane.view.marks ^= {(row.key, row.offset)}


def _clear(pane: LogControls) -> None:
    pane.book.clear()
    pane.view.show_selection()


def _open(pane: LogControls) -> None:
    """Open or close the record at the cursor; load the lines of a gap."""
    row = pane.view.current_row()
    if row is None:
        return
    if not isinstance(row, LogGap):
        pane.view.window.pause()
        pane.view.opened ^= {(row.key, row.offset)}
    elif not pane.history.request_gap(row):
        show_notice(pane, "these lines are no longer in the log file; it was flushed or rotated")


def load_near(pane: LogControls, direction: int, *, was_at_top: bool) -> None:
    """Load the lines that a motion comes to: those before the first known ones, or the edge of a
    gap that is in view."""
    if not pane.view.window.follow:
        pane.book.begin_reading()  # which brings back lines that need not be fetched
    if direction < 0 and was_at_top and pane.view.window.at_top and not pane.filler.fetch_older():
        pane.history.request_older(pane.book.selected_streams)
    gap = None if pane.view.shown.filter.by_line else _gap_in_view(pane)
    if gap is not None:
        pane.history.request_edge(gap, direction)


def _gap_in_view(pane: LogControls) -> LogGap | None:
    merged = pane.book.merged
    rows = [merged.row(seq) for seq, _ in pane.view.window.rows()]
    return next((row for row in reversed(rows) if isinstance(row, LogGap)), None)


def _escape(pane: LogControls) -> None:
    view = pane.view
    if pane.close_prompt():
        return
    if view.window.anchor is not None:
        view.window.anchor = None
    elif pane.searcher.cancel():
        pass  # what was found stays until the key is pressed again
    elif view.found is not None:
        clear_search(pane)
    elif view.filtered:
        set_filter(pane, EVERYTHING)
    else:
        raise SkipAction  # the screen unzooms or goes to the list


# ------------------------------------------------------------ copy and save


def _select(pane: LogControls) -> None:
    window = pane.view.window
    window.pause()
    window.anchor = window.cursor if window.anchor is None else None


def _copy(pane: LogControls) -> None:
    rows = list(_selected(pane))
    if not rows:
        return
    text = rows_as_text(rows)
    pane.view.window.anchor = None
    _copy_text(pane, text, "1 line" if len(rows) == 1 else f"{len(rows)} lines")


def _copy_text(pane: LogControls, text: str, what: str) -> None:
    """Copy ``text`` to the clipboard, and say how ``what`` was copied."""

    async def run() -> None:
        where = await copy_text(text, os.environ, pane.write_to_terminal)
        cut = "; {logs.save} saves all" if "only the first" in where else ""
        show_notice(pane, f"copied {what} {where}{cut}")

    pane.run_worker(run())


def _selected(pane: LogControls) -> Iterable[Row]:
    view, window = pane.view, pane.view.window
    if window.anchor is None:
        if not len(view.shown):
            return []
        index = len(view.shown) - 1 if window.follow else view.shown.index(window.cursor)
        return _all_rows(view, [min(index, len(view.shown) - 1)])
    first, last = sorted((view.shown.index(window.anchor), view.shown.index(window.cursor)))
    last = min(last, len(view.shown) - 1)
    return _all_rows(view, range(first, last + 1))


def _all_rows(view: LogView, indices: Iterable[int]) -> list[Row]:
    """Return the shown rows and those for which they stand, in the order of the log."""
    seqs = {seq for index in indices for seq in view.shown.lines_of(view.shown.seq(index))}
    return [view.book.merged.row(seq) for seq in sorted(seqs)]


def _save(pane: LogControls) -> None:
    view = pane.view
    rows = _all_rows(view, range(len(view.shown)))
    apps = sorted({"-".join(filter(None, one.app_id)) for one in pane.who})
    name = f"{apps[0]}-{pane.who[0].instance}" if len(pane.who) == 1 else "-".join(apps)[:60]
    problem: OSError | None = None
    for folder in (os.getcwd(), os.path.expanduser("~")):
        try:
            path, lines = save_rows(rows, name or "logs", folder)
        except OSError as error:
            problem = problem or error
            continue
        show_notice(pane, f"saved {lines} lines to {path}")
        return
    show_notice(pane, f"not saved: {problem}", bad=True)


COMMANDS: dict[str, Command] = {
    "follow": _follow,
    "search": lambda pane: pane.prompt.ask("search"),
    "filter": lambda pane: pane.prompt.ask("filter"),
    "moment": lambda pane: pane.prompt.ask("moment"),
    "older_match": lambda pane: pane.searcher.seek(-1),
    "newer_match": lambda pane: pane.searcher.seek(1),
    "older_error": lambda pane: pane.errors.seek(-1),
    "newer_error": lambda pane: pane.errors.seek(1),
    "all": _all,
    "mute": _mute,
    "unmute": _unmute,
    "wrap": _wrap,
    "stamps": _stamps,
    "json": _json,
    "mark": _mark,
    "next_mark": _next_mark,
    "select": _select,
    "copy": _copy,
    "save": _save,
    "clear": _clear,
    "open": _open,
    "fold": _fold,
    "up": _mover(-1),
    "down": _mover(1),
    "half_up": _scroller(-0.5),
    "half_down": _scroller(0.5),
    "page_up": _scroller(-1),
    "page_down": _scroller(1),
    "first": _first,
    "last": _last,
    "left": _sideways(-1),
    "right": _sideways(1),
    "escape": _escape,
}
