"""Folding and unfolding rows of the process list. Pure."""

from monit_agent.client.process_trees import processes_of
from monit_agent.client.view import Fleet
from monit_tui.model.processes.rows import Arrangement, RowKey


def has_tree(fleet: Fleet, key: RowKey) -> bool:
    """Return whether this is an instance whose worker has processes below it."""
    if key.instance is None or key.pid is not None:
        return False
    return bool(processes_of(fleet.instance(key.app.instance(key.instance))))


def fold_row(fleet: Fleet, how: Arrangement, cursor: RowKey) -> tuple[Arrangement, RowKey]:
    """Hide the processes of the cursor's instance, or else the instances of its app.

    Return the new arrangement, and the row where the cursor goes.
    """
    owner = cursor.owner
    if owner != cursor or owner in how.opened:
        return how._replace(opened=how.opened - {owner}), owner
    if how.flat:
        return how, cursor
    several = len(fleet.apps[cursor.app].instances) > 1
    folded = how._replace(folded=how.folded | {cursor.app}, unfolded=how.unfolded - {cursor.app})
    return folded, RowKey(cursor.app) if several else cursor


def unfold_row(fleet: Fleet, how: Arrangement, cursor: RowKey) -> Arrangement:
    """Show the processes of the cursor's instance, if it has any, or the instances of its app."""
    if has_tree(fleet, cursor):
        return how._replace(opened=how.opened | {cursor})
    if how.flat:
        return how
    return how._replace(folded=how.folded - {cursor.app}, unfolded=how.unfolded | {cursor.app})
