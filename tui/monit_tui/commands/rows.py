"""The rows that targets mean. Pure."""

from collections.abc import Iterable

from monit_agent.client.targets import (
    AmbiguousTargetError,
    NoSuchTargetError,
    resolve_instances,
)
from monit_agent.client.view import Fleet
from monit_agent.wire.ids import AppId
from monit_tui.commands.reading import BadCommandError
from monit_tui.model.processes.rows import RowKey, row_name


def rows_of(fleet: Fleet, targets: Iterable[str]) -> tuple[RowKey, ...]:
    """Return the rows of targets, an app whole where all its instances are meant.

    Raise `BadCommandError` when one of the targets means nothing.
    """
    try:
        found = resolve_instances(fleet, targets)
    except (NoSuchTargetError, AmbiguousTargetError) as error:
        raise BadCommandError(str(error)) from error
    chosen: dict[AppId, list[int]] = {}
    for identity in found:
        chosen.setdefault(identity.app_id, []).append(identity.instance)
    rows: list[RowKey] = []
    for app, numbers in chosen.items():
        whole = len(numbers) == len(fleet.apps[app].instances) > 1
        rows += [RowKey(app)] if whole else [RowKey(app, number) for number in numbers]
    return tuple(rows)


def row_names(fleet: Fleet) -> tuple[str, ...]:
    """Return the names of all rows: apps, and the instances of those that have several."""
    names: list[str] = []
    for app in sorted(fleet.apps):
        names.append(str(app))
        numbers = sorted(fleet.apps[app].instances)
        names += [row_name(RowKey(app, number)) for number in numbers if len(numbers) > 1]
    return tuple(names)


def target_names(fleet: Fleet) -> tuple[str, ...]:
    """Return what may be a target: rows, ``all``, and the namespaces."""
    spaces = {app.record.namespace for app in fleet.apps.values() if app.record is not None}
    return (*row_names(fleet), "all", *(f"@{space}" for space in sorted(filter(None, spaces))))
