"""``--watch``: from changed files to restarts, not too many of them, and what is shown of that."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from monit_agent.agent.restarts.file_watch import FileWatch, WatchReports
from monit_agent.agent.restarts.own_files import written_by
from monit_agent.agent.restarts.watch_brake import WatchBrake
from monit_agent.agent.restarts.watch_filter import NamedPaths, WatchFilter, watched_folders
from monit_agent.system.mounts import waiting_mount
from monit_agent.wire.messages import WatchState

LONGEST_S = 5.0
"""When files change all the time: restart at least this long after the first change, and at least
`LONGEST_DELAYS` times the delay."""

LONGEST_DELAYS = 4.0

NAMED = 3
"""How many files a reason names."""

WINDOW_S = 600.0
"""The time over which restarts are counted for the event."""

CAUSE_CHARACTERS = 200
"""A path may be longer; the text is cut, since it is published with the app."""


class WatchedApp(NamedTuple):
    """What is watched, as the app's record has it."""

    folder: str
    """The working directory, from which the patterns count."""
    paths: tuple[str, ...]
    """Files and folders that are watched."""
    ignored: tuple[str, ...]
    delay_s: float
    """A restart waits until nothing changed for this long, so that a checkout is one change."""
    argv: tuple[str, ...]


class WatchActions(NamedTuple):
    """What `WatchRestarts` calls."""

    restart: Callable[[str], bool]
    """Restart the app for this reason; returns False when nothing of it runs."""
    processes: Callable[[], Iterable[int]]
    """Return the pids of the app."""
    show: Callable[[WatchState], None]
    """Publish the state."""
    record: Callable[[str, str], None]
    """Add an event of this kind with this text."""


class WatchRestarts:
    """Restarts one app when its files change."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app: WatchedApp,
        home: str,
        actions: WatchActions,
    ) -> None:
        self.app = app
        self._loop = loop
        self._actions = actions
        self._brake = WatchBrake()
        self._state = WatchState()
        self._changed: set[str] = set()
        self._first_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waits = False
        """Whether the timer is that of the brake."""
        self._recorded = False
        self._problems: dict[str, str] = {}
        """Why a folder cannot be watched, by path."""
        rules = NamedPaths(app.paths, WatchFilter(app.folder, home, app.ignored, app.argv))
        # without a look at what may not answer: a path is then a folder
        self._roots = [*app.paths] if waiting_mount(*app.paths) else watched_folders(app.paths)
        self._watches = [self._watch(root, rules) for root in self._roots]

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        for watch in self._watches:
            watch.close()

    def _watch(self, root: str, rules: NamedPaths) -> FileWatch:
        reports = WatchReports(
            self._files_changed, partial(self._failed, root), partial(self._works, root)
        )
        return FileWatch(self._loop, root, rules.matters, reports)

    # ------------------------------------------------------------ what the watch reports

    def _files_changed(self, paths: set[str]) -> None:
        now = self._loop.time()
        self._brake.changed(now)
        if not self._changed:
            self._first_at = now
        self._changed |= paths
        if not self._waits:
            delay_s = self.app.delay_s
            latest = self._first_at + max(LONGEST_S, LONGEST_DELAYS * delay_s)
            self._schedule(min(now + delay_s, max(now, latest)))

    def _schedule(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._restart_if_due)

    def _failed(self, path: str, why: str) -> None:
        if self._problems.get(path) != why:
            self._problems[path] = why
            self._actions.record("watch_failed", why)
            self._show(problem=why)

    def _works(self, path: str) -> None:
        if self._problems.pop(path, None) is not None:
            self._actions.record("watch_resumed", f"{path} is watched again")
            self._show(problem=next(iter(self._problems.values()), None))

    # ------------------------------------------------------------ restarts

    def _restart_if_due(self) -> None:
        self._timer, self._waits = None, False
        now = self._loop.time()
        # those that the app has open are its own data: a database, a log
        self._changed -= written_by(self._actions.processes(), self._changed)
        if not self._changed:
            return
        due = self._brake.restart_at(now)
        if due > now:
            self._slow_down(now, due)
        else:
            self._restart(now)

    def _slow_down(self, now: float, due: float) -> None:
        """Let the restart wait, and show that; record it once."""
        self._waits = True
        self._schedule(due)
        cause, until = self._cause(), time.time() + due - now
        if not self._recorded:
            self._recorded = True
            count = self._brake.restarts_within(WINDOW_S, now)
            self._actions.record(
                "watch_slowed",
                f"{count} restarts within {WINDOW_S:.0f} s; the next one, for {cause}, waits "
                f"{due - now:.0f} s, later ones longer; if the app writes this itself, use "
                "--ignore-watch",
            )
        self._show(slowed_until=until, last_cause=cause)

    def _restart(self, now: float) -> None:
        cause = self._cause()
        replaced = next((root for root in self._roots if root in self._changed), None)
        self._changed.clear()
        why = f"folder replaced: {replaced}" if replaced else f"files changed: {cause}"
        if not self._actions.restart(why):
            return
        self._brake.restarted(now)
        wait_s = self._brake.wait_s
        self._recorded = self._recorded and wait_s > 0.0
        self._show(
            restarts=self._state.restarts + 1,
            last_at=time.time(),
            last_cause=cause,
            slowed_until=time.time() + wait_s if wait_s else None,
        )

    def _cause(self) -> str:
        return summary_of(self._changed, self.app.folder)

    def _show(self, **changed: object) -> None:
        self._state = replace(self._state, **changed)
        self._actions.show(self._state)


def summary_of(paths: set[str], folder: str) -> str:
    """Return the first names, relative to the folder, and how many more there are.

    A folder is left out when files in it are named.
    """
    if folder in paths:
        return "the folder itself"
    inner = {os.path.dirname(path) for path in paths}
    names = sorted(os.path.relpath(path, folder) for path in paths - inner)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    text = ", ".join(names[:NAMED]) + more
    return text.encode(errors="replace").decode()[:CAUSE_CHARACTERS]
