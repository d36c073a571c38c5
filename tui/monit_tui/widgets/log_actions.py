"""What keys do in the log pane; `monit_tui.widgets.log_commands` does it."""

# ruff: noqa: E501 - a table: one action a line
from monit_tui.actions import Action

LOG_ACTIONS: tuple[Action, ...] = (
    Action("logs.follow", ("f",), "follow", "Follow the end, or hold still.", "log('follow')", "logs", footer=True),
    Action("logs.search", ("slash",), "search", "Look for a text or regular expression; n and N go on.", "log('search')", "logs", footer=True),
    Action("logs.next", ("n",), "next match", "Go to the next match.", "log('next')", "logs"),
    Action("logs.previous", ("N",), "previous match", "Go to the previous match.", "log('previous')", "logs"),
    Action("logs.filter", ("ampersand",), "filter", "Show matching lines only: regex, !regex for those without, -C 3 for context, :err :out :warn :error.", "log('filter')", "logs", footer=True),
    Action("logs.next_error", ("e",), "next error", "Go to the next line that reports an error.", "log('next_error')", "logs", footer=True),
    Action("logs.previous_error", ("E",), "previous error", "Go to the previous line that reports an error.", "log('previous_error')", "logs"),
    Action("logs.all", ("a",), "one/all", "Show all instances of the app together, or only those chosen.", "log('all')", "logs", footer=True),
    Action("logs.mute", ("b",), "mute", "Hide the instance of the line under the cursor.", "log('mute')", "logs"),
    Action("logs.unmute", ("B",), "unmute", "Show the hidden instances again.", "log('unmute')", "logs"),
    Action("logs.wrap", ("w",), "wrap", "Break long lines, or cut them; then left and right move.", "log('wrap')", "logs", footer=True),
    Action("logs.stamps", ("t",), "times", "Time of day, date and time, time since the line above, none.", "log('stamps')", "logs"),
    Action("logs.json", ("J",), "JSON", "Spread lines that are JSON over several rows.", "log('json')", "logs"),
    Action("logs.mark", ("m",), "mark", "Mark the line under the cursor, or take the mark away.", "log('mark')", "logs"),
    Action("logs.next_mark", ("apostrophe",), "next mark", "Go to the next marked line.", "log('next_mark')", "logs"),
    Action("logs.select", ("v",), "select", "Begin to select lines; y copies them.", "log('select')", "logs"),
    Action("logs.copy", ("y",), "copy", "Copy the selected lines, or the one under the cursor, through the terminal.", "log('copy')", "logs"),
    Action("logs.save", ("ctrl+s",), "save", "Write the shown lines to a file.", "log('save')", "logs"),
    Action("logs.clear", ("C",), "clear", "Empty the view; the file keeps everything.", "log('clear')", "logs"),
    Action("logs.fetch", ("enter",), "fetch", "Fetch the lines that were skipped at the cursor.", "log('fetch')", "logs"),
    Action("logs.up", ("up", "k"), "up", "Go up a line; the log then holds still.", "log('up')", "logs"),
    Action("logs.down", ("down", "j"), "down", "Go down a line.", "log('down')", "logs"),
    Action("logs.half_up", ("ctrl+u",), "half page up", "Go half a page up.", "log('half_up')", "logs"),
    Action("logs.half_down", ("ctrl+d",), "half page down", "Go half a page down.", "log('half_down')", "logs"),
    Action("logs.page_up", ("pageup",), "page up", "Go a page up; at the top older lines are fetched.", "log('page_up')", "logs"),
    Action("logs.page_down", ("pagedown",), "page down", "Go a page down.", "log('page_down')", "logs"),
    Action("logs.first", ("g", "home"), "first", "Go to the oldest line here; once more fetches older ones.", "log('first')", "logs"),
    Action("logs.last", ("G", "end"), "last", "Go to the end and follow it.", "log('last')", "logs"),
    Action("logs.left", ("left", "h"), "left", "Move the text back.", "log('left')", "logs"),
    Action("logs.right", ("right", "l"), "right", "Show what is cut on the right.", "log('right')", "logs"),
    Action("logs.escape", ("escape",), "clear search", "Leave selection, search and filter, one after the other.", "log('escape')", "logs"),
)  # fmt: skip
