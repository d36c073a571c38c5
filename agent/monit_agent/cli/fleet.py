"""What a command needs to know of the apps before it does or shows anything."""

import os
import time
from collections.abc import Callable, Container, Iterable

from monit_agent.cli import output
from monit_agent.cli.columns import Row
from monit_agent.client import fold
from monit_agent.client.left import read_left
from monit_agent.client.live import LiveSource
from monit_agent.client.view import AppView, Identity
from monit_agent.wire.places import AppPlaces, app_places

ANSWER_WITHIN_S = 2.5
"""An agent answers within milliseconds; one that takes longer is reported and not waited for.
Less than `STALE_S`, so that it is reported here, with the process to end."""


def is_known(app: AppView) -> bool:
    """Whether the app's agent said everything once, or is known not to answer."""
    return app.epoch is not None or app.link in ("stale", "gone")


def gather(
    source: LiveSource,
    home: str,
    wanted: Callable[[str], bool],
    within_s: float = ANSWER_WITHIN_S,
) -> None:
    """Poll until every app whose name is ``wanted`` is known.

    Those whose agents do not answer are marked and completed with what their keepers left.
    """
    end = time.monotonic() + within_s
    source.poll(0.0)
    while True:
        unknown = [
            app for app in source.fleet.apps.values() if wanted(app.name) and not is_known(app)
        ]
        left = end - time.monotonic()
        if not unknown or left <= 0:
            break
        source.poll(left)
    for app in unknown:
        _mark_silent(app, app_places(home, app.name))
    for app in source.fleet.apps.values():
        if app.link in ("stale", "gone"):
            fill_from_disk(home, app)


def _mark_silent(app: AppView, places: AppPlaces) -> None:
    app.link = "stale"
    if app.problem is None:
        pid = _lock_holder(places.agent_lock)
        help_ = f"kill -9 {pid} and" if pid else f"see {places.agent_log}; when the agent ends"
        app.problem = (
            f"{app.name}: its agent does not answer within {ANSWER_WITHIN_S} s; "
            f"{help_} its keeper starts another, and the app goes on"
        )


def _lock_holder(path: str) -> int | None:
    """Give the process that holds the lock ``path``, as far as the kernel tells."""
    try:
        inode = os.stat(path).st_ino
        with open("/proc/locks", encoding="ascii") as file:
            held = [line.split() for line in file]
    except OSError:
        return None
    # 1: FLOCK  ADVISORY  WRITE 4695 08:01:131072 0 EOF
    found = [int(words[4]) for words in held if words[5].endswith(f":{inode}")]
    return found[0] if found and found[0] > 0 else None


def fill_from_disk(home: str, app: AppView) -> float | None:
    """Complete a silent app with what its keeper left, and give how old that is in seconds."""
    places = app_places(home, app.name)
    if app.record is None:
        left = read_left(places.state)
        if left is not None:
            app.record = left.app
            fold.set_instances(app, left.instances)
    heard = app.age_s(time.monotonic())
    if heard is not None:
        return heard
    try:
        return max(0.0, time.time() - os.stat(places.state).st_mtime)
    except OSError:
        return None


def rows_of(
    home: str, apps: Iterable[AppView], chosen: Container[Identity] | None = None
) -> list[Row]:
    """Give the rows of these apps in order of their names, silent ones from what is on disk."""
    rows: list[Row] = []
    for app in sorted(apps, key=lambda each: each.name):
        silent = app.link in ("stale", "gone")
        age_s = fill_from_disk(home, app) if silent else None
        views = [
            view
            for number, view in sorted(app.instances.items())
            if chosen is None or Identity(app.name, number) in chosen
        ]
        rows.extend(Row(app, view, age_s) for view in views)
        if not app.instances:
            rows.append(Row(app, None, age_s))
    return rows


def tell_problems(apps: Iterable[AppView]) -> None:
    """Say on stderr which agents do not answer and what to do."""
    for app in apps:
        if app.link in ("stale", "gone") and app.problem:
            output.complain(app.problem)
