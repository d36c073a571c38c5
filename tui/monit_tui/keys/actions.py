"""One registry of everything a key can do; footer, help, palette and keymap are made from it."""

# ruff: noqa: E501 - tables: one action a line
from typing import Literal, NamedTuple

KeyScope = Literal["global", "list", "logs", "metrics", "events"]
"""Where a key works: everywhere, or only while one pane has the focus."""


class KeyAction(NamedTuple):
    """One thing the user can do."""

    id: str
    """The name in a keymap file: ``list.restart``."""
    keys: tuple[str, ...]
    """Textual's key names; the footer shows the first."""
    label: str
    """One or two words for the footer and the palette."""
    help: str
    """One sentence for the help screen."""
    handler: str
    """Textual action: ``restart`` calls ``action_restart`` of the widget of its scope."""
    scope: KeyScope = "global"
    footer: bool = False
    """Whether the footer shows it while its pane has the focus."""
    changes_apps: bool = False
    """``--read-only`` removes these from keys, footer, help and palette."""
    writes_files: bool = False
    """A browser without ``--write`` lacks these too: its user is not the one of this machine."""


GLOBAL_ACTIONS: tuple[KeyAction, ...] = (
    KeyAction("help", ("question_mark", "f1"), "help", "List all keys, starting with those of this pane.", "help", footer=True),
    KeyAction("command", ("colon",), "command", "Type a command: logs api, sort cpu, at 14:03; Tab completes.", "app.command_line", footer=True),
    KeyAction("palette", ("ctrl+p",), "palette", "Find an action or a command by its name.", "app.command_palette"),
    KeyAction("pane.next", ("tab",), "next pane", "Go to the next pane.", "pane(1)"),
    KeyAction("pane.previous", ("shift+tab",), "previous pane", "Go to the previous pane.", "pane(-1)"),
    KeyAction("pane.processes", ("1",), "processes", "Go to the process list.", "show('processes')"),
    KeyAction("pane.logs", ("2",), "logs", "Go to the logs.", "show('logs')"),
    KeyAction("pane.metrics", ("3",), "metrics", "Go to the metrics.", "show('metrics')"),
    KeyAction("pane.metadata", ("4",), "metadata", "Go to the metadata.", "show('metadata')"),
    KeyAction("pane.events", ("5",), "timeline", "Go to the timeline: the events of all apps.", "show('events')"),
    KeyAction("pane.blocked", ("6",), "blocked", "Go to the code that blocked event loops.", "show('blocked')"),
    KeyAction("zoom", ("z",), "zoom", "Show this pane alone, or all panes again.", "zoom"),
    KeyAction("freeze", ("p",), "freeze", "Freeze the display, or resume. Data is still collected.", "app.freeze"),
    KeyAction("theme", ("T",), "theme", "Choose the colours: dark, light, high contrast, the terminal's own, or a theme of yours.", "theme"),
    KeyAction("repaint", ("ctrl+l",), "repaint", "Paint the whole screen again, after another program wrote over it.", "app.repaint"),
    KeyAction("mouse", ("M",), "mouse", "Leave the mouse to the terminal, which then selects text, or take it again.", "app.mouse"),
    KeyAction("suspend", ("ctrl+z",), "suspend", "Go back to the shell for a while; fg returns. The apps keep running.", "app.suspend_process"),
    KeyAction("clear", ("escape",), "clear", "In the pane with the focus: clear the filter or selection, then unzoom, then go back. Never quits.", "escape"),
    KeyAction("back", ("q",), "quit", "Go back, or quit from the process list. The apps keep running.", "back", footer=True),
    KeyAction("leave", ("ctrl+c", "ctrl+q", "f10"), "copy or quit", "Copy the selected text, or quit. The apps keep running.", "app.leave"),
)  # fmt: skip

LIST_ACTIONS: tuple[KeyAction, ...] = (
    KeyAction("list.restart", ("r",), "restart", "Restart: stop the workers and start them again (asks for confirmation).", "screen.act('restart')", "list", footer=True, changes_apps=True),
    KeyAction("list.reload", ("R",), "reload", "Reload the app: replace its workers one by one; a shared port stays open (asks for confirmation).", "screen.act('reload')", "list", footer=True, changes_apps=True),
    KeyAction("list.stop", ("x", "f9"), "stop", "Stop; the app stays in the list (asks for confirmation).", "screen.act('stop')", "list", footer=True, changes_apps=True),
    KeyAction("list.start", ("s",), "start", "Start stopped or errored instances.", "screen.act('start')", "list", footer=True, changes_apps=True),
    KeyAction("list.undo", ("u",), "undo", "Undo: cancel the app's reload (workers that are already replaced stay), else start again what was stopped last.", "screen.undo", "list", footer=True, changes_apps=True),
    KeyAction("list.scale", ("S",), "scale", "Change the number of instances.", "screen.scale", "list", changes_apps=True),
    KeyAction("list.kill", ("X",), "kill -9", "Send SIGKILL to the workers and their child processes (asks for confirmation).", "screen.act('kill')", "list", changes_apps=True),
    KeyAction("list.filter", ("slash", "f3", "f4"), "filter", "Show rows that contain all words: name, state, pid, @namespace; !word excludes.", "screen.filter", "list", footer=True),
    KeyAction("list.next", ("n",), "next problem", "Go to the next row with a problem.", "problem(1)", "list"),
    KeyAction("list.previous", ("N",), "previous problem", "Go to the previous row with a problem.", "problem(-1)", "list"),
    KeyAction("list.logs", ("enter", "l"), "logs", "Go to the logs of this row.", "screen.show('logs')", "list"),
    KeyAction("list.info", ("i",), "info", "Go to the metadata of this row.", "screen.show('metadata')", "list"),
    KeyAction("list.crashes", ("c",), "crashes", "Show the last exits of this row side by side, each with its last lines.", "screen.crashes", "list", footer=True),
    KeyAction("list.profile", ("P",), "profile", "Profile a running worker: where it spends its time, as a table and a flame view (asks for how long).", "screen.profile", "list", changes_apps=True),
    KeyAction("list.pick", ("space",), "select", "Select the row and move down; actions then apply to all selected rows.", "pick", "list"),
    KeyAction("list.pick_all", ("asterisk",), "select all", "Select all instances in the list, or none.", "pick_all", "list"),
    KeyAction("list.sort_menu", ("o", "f6"), "sort", "Choose the column to sort by.", "screen.sort_menu", "list"),
    KeyAction("list.sort_left", ("less_than_sign",), "sort left", "Sort by the previous column.", "sort(-1)", "list"),
    KeyAction("list.sort_right", ("greater_than_sign",), "sort right", "Sort by the next column.", "sort(1)", "list"),
    KeyAction("list.reverse", ("O",), "reverse", "Reverse the sort order.", "reverse", "list"),
    KeyAction("list.columns", ("comma",), "columns", "Choose the columns and their order; names and states always stay.", "screen.columns", "list"),
    KeyAction("list.flat", ("t",), "flat", "Show a flat list of instances, or group them by app.", "flat", "list"),
    KeyAction("list.fold", ("left",), "fold", "Hide the child processes of this instance, or the instances of this app.", "fold(True)", "list"),
    KeyAction("list.unfold", ("right",), "unfold", "Show the child processes of this instance, or the instances of this app.", "fold(False)", "list"),
    KeyAction("list.up", ("up", "k"), "up", "Go up.", "move('up')", "list"),
    KeyAction("list.down", ("down", "j"), "down", "Go down.", "move('down')", "list"),
    KeyAction("list.half_up", ("ctrl+u",), "half page up", "Go up half a page.", "move('half_up')", "list"),
    KeyAction("list.half_down", ("ctrl+d",), "half page down", "Go down half a page.", "move('half_down')", "list"),
    KeyAction("list.page_up", ("pageup",), "page up", "Go up a page.", "move('page_up')", "list"),
    KeyAction("list.page_down", ("pagedown",), "page down", "Go down a page.", "move('page_down')", "list"),
    KeyAction("list.first", ("g", "home"), "first", "Go to the first row.", "move('first')", "list"),
    KeyAction("list.last", ("G", "end"), "last", "Go to the last row.", "move('last')", "list"),
)  # fmt: skip

LOG_ACTIONS: tuple[KeyAction, ...] = (
    KeyAction("logs.follow", ("f",), "follow", "Follow new lines, or pause.", "log('follow')", "logs", footer=True),
    KeyAction("logs.search", ("slash", "f3"), "search", "Search the whole log for text or a regular expression; {logs.older_match} goes to older matches, {logs.newer_match} to newer ones, {logs.escape} stops.", "log('search')", "logs", footer=True),
    KeyAction("logs.older_match", ("n",), "older match", "Go to the next older match.", "log('older_match')", "logs"),
    KeyAction("logs.newer_match", ("N",), "newer match", "Go to the next newer match.", "log('newer_match')", "logs"),
    KeyAction("logs.filter", ("ampersand", "f4"), "filter", "Show only matching lines of the whole log: regex, !regex excludes, -C 3 adds context, :err :out :warn :error.", "log('filter')", "logs", footer=True),
    KeyAction("logs.older_error", ("e",), "error", "Go to the nearest error above, in the whole log.", "log('older_error')", "logs", footer=True),
    KeyAction("logs.newer_error", ("E",), "newer error", "Go to the nearest error below.", "log('newer_error')", "logs"),
    KeyAction("logs.all", ("a",), "one/all", "Show all instances of the app, or only the selected ones.", "log('all')", "logs", footer=True),
    KeyAction("logs.moment", ("at",), "time", "Go to a time: 14:03, 2026-11-29T14:03, or 10m (ago).", "log('moment')", "logs"),
    KeyAction("logs.mute", ("b",), "mute", "Hide the instance that printed the line at the cursor.", "log('mute')", "logs"),
    KeyAction("logs.unmute", ("B",), "unmute", "Show the hidden instances again.", "log('unmute')", "logs"),
    KeyAction("logs.wrap", ("w",), "wrap", "Wrap long lines, or cut them and scroll with {logs.left} and {logs.right}.", "log('wrap')", "logs", footer=True),
    KeyAction("logs.stamps", ("t",), "timestamps", "Switch timestamps: time, date and time, time since the line above, none.", "log('stamps')", "logs"),
    KeyAction("logs.json", ("J",), "JSON", "Show JSON lines as level, message and key=value, a field a row, or as printed.", "log('json')", "logs"),
    KeyAction("logs.fold", ("F",), "fold", "Fold stacks into the line that says what went wrong, and equal lines into one, or show every line.", "log('fold')", "logs"),
    KeyAction("logs.mark", ("m",), "mark", "Mark or unmark the line at the cursor.", "log('mark')", "logs"),
    KeyAction("logs.next_mark", ("apostrophe",), "next mark", "Go to the next marked line.", "log('next_mark')", "logs"),
    KeyAction("logs.select", ("v",), "select", "Start selecting lines; {logs.copy} copies them.", "log('select')", "logs"),
    KeyAction("logs.copy", ("y",), "copy", "Copy the selected lines, or the line at the cursor, to the terminal's clipboard.", "log('copy')", "logs"),
    KeyAction("logs.save", ("ctrl+s",), "save", "Save the displayed lines to a file.", "log('save')", "logs", writes_files=True),
    KeyAction("logs.clear", ("C",), "clear", "Clear the view; the log file is unchanged.", "log('clear')", "logs"),
    KeyAction("logs.open", ("enter",), "open", "Show the whole record at the cursor: JSON a field a row, all lines of a stack; load skipped lines.", "log('open')", "logs"),
    KeyAction("logs.up", ("up", "k"), "up", "Go up a line and pause.", "log('up')", "logs"),
    KeyAction("logs.down", ("down", "j"), "down", "Go down a line.", "log('down')", "logs"),
    KeyAction("logs.half_up", ("ctrl+u",), "half page up", "Go up half a page.", "log('half_up')", "logs"),
    KeyAction("logs.half_down", ("ctrl+d",), "half page down", "Go down half a page.", "log('half_down')", "logs"),
    KeyAction("logs.page_up", ("pageup",), "page up", "Go up a page; at the top, fetch older lines.", "log('page_up')", "logs"),
    KeyAction("logs.page_down", ("pagedown",), "page down", "Go down a page.", "log('page_down')", "logs"),
    KeyAction("logs.first", ("g", "home"), "first", "Go to the first line that is kept.", "log('first')", "logs"),
    KeyAction("logs.last", ("G", "end"), "last", "Go to the end and follow new lines.", "log('last')", "logs"),
    KeyAction("logs.left", ("left", "h"), "left", "Scroll left.", "log('left')", "logs"),
    KeyAction("logs.right", ("right", "l"), "right", "Scroll right.", "log('right')", "logs"),
    KeyAction("logs.escape", ("escape",), "clear search", "Clear the selection, then the search, then the filter.", "log('escape')", "logs"),
)  # fmt: skip

METRICS_ACTIONS: tuple[KeyAction, ...] = (
    KeyAction("metrics.zoom_in", ("plus",), "zoom in", "Show a shorter time span, down to 1 min.", "span(-1)", "metrics", footer=True),
    KeyAction("metrics.zoom_out", ("minus",), "zoom out", "Show a longer time span, up to 30 days.", "span(1)", "metrics", footer=True),
    KeyAction("metrics.zoom_reset", ("equals_sign",), "5 min", "Show a span of 5 minutes again.", "span(0)", "metrics"),
    KeyAction("metrics.next", ("right_square_bracket", "down", "j"), "next metric", "Select the next metric.", "choose(1)", "metrics", footer=True),
    KeyAction("metrics.previous", ("left_square_bracket", "up", "k"), "previous metric", "Select the previous metric.", "choose(-1)", "metrics"),
    KeyAction("metrics.earlier", ("left", "h"), "cursor", "Move the cursor to an earlier moment; the charts stand still meanwhile.", "cursor(-1)", "metrics", footer=True),
    KeyAction("metrics.later", ("right", "l"), "later", "Move the cursor to a later moment.", "cursor(1)", "metrics"),
    KeyAction("metrics.previous_tick", ("shift+left",), "previous time", "Move the cursor to the labelled time before it.", "tick(-1)", "metrics"),
    KeyAction("metrics.next_tick", ("shift+right",), "next time", "Move the cursor to the labelled time after it.", "tick(1)", "metrics"),
    KeyAction("metrics.older_event", ("e",), "event", "Move the cursor to the event before it: a crash, restart, reload or alert.", "event(-1)", "metrics", footer=True),
    KeyAction("metrics.newer_event", ("E",), "newer event", "Move the cursor to the event after it.", "event(1)", "metrics"),
    KeyAction("metrics.logs", ("enter", "L"), "log", "Go to the log of the moment at the cursor.", "logs", "metrics", footer=True),
    KeyAction("metrics.back", ("comma",), "back", "Show earlier times, by half a span.", "pan(-1)", "metrics"),
    KeyAction("metrics.forward", ("full_stop",), "forward", "Show later times, by half a span.", "pan(1)", "metrics"),
    KeyAction("metrics.oldest", ("home", "g"), "oldest", "Move the cursor to the oldest moment shown.", "oldest", "metrics"),
    KeyAction("metrics.now", ("0", "end", "G"), "now", "Remove the cursor and go back to now.", "now", "metrics"),
    KeyAction("metrics.escape", ("escape",), "now", "Remove the cursor and go back to now.", "escape", "metrics"),
)  # fmt: skip

EVENTS_ACTIONS: tuple[KeyAction, ...] = (
    KeyAction("events.go", ("enter",), "log and charts", "Go to the moment of this event, in the log and in the charts of its app.", "go", "events", footer=True),
    KeyAction("events.filter", ("slash", "ampersand", "f3", "f4"), "filter", "Show events that contain all words: app, kind, text; !word excludes, app:web, kind:exited.", "screen.filter", "events", footer=True),
    KeyAction("events.all", ("a",), "all/row", "Show the events of all apps, or only those of the row under the list's cursor.", "all", "events", footer=True),
    KeyAction("events.older_problem", ("e",), "problem", "Go to the nearest problem above: a crash, a failed reload, an alert.", "problem(-1)", "events", footer=True),
    KeyAction("events.newer_problem", ("E",), "newer problem", "Go to the nearest problem below.", "problem(1)", "events"),
    KeyAction("events.up", ("up", "k"), "up", "Go up; at the top, fetch older events.", "move('up')", "events"),
    KeyAction("events.down", ("down", "j"), "down", "Go down; after the last event, follow new ones.", "move('down')", "events"),
    KeyAction("events.half_up", ("ctrl+u",), "half page up", "Go up half a page.", "move('half_up')", "events"),
    KeyAction("events.half_down", ("ctrl+d",), "half page down", "Go down half a page.", "move('half_down')", "events"),
    KeyAction("events.page_up", ("pageup",), "page up", "Go up a page; at the top, fetch older events.", "move('page_up')", "events"),
    KeyAction("events.page_down", ("pagedown",), "page down", "Go down a page.", "move('page_down')", "events"),
    KeyAction("events.first", ("g", "home"), "first", "Go to the oldest known event; at the top, fetch older ones.", "move('first')", "events"),
    KeyAction("events.last", ("G", "end"), "last", "Follow new events.", "move('last')", "events"),
    KeyAction("events.escape", ("escape",), "clear", "Clear the filter, then follow new events.", "escape", "events"),
)  # fmt: skip

REGISTRY: tuple[KeyAction, ...] = (
    *LIST_ACTIONS, *LOG_ACTIONS, *METRICS_ACTIONS, *EVENTS_ACTIONS, *GLOBAL_ACTIONS,
)  # fmt: skip
"""All actions, in the order of the help screen."""

SCOPE_TITLES: dict[KeyScope, str] = {
    "list": "Process list",
    "logs": "Logs",
    "metrics": "Metrics",
    "events": "Timeline",
    "global": "Everywhere",
}


def allowed_actions(
    *, read_only: bool, actions: tuple[KeyAction, ...] = REGISTRY
) -> tuple[KeyAction, ...]:
    """Return all actions, with ``read_only`` only those that change nothing."""
    return tuple(action for action in actions if not (read_only and action.changes_apps))


def footer_actions(
    scope: KeyScope, *, read_only: bool, actions: tuple[KeyAction, ...] = REGISTRY
) -> tuple[KeyAction, ...]:
    """Return what the footer shows while ``scope`` has the focus: its own actions first."""
    allowed = allowed_actions(read_only=read_only, actions=actions)
    shown = [action for action in allowed if action.footer and action.keys]
    own = [action for action in shown if action.scope == scope]
    common = [action for action in shown if action.scope == "global" and scope != "global"]
    return (*own, *common)
