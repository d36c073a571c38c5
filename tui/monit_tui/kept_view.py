"""Applies a saved view to the panes, and reads it back."""

from collections.abc import Callable

import msgspec

from monit_agent.client.text.sanitize import printable
from monit_agent.wire.ids import AppId
from monit_tui.model.view_state import ViewState
from monit_tui.widgets.log.view import LogView
from monit_tui.widgets.processes.columns import COLUMN_NAMES, known_columns
from monit_tui.widgets.processes.table import ProcessTable


def restore_view(view: ViewState, table: ProcessTable, log: LogView) -> None:
    """Show list and log as the user left them; before the first frame."""
    table.arrangement = table.arrangement._replace(
        sort=view.sort,
        reverse=view.reverse,
        flat=view.flat,
        folded=frozenset(AppId(*pair) for pair in view.folded),
        unfolded=frozenset(AppId(*pair) for pair in view.unfolded),
    )
    table.set_columns(*known_columns(view.hidden_columns, view.column_order))
    log.folds = view.log_folds
    log.set_layout(wrap=view.log_wrap, stamps=view.log_stamps, json=view.log_json)


def read_view(before: ViewState, table: ProcessTable, log: LogView) -> ViewState:
    """Return how list and log are shown, the rest as it was ``before``."""
    how, layout = table.arrangement, log.row_layout
    return msgspec.structs.replace(
        before,
        sort=how.sort,
        reverse=how.reverse,
        flat=how.flat,
        folded=tuple(sorted((app.host, app.app) for app in how.folded)),
        unfolded=tuple(sorted((app.host, app.app) for app in how.unfolded)),
        hidden_columns=tuple(sorted(table.hidden_columns)),
        column_order=() if table.column_order == COLUMN_NAMES else table.column_order,
        log_wrap=layout.wrap,
        log_stamps=layout.stamps,
        log_json=layout.json,
        log_folds=log.folds,
    )


class ViewSaver:
    """Saves the view once the user has changed it: the screen may end with its terminal."""

    def __init__(self, read: Callable[[], ViewState], save: Callable[[ViewState], str]) -> None:
        self._read, self._save = read, save
        self._saved = read()

    def save_changes(self, notify: Callable[..., None]) -> None:
        """Save the view if it has changed, and notify the user when that fails."""
        now = self._read()
        if now == self._saved:
            return
        self._saved = now
        problem = self._save(now)
        if problem:
            notify(printable(problem), severity="warning", markup=False)
