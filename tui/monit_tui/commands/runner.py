"""Carries typed commands out: a function for each name in `COMMANDS`."""

from collections.abc import Callable, Mapping, Sequence

from monit_agent.wire.quantities import seconds_of
from monit_tui.commands.reading import BadCommandError, TypedCommand, choose
from monit_tui.commands.rows import row_names, rows_of, target_names
from monit_tui.commands.table import ValueKind
from monit_tui.model.charts.series import SPANS
from monit_tui.model.confirmation import ASKED, Verb
from monit_tui.model.layout import PaneName
from monit_tui.model.processes.rows import SORT_COLUMNS, RowKey, SortColumn, nearest_row
from monit_tui.screens.overview import OverviewScreen
from monit_tui.widgets.log.commands import read_moment
from monit_tui.widgets.processes.columns import COLUMN_NAMES

SPAN_WORDS = ("1m", "5m", "15m", "1h", "6h", "24h", "7d", "30d")
"""`SPANS` as they are typed."""

Run = Callable[[OverviewScreen, TypedCommand], None]


def run_command(screen: OverviewScreen, typed: TypedCommand) -> None:
    """Carry a command out; raise `BadCommandError` when it cannot be done."""
    RUN[typed.command.name](screen, typed)


def values_of(screen: OverviewScreen, kind: ValueKind) -> Sequence[str]:
    """Return what may stand for a word of a command."""
    fleet = screen.source.fleet
    if kind == "column":
        return (*COLUMN_NAMES, *(f"-{name}" for name in COLUMN_NAMES),
                *(f"+{name}" for name in COLUMN_NAMES), "all")  # fmt: skip
    lists: dict[ValueKind, Callable[[], Sequence[str]]] = {
        "row": lambda: row_names(fleet),
        "target": lambda: target_names(fleet),
        "app": lambda: [str(app) for app in sorted(fleet.apps)],
        "sort": lambda: list(SORT_COLUMNS),
        "reverse": lambda: ["reverse"],
        "metric": screen.details.metrics.names,
        "span": lambda: SPAN_WORDS,
        "asked": lambda: ASKED,
        "switch": lambda: ("on", "off"),
        "theme": lambda: list(screen.themes.themes),
    }
    return lists[kind]() if kind in lists else ()


# ------------------------------------------------------------ panes


def _shower(pane: PaneName) -> Run:
    def show(screen: OverviewScreen, typed: TypedCommand) -> None:
        _go_to(screen, typed.words)
        screen.show_pane(pane)

    return show


def _go_to(screen: OverviewScreen, targets: Sequence[str]) -> None:
    """Move the cursor to the row that targets mean; select the rows of several."""
    if not targets:
        return
    table, rows = screen.table, rows_of(screen.source.fleet, targets)
    shown = [key for row in rows if (key := nearest_row(table.rows, row.app, row.instance))]
    if not shown:
        raise BadCommandError(f"{' '.join(targets)} is not in the list; its filter hides it")
    table.move_to(table.rows.index(shown[0]))
    table.action_pick_only(frozenset(shown) if len(shown) > 1 else frozenset())
    screen.details.show_now(shown[0], table.identities(), screen.update_titles)


def _crashes(screen: OverviewScreen, typed: TypedCommand) -> None:
    _go_to(screen, typed.words)
    screen.action_crashes()


def _at(screen: OverviewScreen, typed: TypedCommand) -> None:
    """Show a time in log and charts, and the log in front where neither is in view."""
    present = typed.text == "now"
    at, problem = (None, "") if present else read_moment(typed.text, screen.source.wall())
    if problem:
        raise BadCommandError(problem)
    if screen.pane not in {"logs", "metrics"}:
        screen.show_pane("logs")
    if at is None:
        screen.details.moment.show_present()
    else:
        screen.details.moment.show_everywhere(at)


def _span(screen: OverviewScreen, typed: TypedCommand) -> None:
    seconds = seconds_of(typed.text)
    if seconds is None or not 0 < seconds <= SPANS[-1]:
        raise BadCommandError(f"{typed.text!r} is no span; choose from {', '.join(SPAN_WORDS)}")
    screen.details.metrics.action_set_span(seconds)
    screen.show_pane("metrics")


def _metric(screen: OverviewScreen, typed: TypedCommand) -> None:
    metrics = screen.details.metrics
    metrics.action_choose_named(choose(typed.text, metrics.names(), "metric of this row"))
    screen.show_pane("metrics")


# ------------------------------------------------------------ the list


def _sort(screen: OverviewScreen, typed: TypedCommand) -> None:
    words = list(typed.words)
    if not words or len(words) > 2:
        raise BadCommandError(f"usage: {typed.command.usage}; columns: {', '.join(SORT_COLUMNS)}")
    name = choose(words[0], SORT_COLUMNS, "column to sort by")
    for word in words[1:]:
        choose(word, ["reverse"], "order")
    column: SortColumn = next(each for each in SORT_COLUMNS if each == name)
    table = screen.table
    reverse = len(words) > 1
    table.set_arrangement(table.arrangement._replace(sort=column, reverse=reverse))


def _columns(screen: OverviewScreen, typed: TypedCommand) -> None:
    """Show columns by name; with signs, only these change; without words, open the dialog."""
    if not typed.words:
        screen.action_columns()
        return
    table = screen.table
    if typed.words == ("all",):
        table.set_columns(frozenset(), COLUMN_NAMES)
        return
    signed = [word for word in typed.words if word[0] in "+-"]
    if signed and len(signed) < len(typed.words):
        raise BadCommandError(
            "write all columns with a sign (+pid -heap), or none of them (cpu pid)"
        )
    named = [choose(word.lstrip("+-"), COLUMN_NAMES, "column") for word in typed.words]
    if not signed:
        order = tuple(dict.fromkeys((*named, *table.column_order)))
        table.set_columns(frozenset(COLUMN_NAMES) - frozenset(named), order)
        return
    hidden = set(table.hidden_columns)
    for word, name in zip(typed.words, named, strict=True):
        hidden = hidden | {name} if word[0] == "-" else hidden - {name}
    table.set_columns(frozenset(hidden), table.column_order)


def _filter(screen: OverviewScreen, typed: TypedCommand) -> None:
    if screen.pane == "logs":
        screen.details.logs.action_filter_by(typed.text)
    elif screen.pane == "events":
        screen.details.events.set_filter(typed.text)
    else:
        screen.show_pane("processes")
        table = screen.table
        table.set_arrangement(table.arrangement._replace(filter=typed.text))


def _search(screen: OverviewScreen, typed: TypedCommand) -> None:
    if not typed.text:
        raise BadCommandError("type what to search for: search TEXT")
    screen.show_pane("logs")
    screen.details.logs.action_search_for(typed.text)


# ------------------------------------------------------------ actions


def _actor(verb: Verb) -> Run:
    def act(screen: OverviewScreen, typed: TypedCommand) -> None:
        rows = (
            rows_of(screen.source.fleet, typed.words) if typed.words else screen.table.target_rows()
        )
        screen.actions.carry_out(verb, rows)

    return act


def _scale(screen: OverviewScreen, typed: TypedCommand) -> None:
    words = list(typed.words)
    count = words.pop() if words and words[-1].isdecimal() and len(words[-1]) < 5 else None
    if len(words) == 2 and count is None:
        raise BadCommandError(f"{words[1]!r} is not a number of instances")
    if len(words) > 1:
        raise BadCommandError(f"usage: {typed.command.usage}, for example: scale api 4")
    key = screen.table.cursor
    if words:
        name = choose(words[0], [str(app) for app in screen.source.fleet.apps], "app")
        key = next((RowKey(app) for app in screen.source.fleet.apps if str(app) == name), None)
    if key is not None:
        screen.actions.scale_app(key, None if count is None else int(count))


def _undo(screen: OverviewScreen, _typed: TypedCommand) -> None:
    screen.action_undo()


def _theme(screen: OverviewScreen, typed: TypedCommand) -> None:
    if not typed.words:
        screen.action_theme()
        return
    screen.themes.keep(choose(typed.text, screen.themes.themes, "theme"))
    if screen.themes.note:
        screen.show_notice(screen.themes.note)
    elif not screen.themes.keeps:
        screen.show_notice("This page shows it until it is closed; a browser keeps no settings.")


def _ask(screen: OverviewScreen, typed: TypedCommand) -> None:
    actions = screen.actions
    words = list(typed.words)
    if not words:
        silent = ", ".join(sorted(actions.not_asked)) or "none"
        screen.show_notice(f"Actions that do not ask: {silent}. Usage: {typed.command.usage}")
        return
    action = choose(words[0], ASKED, "action that asks")
    if len(words) < 2:
        raise BadCommandError(f"usage: {typed.command.usage}, for example: ask {action} off")
    asks = choose(" ".join(words[1:]), ("on", "off"), "switch") == "on"
    actions.not_asked = actions.not_asked - {action} if asks else actions.not_asked | {action}
    whole = "; a whole app still wants its name" if action == "kill" and not asks else ""
    screen.show_notice(f"{action} {'asks first' if asks else 'no longer asks first'}{whole}.")


def _quit(screen: OverviewScreen, _typed: TypedCommand) -> None:
    screen.app.exit()


RUN: Mapping[str, Run] = {
    "logs": _shower("logs"), "metrics": _shower("metrics"), "metadata": _shower("metadata"),
    "timeline": _shower("events"), "blocked": _shower("blocked"),
    "processes": _shower("processes"), "crashes": _crashes,
    "restart": _actor("restart"), "reload": _actor("reload"), "stop": _actor("stop"),
    "start": _actor("start"), "kill": _actor("kill"), "scale": _scale, "undo": _undo,
    "filter": _filter, "search": _search, "sort": _sort, "columns": _columns,
    "at": _at, "span": _span, "metric": _metric, "theme": _theme, "ask": _ask, "quit": _quit,
}  # fmt: skip
"""A test holds it equal to `COMMANDS`."""
