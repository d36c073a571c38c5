"""Every command that can be typed after a colon; completion, palette and help are made from it.

Commands of several words stand in `COMMANDS`. Every key's action is a command too, by its id:
``zoom``, ``logs.wrap``.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from monit_tui.keys.actions import KeyAction

ValueKind = Literal[
    "row", "target", "app", "sort", "reverse", "column", "metric", "span", "theme", "asked",
    "switch", "text",
]  # fmt: skip
"""What a word after a command means, and so what completes it."""


class ScreenCommand(NamedTuple):
    """One command."""

    name: str
    arguments: str
    """As in a usage line: ``TARGET...``, ``[APP] N``; "" takes none."""
    help: str
    values: tuple[ValueKind, ...] = ()
    """The meaning of its words; the last one is that of all further words too."""
    other_names: tuple[str, ...] = ()
    changes_apps: bool = False
    """``--read-only`` removes these."""
    action: KeyAction | None = None
    """The action of a key, which this command carries out."""

    @property
    def usage(self) -> str:
        """Return the command as it is typed."""
        return f"{self.name} {self.arguments}".strip()


def _pane(name: str, what: str, *others: str) -> ScreenCommand:
    return ScreenCommand(name, "[TARGET...]", what, ("row",), others)


def _verb(name: str, what: str) -> ScreenCommand:
    return ScreenCommand(name, "[TARGET...]", what, ("target",), changes_apps=True)


COMMANDS: tuple[ScreenCommand, ...] = (
    _pane("logs", "Show the logs of a row, or of several in order of time."),
    _pane("metrics", "Show the metrics of a row."),
    _pane("metadata", "Show the metadata of a row.", "info"),
    _pane("timeline", "Show the timeline.", "events"),
    _pane("blocked", "Show the code that blocked event loops."),
    _pane("processes", "Go to the process list, or to a row of it.", "list", "go"),
    _pane("crashes", "Show the last exits of a row side by side."),
    _verb("restart", "Restart these, else the selected rows."),
    _verb("reload", "Reload these apps, else those of the selected rows."),
    _verb("stop", "Stop these, else the selected rows."),
    _verb("start", "Start these, else the selected rows."),
    _verb("kill", "Send SIGKILL to these, else to the selected rows."),
    ScreenCommand(
        "scale", "[APP] [N]", "Change the number of instances.", ("app", "text"), changes_apps=True
    ),
    ScreenCommand(
        "undo", "", "Undo the last stop, or cancel the app's reload.", changes_apps=True
    ),
    ScreenCommand(
        "filter", "[WORD...]", "Filter the list, or the pane with the focus; alone, show all.",
        ("text",),
    ),
    ScreenCommand(
        "search", "TEXT", "Search the whole log for text or a regular expression.", ("text",)
    ),
    ScreenCommand("sort", "COLUMN [reverse]", "Sort the list.", ("sort", "reverse")),
    ScreenCommand(
        "columns", "[NAME...]",
        "Show exactly these columns, in this order; +NAME and -NAME show and hide one; all.",
        ("column",),
    ),
    ScreenCommand(
        "at", "TIME", "Go to a time in log and charts: 14:03, 2026-11-29T14:03, 10m (ago), now.",
        ("text",),
    ),
    ScreenCommand("span", "TIME", "Time span of the charts: 1m to 30d.", ("span",)),
    ScreenCommand("metric", "NAME", "Show a metric in the charts.", ("metric",)),
    ScreenCommand(
        "theme", "[NAME]", "Show another theme; a terminal keeps it; alone, choose.", ("theme",)
    ),
    ScreenCommand(
        "ask", "ACTION on|off", "Ask before an action, or do it at once; a terminal keeps it.",
        ("asked", "switch"), changes_apps=True,
    ),
    ScreenCommand("quit", "", "Close the screen. The apps keep running.", (), ("q", "q!", "exit")),
)  # fmt: skip


def all_commands(actions: Iterable[KeyAction], *, read_only: bool) -> dict[str, ScreenCommand]:
    """Return the commands by all their names; with ``read_only``, those that change nothing."""
    found: dict[str, ScreenCommand] = {}
    for command in COMMANDS:
        if not (read_only and command.changes_apps):
            found.update(dict.fromkeys((command.name, *command.other_names), command))
    taken = {name for command in COMMANDS for name in (command.name, *command.other_names)}
    for action in actions:
        if action.id not in taken and not (read_only and action.changes_apps):
            found[action.id] = ScreenCommand(
                action.id, "", action.help, changes_apps=action.changes_apps, action=action
            )
    return found
