"""What the keys of the log pane do: one small function each, by the name in `LOG_ACTIONS`."""

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from textual.actions import SkipAction

from monit_agent.client.levels import level_of
from monit_agent.client.logfilter import EVERYTHING
from monit_agent.client.logrows import LogGap, LogLine, Row
from monit_agent.client.plain import visible
from monit_tui.format import count
from monit_tui.text.clipboard import osc52
from monit_tui.widgets.log_export import as_text, save
from monit_tui.widgets.log_render import STAMPS

if TYPE_CHECKING:
    from monit_tui.widgets.log_pane import LogPane

Command = Callable[["LogPane"], None]


def run(pane: "LogPane", name: str) -> None:
    """Do what the key called ``name`` stands for."""
    COMMANDS[name](pane)


def tell(pane: "LogPane", text: str, *, bad: bool = False) -> None:
    """Say something to the reader; what comes from apps in it is only text."""
    pane.notify(visible(text), severity="error" if bad else "information", markup=False)


# ------------------------------------------------------------ motion


def _follow(pane: "LogPane") -> None:
    if pane.view.window.follow:
        pane.view.window.pause()
    else:
        pane.view.window.end()


def _mover(rows: int) -> Command:
    return lambda pane: pane.view.window.move(rows)


def _scroller(pages: float) -> Command:
    def scroll(pane: "LogPane") -> None:
        pane.view.window.scroll(round(pages * max(1, pane.view.window.height)))

    return scroll


def _first(pane: "LogPane") -> None:
    shown = pane.view.shown
    if len(shown):
        pane.view.window.go(shown.seq(0))


def _last(pane: "LogPane") -> None:
    pane.view.window.end()


def _sideways(direction: int) -> Command:
    def move(pane: "LogPane") -> None:
        layout = pane.view.layout_now
        if not layout.wrap:
            step = max(8, layout.room // 3)
            pane.view.dress(x=max(0, layout.x + direction * step))

    return move


def _seek(pane: "LogPane", direction: int, wanted: Callable[[Row], bool], what: str) -> None:
    """Go to the next row that is wanted, from the other end when there is none this way."""
    view = pane.view
    total = len(view.shown)
    if not total:
        return
    following = view.window.follow
    here = total - 1 if following else view.shown.index(view.window.cursor)
    # who follows and looks for the previous one means the last of all
    first = 0 if following and direction < 0 else 1
    for step in range(first, total + 1):
        seq = view.shown.seq((here + direction * step) % total)
        if wanted(view.book.merged.row(seq)):
            view.window.go(seq)
            return
    tell(pane, f"no {what} in the {count(total)} lines here; g at the top fetches older ones")


def _is_match(pane: "LogPane") -> Callable[[Row], bool]:
    matcher = pane.view.matcher

    def wanted(row: Row) -> bool:
        return isinstance(row, LogLine) and matcher is not None and matcher.matches(row.raw)

    return wanted


def _is_error(row: Row) -> bool:
    return isinstance(row, LogLine) and level_of(row.raw) == "error"


def seek_match(pane: "LogPane", direction: int) -> None:
    """Go to the next (1) or previous (-1) match of the search."""
    matcher = pane.view.matcher
    if matcher is None:
        tell(pane, "nothing is searched for; / begins a search")
    else:
        _seek(pane, direction, _is_match(pane), f"match of {matcher.text!r}")


def _error(direction: int) -> Command:
    return lambda pane: _seek(pane, direction, _is_error, "error")


def _next_mark(pane: "LogPane") -> None:
    marks = pane.view.marks
    _seek(pane, 1, lambda row: (row.key, row.offset) in marks, "mark")


# ------------------------------------------------------------ what is shown


def _all(pane: "LogPane") -> None:
    pane.toggle_all()


def _mute(pane: "LogPane") -> None:
    row = pane.view.row_here()
    if row is None:
        return
    identity = row.key.identity
    log_filter = pane.view.shown.filter
    pane.view.sift(log_filter._replace(muted=log_filter.muted | {identity}))


def _unmute(pane: "LogPane") -> None:
    pane.view.sift(pane.view.shown.filter._replace(muted=frozenset()))


def _wrap(pane: "LogPane") -> None:
    pane.view.dress(wrap=not pane.view.layout_now.wrap, x=0)


def _stamps(pane: "LogPane") -> None:
    now = STAMPS.index(pane.view.layout_now.stamps)
    pane.view.dress(stamps=STAMPS[(now + 1) % len(STAMPS)])


def _json(pane: "LogPane") -> None:
    pane.view.dress(pretty=not pane.view.layout_now.pretty)


def _mark(pane: "LogPane") -> None:
    row = pane.view.row_here()
    if row is not None:
        pane.view.marks ^= {(row.key, row.offset)}


def _clear(pane: "LogPane") -> None:
    pane.book.clear()
    pane.view.begin()


def _fetch(pane: "LogPane") -> None:
    row = pane.view.row_here()
    gap = row if isinstance(row, LogGap) else _gap_in_view(pane)
    if gap is None:
        return
    if not pane.history.fill(gap):
        tell(pane, "these bytes have left the file (flush, or a new file); nothing can be fetched")


def _gap_in_view(pane: "LogPane") -> LogGap | None:
    merged = pane.book.merged
    rows = [merged.row(seq) for seq, _ in pane.view.window.rows()]
    return next((row for row in reversed(rows) if isinstance(row, LogGap)), None)


def _escape(pane: "LogPane") -> None:
    view = pane.view
    if view.window.anchor is not None:
        view.window.anchor = None
    elif view.matcher is not None:
        view.look_for(None)
    elif view.filtered:
        view.sift(EVERYTHING)
    else:
        raise SkipAction  # not ours: the screen leaves zoom or goes back


# ------------------------------------------------------------ out of the screen


def _select(pane: "LogPane") -> None:
    window = pane.view.window
    window.pause()
    window.anchor = window.cursor if window.anchor is None else None


def _copy(pane: "LogPane") -> None:
    rows = list(_selected(pane))
    if not rows:
        return
    text = as_text(rows)
    copied = osc52(text, os.environ)
    pane.write_to_terminal(copied.sequence)
    pane.view.window.anchor = None
    lines = "1 line" if len(rows) == 1 else f"{len(rows)} lines"
    cut = ""
    if copied.characters < len(text):
        cut = (
            f"; only the first {copied.characters} of {len(text)} characters fit, ctrl+s saves all"
        )
    tell(pane, f"copied {lines} through {copied.through} (OSC 52){cut}")


def _selected(pane: "LogPane") -> Iterable[Row]:
    view, window = pane.view, pane.view.window
    if window.anchor is None:
        row = pane.view.row_here()
        return [] if row is None else [row]
    first, last = sorted((view.shown.index(window.anchor), view.shown.index(window.cursor)))
    last = min(last, len(view.shown) - 1)
    return [view.book.merged.row(view.shown.seq(index)) for index in range(first, last + 1)]


def _save(pane: "LogPane") -> None:
    view = pane.view
    rows = (view.book.merged.row(view.shown.seq(index)) for index in range(len(view.shown)))
    apps = sorted({one.app for one in pane.who})
    name = f"{apps[0]}-{pane.who[0].instance}" if len(pane.who) == 1 else "-".join(apps)[:60]
    problem: OSError | None = None
    for folder in (os.getcwd(), os.path.expanduser("~")):
        try:
            path, lines = save(rows, name or "logs", folder)
        except OSError as error:
            problem = problem or error
            continue
        tell(pane, f"saved {lines} lines to {path}")
        return
    tell(pane, f"not saved: {problem}", bad=True)


COMMANDS: dict[str, Command] = {
    "follow": _follow,
    "search": lambda pane: pane.ask("search"),
    "filter": lambda pane: pane.ask("filter"),
    "next": lambda pane: seek_match(pane, 1),
    "previous": lambda pane: seek_match(pane, -1),
    "next_error": _error(1),
    "previous_error": _error(-1),
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
    "fetch": _fetch,
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
