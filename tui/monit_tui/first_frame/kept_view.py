"""What the user chose of the list's view, read without msgspec, whose import takes too long."""

import os
from typing import Any, NamedTuple, cast

from monit_agent.system import jsonline
from monit_agent.wire.ids import AppId
from monit_tui.model.kept_file import FILE, MOST_BYTES
from monit_tui.model.processes.rows import SORT_COLUMNS, Arrangement
from monit_tui.widgets.processes.columns import COLUMN_NAMES, known_columns

CHOICES = {
    "log_stamps": ("time", "date", "since", "off"),
    "log_json": ("compact", "fields", "raw"),
}
"""What `model/view_state.py` allows."""


class KeptView(NamedTuple):
    """As `model/view_state.py` keeps it, as far as the first frame needs it."""

    arrangement: Arrangement = Arrangement()
    hidden_columns: frozenset[str] = frozenset()
    column_order: tuple[str, ...] = COLUMN_NAMES
    theme: str = ""
    pages: object = None


def read_kept_view(home: str) -> KeptView:
    """Return what was kept in a home; the default view where the file is missing or not valid,
    which the screen reports."""
    try:
        with open(os.path.join(home, FILE), "rb") as file:
            return _view_of(jsonline.load(file.read(MOST_BYTES + 1)))
    except (OSError, LookupError, TypeError, ValueError, RecursionError, AttributeError):
        return KeptView()


def _view_of(kept: dict[str, Any]) -> KeptView:
    """Return the view in a file's JSON. Raise what Python raises for one that has other types."""
    sort = kept.get("sort", "name")
    theme = kept.get("theme", "")
    if sort not in SORT_COLUMNS or not isinstance(theme, str):
        raise ValueError(sort)
    _check_others(kept)
    columns = known_columns(kept.get("hidden_columns", ()), kept.get("column_order", ()))
    how = Arrangement(
        sort=sort,
        reverse=_flag(kept, "reverse"),
        flat=_flag(kept, "flat"),
        folded=_apps(kept, "folded"),
        unfolded=_apps(kept, "unfolded"),
    )
    return KeptView(how, *columns, theme, kept.get("pages"))


def _check_others(kept: dict[str, Any]) -> None:
    """Raise what Python raises for other types in what the first frame does not need: the screen
    shows the default view for them, too."""
    for name in ("log_wrap", "log_folds"):
        _flag(kept, name)
    for name in ("hidden_columns", "column_order", "not_asked"):
        if not all(isinstance(one, str) for one in _items(kept.get(name, []))):
            raise TypeError(name)
    for name, choices in CHOICES.items():
        if kept.get(name, choices[0]) not in choices:
            raise ValueError(name)


def _flag(kept: dict[str, Any], name: str) -> bool:
    value = kept.get(name, False)
    if not isinstance(value, bool):
        raise TypeError(name)
    return value


def _apps(kept: dict[str, Any], name: str) -> frozenset[AppId]:
    pairs = [_items(pair) for pair in _items(kept.get(name, []))]
    if not all([*map(type, pair)] == [str, str] for pair in pairs):
        raise TypeError(name)
    return frozenset(AppId(host, app) for host, app in pairs)


def _items(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return cast("list[Any]", value)
