"""What the user chose of the view, kept in a file between runs of the screen.

A file that cannot be read is ignored, and replaced when the view is changed or the screen closes.
"""

import os
from typing import Any, Literal

import msgspec

from monit_agent.system.files.replaced_file import replace_file
from monit_tui.model.kept_file import FILE, MOST_BYTES
from monit_tui.model.processes.rows import SortColumn

AppPair = tuple[str, str]
"""Host ("" for this machine) and name of an app."""


class ViewState(msgspec.Struct, frozen=True, kw_only=True):
    """Order, grouping and columns of the list, how log lines are shown, and the theme."""

    sort: SortColumn = "name"
    reverse: bool = False
    flat: bool = False
    folded: tuple[AppPair, ...] = ()
    unfolded: tuple[AppPair, ...] = ()
    hidden_columns: tuple[str, ...] = ()
    column_order: tuple[str, ...] = ()
    """Names of columns; those that it lacks come last."""
    not_asked: tuple[str, ...] = ()
    """Actions that are done without a question."""
    theme: str = ""
    """As ``MONIT_THEME``, which goes first; "" chooses by the terminal."""
    pages: Any = None
    """``dark`` or ``light`` by kind of terminal, as `preferences/page.py` reads it: what is not
    valid there costs the user no other choice."""
    log_wrap: bool = False
    log_stamps: Literal["time", "date", "since", "off"] = "time"
    log_json: Literal["compact", "fields", "raw"] = "compact"
    log_folds: bool = True


def load_state(home: str) -> tuple[ViewState, str]:
    """Return what was saved, and what is wrong with the file ("" if nothing is)."""
    path = os.path.join(home, FILE)
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
        return msgspec.json.decode(raw, type=ViewState), ""
    except FileNotFoundError:
        return ViewState(), ""
    except OSError as error:
        return ViewState(), f"{path} cannot be read ({error.strerror}); the default view is shown"
    except (msgspec.DecodeError, RecursionError) as error:
        return ViewState(), f"{path} is not valid ({error}); the default view is shown"


def save_state(home: str, state: ViewState) -> str:
    """Save the state; return what went wrong, or ""."""
    path = os.path.join(home, FILE)
    try:
        replace_file(path, msgspec.json.format(msgspec.json.encode(state)) + b"\n", sync=False)
    except FileNotFoundError:
        return ""  # without a home there are no apps, and nothing is worth keeping
    except OSError as error:
        return f"{path} cannot be written ({error.strerror}); the view is not kept"
    return ""
