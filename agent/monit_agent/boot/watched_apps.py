"""The apps of a home, each watched. Keepers that are missing are started, a few at a time, each
after what its app comes after."""

import os
from collections.abc import Callable

from monit_agent.boot.app_watch import AppWatch, WatchCallbacks
from monit_agent.boot.start_order import StartQueue
from monit_agent.boot.stored_app import read_stored_app
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.spawns import SpawnKeeper
from monit_agent.wire.order import dependents, start_layers
from monit_agent.wire.paths import BadNameError, app_paths, apps_folder, check_name

KEEPERS_AT_ONCE = 8
"""Starts at the same time: each needs a tenth of a second of CPU."""


class WatchedApps:
    """``settled(name, problem)`` is called when an app runs, cannot be started, was stopped or was
    deleted; ``revives(name)`` before a keeper is started for one that was there."""

    def __init__(
        self,
        loop: Loop,
        home: str,
        spawn: SpawnKeeper,
        settled: Callable[[str, str | None], None],
        revives: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._home = home
        self._spawn = spawn
        self._settled = settled
        self._revives = revives
        self._apps: dict[str, AppWatch] = {}
        self._queue = StartQueue(loop, self._apps, self._order_changed)
        self._starting: set[str] = set()
        self._held: set[str] = set()
        """Those of which it was reported that they wait for an app that has failed."""
        self._before: dict[str, set[str]] = {}
        """While all are stopped: by an app's name, those that are stopped before it."""
        self._left: set[str] | None = None
        """Those that nobody has begun to stop; None before all are."""

    def __len__(self) -> int:
        return len(self._apps)

    def find_new(self) -> None:
        """Watch the apps that were not known, and start the keepers that they lack."""
        new = [name for name in _app_names(self._home) if name not in self._apps]
        for name in new:  # all of them first: one may come after another
            self._apps[name] = self._new(name)
        for name in new:
            self._apps[name].look()

    def expect(self, name: str, keeper: int) -> None:
        """Watch an app whose keeper, with this pid, was just started by a request."""
        if name not in self._apps:
            self._apps[name] = self._new(name)
        self._queue.discard(name)
        self._apps[name].expect(keeper)

    def stop(self) -> float:
        """Stop all apps, each before those that it comes after; return the sum of the kill timeouts
        that may pass one after another, in seconds."""
        self.find_new()
        saved = {name: read_stored_app(app.paths.state) for name, app in self._apps.items()}
        after = {name: app.after for name, app in saved.items()}
        self._left, self._before = {*self._apps}, dependents(after)
        self._queue.clear()
        self._stop_next()
        layers = start_layers(saved, after)
        return sum(max(saved[name].kill_timeout_s for name in layer) for layer in layers)

    def _stop_next(self) -> None:
        """Stop the apps that nothing comes after any more."""
        running = set(self.running())
        for name in sorted(self._left or ()):
            if self._left and name in self._left and not running & self._before.get(name, set()):
                self._left.discard(name)
                self._apps[name].stop()

    def running(self) -> list[str]:
        """Return the names of those that are not stopped."""
        return [name for name, app in self._apps.items() if not app.stopped]

    def awaited(self) -> set[str]:
        """Return the names of those whose keeper is being started, or will be."""
        return self._queue.awaited() | self._starting

    def problems(self) -> list[str]:
        """Return which apps could not be started, and why."""
        failed = {name: app.problem for name, app in self._apps.items() if app.problem}
        return [f"{name}: {text}" for name, text in {**failed, **self._queue.problems()}.items()]

    def _new(self, name: str) -> AppWatch:
        calls = WatchCallbacks(self._needs_keeper, self._app_settled, self._forgotten)
        return AppWatch(self._loop, app_paths(self._home, name), self._spawn, calls)

    def _needs_keeper(self, app: AppWatch) -> None:
        if app.problem is None:
            self._revives(app.paths.name)
        if self._left is None:
            self._queue.add(app.paths.name)
            self._start_next()

    def _start_next(self) -> None:
        while self._left is None and len(self._starting) < KEEPERS_AT_ONCE:
            name = self._queue.take()
            if name is None:
                return
            self._starting.add(name)
            self._apps[name].start_keeper()

    def _order_changed(self) -> None:
        """Start what does not have to wait any more, and report what cannot be started."""
        self._start_next()
        problems = self._queue.problems()
        for name in problems.keys() | self._held:
            self._settled(name, problems.get(name))
        self._held = set(problems)

    def _app_settled(self, app: AppWatch) -> None:
        name = app.paths.name
        self._starting.discard(name)
        self._settled(name, app.problem)
        if self._left is None:
            self._start_next()
        else:
            self._stop_next()

    def _forgotten(self, app: AppWatch) -> None:
        app.close()
        self._apps.pop(app.paths.name, None)
        self._queue.discard(app.paths.name)
        if self._left is not None:
            self._left.discard(app.paths.name)
        self._app_settled(app)


def _app_names(home: str) -> list[str]:
    try:
        names = sorted(os.listdir(apps_folder(home)))
    except OSError:
        return []
    return [name for name in names if _is_app(home, name)]


def _is_app(home: str, name: str) -> bool:
    try:
        check_name(name)
    except BadNameError:
        return False
    return os.path.exists(app_paths(home, name).state)
