"""One registry of everything a key can do; footer, help, palette and keymap are made of it."""

from typing import Literal, NamedTuple

Place = Literal["global", "list", "logs", "metrics"]


class Action(NamedTuple):
    """One thing the user can do."""

    id: str
    """What a keymap file names: ``list.restart``."""
    keys: tuple[str, ...]
    """Textual's key names, the one that the footer shows first."""
    label: str
    """One or two words for the footer and the palette."""
    help: str
    """One sentence for the help screen."""
    handler: str
    """Textual action: ``restart`` calls ``action_restart`` of the place that it belongs to."""
    place: Place = "global"
    footer: bool = False
    """Whether the footer shows it while its place has the focus."""
    acts: bool = False
    """True when it changes apps: ``--read-only`` removes it everywhere."""


GLOBAL_ACTIONS: tuple[Action, ...] = (
    Action("help", ("question_mark", "f1"), "help",
           "All keys, this place's first.", "help", footer=True),
    Action("palette", ("colon", "ctrl+p"), "palette",
           "Find and do anything by its name.", "app.command_palette", footer=True),
    Action("pane.next", ("tab",), "next pane", "Go to the next pane.", "pane(1)"),
    Action("pane.previous", ("shift+tab",), "previous pane",
           "Go to the previous pane.", "pane(-1)"),
    Action("pane.processes", ("1",), "processes", "Go to the process list.", "show('processes')"),
    Action("pane.logs", ("2",), "logs", "Go to the logs.", "show('logs')"),
    Action("pane.metrics", ("3",), "metrics", "Go to the metrics.", "show('metrics')"),
    Action("pane.metadata", ("4",), "metadata", "Go to the metadata.", "show('metadata')"),
    Action("pane.events", ("5",), "events", "Go to the events.", "show('events')"),
    Action("pane.blocked", ("6",), "blocked",
           "Go to where the event loop was held up.", "show('blocked')"),
    Action("zoom", ("z",), "zoom", "Give the pane the whole screen, and back.", "zoom"),
    Action("freeze", ("p",), "freeze",
           "Hold the display still; data keeps coming in behind it.", "app.freeze"),
    Action("clear", ("escape",), "clear",
           "Clear filter or selection, then leave zoom, then go back; never quits.", "escape"),
    Action("back", ("q",), "quit",
           "Go back; from the process list, quit. The apps go on.", "back", footer=True),
    Action("leave", ("ctrl+c", "ctrl+q", "f10"), "leave",
           "Copy selected text, else quit. The apps go on.", "app.leave"),
)  # fmt: skip

LIST_ACTIONS: tuple[Action, ...] = (
    Action("list.restart", ("r",), "restart",
           "Restart: stop and start these at once (asks first).",
           "screen.act('restart')", "list", footer=True, acts=True),
    Action("list.reload", ("R",), "reload",
           "Reload the app: one worker after another; a shared port has no gap (asks first).",
           "screen.act('reload')", "list", footer=True, acts=True),
    Action("list.stop", ("x",), "stop",
           "Stop; it stays on the list (asks first).",
           "screen.act('stop')", "list", footer=True, acts=True),
    Action("list.start", ("s",), "start",
           "Start what is stopped or errored.",
           "screen.act('start')", "list", footer=True, acts=True),
    Action("list.undo", ("u",), "undo",
           "Undo: cancel the app's reload that is under way. What is done stays done.",
           "screen.undo", "list", footer=True, acts=True),
    Action("list.scale", ("S",), "scale",
           "Set how many instances the app has.", "screen.scale", "list", acts=True),
    Action("list.kill", ("X",), "kill -9",
           "Send SIGKILL to the workers and their children (asks first).",
           "screen.act('kill')", "list", acts=True),
    Action("list.filter", ("slash",), "filter",
           "Show rows with all these words: name, state, pid, @namespace; !word hides.",
           "screen.filter", "list", footer=True),
    Action("list.next", ("n",), "next problem",
           "Go to the next row that is not as it should be.", "problem(1)", "list"),
    Action("list.previous", ("N",), "previous problem",
           "Go to the previous row that is not as it should be.", "problem(-1)", "list"),
    Action("list.logs", ("enter", "l"), "logs",
           "Go to this row's logs.", "screen.show('logs')", "list"),
    Action("list.info", ("i",), "info",
           "Go to this row's metadata.", "screen.show('metadata')", "list"),
    Action("list.pick", ("space",), "select",
           "Select the row and go to the next; actions then take all that are selected.",
           "pick", "list"),
    Action("list.pick_all", ("asterisk",), "select all",
           "Select all instances on the list, or none.", "pick_all", "list"),
    Action("list.sort_menu", ("o",), "sort", "Choose what to sort by.", "screen.sort_menu", "list"),
    Action("list.sort_left", ("less_than_sign",), "sort left",
           "Sort by the previous column.", "sort(-1)", "list"),
    Action("list.sort_right", ("greater_than_sign",), "sort right",
           "Sort by the next column.", "sort(1)", "list"),
    Action("list.reverse", ("O",), "reverse", "Turn the order round.", "reverse", "list"),
    Action("list.flat", ("t",), "flat",
           "Group by app, or list all instances alike.", "flat", "list"),
    Action("list.fold", ("left",), "fold",
           "Hide the processes of this instance, or the instances of this app.",
           "fold(True)", "list"),
    Action("list.unfold", ("right",), "unfold",
           "Show the processes below this worker, or the instances of this app.",
           "fold(False)", "list"),
    Action("list.up", ("up", "k"), "up", "Go up.", "move('up')", "list"),
    Action("list.down", ("down", "j"), "down", "Go down.", "move('down')", "list"),
    Action("list.half_up", ("ctrl+u",), "half page up",
           "Go half a page up.", "move('half_up')", "list"),
    Action("list.half_down", ("ctrl+d",), "half page down",
           "Go half a page down.", "move('half_down')", "list"),
    Action("list.page_up", ("pageup",), "page up", "Go a page up.", "move('page_up')", "list"),
    Action("list.page_down", ("pagedown",), "page down",
           "Go a page down.", "move('page_down')", "list"),
    Action("list.first", ("g", "home"), "first", "Go to the first row.", "move('first')", "list"),
    Action("list.last", ("G", "end"), "last", "Go to the last row.", "move('last')", "list"),
)  # fmt: skip

METRICS_ACTIONS: tuple[Action, ...] = (
    Action("metrics.zoom_in", ("plus",), "zoom in",
           "Show a shorter time, down to 1 min.", "span(-1)", "metrics", footer=True),
    Action("metrics.zoom_out", ("minus",), "zoom out",
           "Show a longer time, up to 1 h.", "span(1)", "metrics", footer=True),
    Action("metrics.zoom_reset", ("equals_sign",), "5 min",
           "Show the last 5 minutes again.", "span(0)", "metrics"),
    Action("metrics.next", ("right_square_bracket", "down", "j"), "next metric",
           "Plot the next metric.", "choose(1)", "metrics", footer=True),
    Action("metrics.previous", ("left_square_bracket", "up", "k"), "previous metric",
           "Plot the previous metric.", "choose(-1)", "metrics"),
)  # fmt: skip
