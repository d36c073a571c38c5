"""The apps that a command is about, and their state."""

import contextlib
import os
import time
from collections.abc import Callable, Container, Generator, Iterable, Sequence

from monit_agent.cli.control.hosts import host_problems, is_local, named_hosts, wait_for_hosts
from monit_agent.cli.control.selection import TargetSelection, needed_apps, select_targets
from monit_agent.cli.keepers.apps import app_names
from monit_agent.cli.render import output
from monit_agent.cli.render.columns import InstanceRow, rows_of_app
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.source import Source
from monit_agent.client.unreachable import show_saved_app
from monit_agent.client.view import AppView
from monit_agent.typed import TYPE_CHECKING
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.paths import AppPaths, app_paths

if TYPE_CHECKING:  # it takes 5 ms, in each command
    from monit_agent.client.public.session import ApiSource

ANSWER_WITHIN_S = 2.5
"""An agent answers within milliseconds; a slower one is reported, and the command does not wait.
Less than `STALE_S`, so that the report comes from here and names the process to kill."""


def open_source(home: str) -> "ApiSource":
    """Return a source of the apps of this machine, or of the hosts that the command names."""
    hosts = named_hosts()
    if not hosts:
        return LiveSource(home)
    from monit_agent.client.hosts.fleet_source import FleetSource  # noqa: PLC0415 — only with hosts

    return FleetSource(home, hosts)


def has_answered(app: AppView) -> bool:
    """Return whether the app's agent sent a snapshot, or is known not to answer."""
    return app.epoch is not None or app.link in ("stale", "gone")


def wait_for_agents(
    source: Source,
    home: str,
    included: Callable[[str], bool],
    within_s: float = ANSWER_WITHIN_S,
) -> None:
    """Poll until the state of every app with an ``included`` name is known.

    Apps whose agents do not answer are marked, and completed from the state that keepers saved.
    """
    wait_for_hosts(source)
    end = time.monotonic() + within_s
    source.poll(0.0)
    while True:
        unknown = [
            app
            for app in source.fleet.apps.values()
            if included(app.name) and not has_answered(app)
        ]
        remaining_s = end - time.monotonic()
        if not unknown or remaining_s <= 0:
            break
        source.poll(remaining_s)
    for app in filter(lambda each: is_local(each.id), unknown):
        _mark_silent(app, app_paths(home, app.id.app))
    for app in source.fleet.apps.values():
        if app.link in ("stale", "gone"):
            fill_from_disk(home, app)


def _mark_silent(app: AppView, paths: AppPaths) -> None:
    app.link = "stale"
    if app.problem is None:
        pid = _lock_holder(paths.agent_lock)
        remedy = (
            f"run kill -9 {pid} to make its keeper start a new agent"
            if pid
            else f"see {paths.agent_log}; its keeper starts a new agent when this one exits"
        )
        app.problem = (
            f"{app.name}: its agent did not answer within {ANSWER_WITHIN_S} s; {remedy} "
            "(the app keeps running)"
        )


def _lock_holder(path: str) -> int | None:
    """Return the pid that holds the lock ``path``; None when the kernel does not say."""
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
    """Complete a silent app of this machine from the state that its keeper saved; return the age of
    what is known of it, in seconds."""
    if not is_local(app.id):
        return app.age_s(time.monotonic())
    paths = app_paths(home, app.id.app)
    show_saved_app(app, paths)
    age_s = app.age_s(time.monotonic())
    if age_s is not None:
        return age_s
    try:
        return max(0.0, time.time() - os.stat(paths.state).st_mtime)
    except OSError:
        return None


def rows_of(
    home: str, apps: Iterable[AppView], chosen: Container[InstanceId] | None = None
) -> list[InstanceRow]:
    """Return the rows of these apps, sorted by name; those of silent apps are from disk."""
    rows: list[InstanceRow] = []
    for app in sorted(apps, key=lambda each: each.name):
        silent = app.link in ("stale", "gone")
        age_s = fill_from_disk(home, app) if silent else None
        rows += [
            row
            for row in rows_of_app(app, age_s)
            if row.view is None or chosen is None or row.view.identity in chosen
        ]
    return rows


def report_host_problems(source: Source) -> None:
    """Report on stderr which hosts cannot be used, and why."""
    for text in host_problems(source.fleet):
        output.write_error(text)


# ---------------------------------------------------------------- targets


@contextlib.contextmanager
def open_fleet(
    folder: str, targets: Sequence[str]
) -> "Generator[tuple[ApiSource, TargetSelection]]":
    """Yield a source that knows the apps of ``targets``, and the selection; close it at the end.

    Raise `CommandError` for a target that means nothing.
    """
    source = open_source(folder)
    try:
        wait_for_agents(source, folder, app_filter(targets, app_names(folder)))
        report_host_problems(source)
        yield source, select_targets(source.fleet, targets)
    finally:
        source.close()


def app_filter(targets: Sequence[str], names: Sequence[str]) -> Callable[[str], bool]:
    """Return which apps must be known to resolve ``targets``: only those named, where possible."""
    needed = None if named_hosts() else needed_apps(targets, names)
    return lambda name: needed is None or name in needed
