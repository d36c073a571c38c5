"""Which apps have to wait for others when ``monit boot`` starts them.

An app that waits for one which has failed stays without a keeper, and is started when that one has
been repaired. Nobody waits for an app that is not to run: all is to be as it was.
"""

import time
from collections.abc import Callable

from monit_agent.boot.app_watch import AppWatch
from monit_agent.boot.stored_app import read_stored_app
from monit_agent.keeper.line_channel import LineChannel, connected
from monit_agent.keeper.loop import Loop
from monit_agent.typed import Any
from monit_agent.wire.order import (
    NOT_RUNNING,
    Dependency,
    InstanceState,
    find_cycle,
    read_instance,
    unmet,
)
from monit_agent.wire.paths import AppPaths

AGAIN_S = 0.2
"""Next connection to a keeper that does not answer now."""


class StartQueue:
    """Apps that wait for their keepers. ``changed`` is called when one may be started that could
    not before, or when it is known why one cannot."""

    def __init__(self, loop: Loop, apps: dict[str, AppWatch], changed: Callable[[], None]) -> None:
        self._loop = loop
        self._apps = apps
        self._changed = changed
        self._waiting: dict[str, tuple[Dependency, ...]] = {}
        self._followed: dict[str, FollowedKeeper] = {}

    def add(self, name: str) -> None:
        """Let an app wait for what it comes after, as its state says."""
        saved = read_stored_app(self._apps[name].paths.state)
        self._waiting[name] = saved.after if saved.starts else ()
        cycle = find_cycle(self._waiting)
        for each in cycle:  # no file can have one; the apps are started all the same
            self._waiting[each] = ()

    def discard(self, name: str) -> None:
        """Let an app wait no more: somebody else has started it, or it was deleted."""
        self._waiting.pop(name, None)
        self._follow_needed()

    def clear(self) -> None:
        """Let nothing wait any more."""
        self._waiting.clear()
        self._follow_needed()

    def take(self) -> str | None:
        """Return an app that may be started now; it does not wait any more."""
        self._follow_needed()
        for name, dependencies in self._waiting.items():
            if all(self._problem(each) == "" for each in dependencies):
                del self._waiting[name]
                return name
        return None

    def awaited(self) -> set[str]:
        """Return the apps that will be started, as far as is known."""
        return self._waiting.keys() - self.problems().keys()

    def problems(self) -> dict[str, str]:
        """Return, by the names of apps, why they cannot be started."""
        found: dict[str, str] = {}
        for name, dependencies in self._waiting.items():
            for each in dependencies:
                problem = self._problem(each)
                if problem:
                    found[name] = f"comes after {each.app}, {problem}"
        return found

    def _problem(self, dependency: Dependency) -> str | None:
        """Return "" when the dependency is met, why it is not, or None while that is not known."""
        app = self._apps.get(dependency.app)
        if app is None:
            return ""
        if app.problem is not None:
            return "which cannot be started"
        if dependency.app in self._waiting:
            held = any(self._problem(each) for each in self._waiting[dependency.app])
            return "which waits for another app" if held else None
        keeper = self._followed.get(dependency.app)
        if keeper is None or keeper.instances is None:
            return None
        problem = unmet(keeper.instances.values(), dependency.state)
        return "" if problem == NOT_RUNNING else problem

    def _follow_needed(self) -> None:
        """Follow the keepers of exactly those apps that others wait for."""
        needed = {each.app for after in self._waiting.values() for each in after}
        needed = {name for name in needed if name in self._apps and name not in self._waiting}
        for name in self._followed.keys() - needed:
            self._followed.pop(name).close()
        for name in needed - self._followed.keys():
            self._followed[name] = FollowedKeeper(self._loop, self._apps[name].paths, self._changed)


class FollowedKeeper:
    """How far the instances of an app are, as its keeper reports it; ``instances`` is None while
    no keeper answers."""

    def __init__(self, loop: Loop, paths: AppPaths, changed: Callable[[], None]) -> None:
        self.instances: dict[int, InstanceState] | None = None
        self._loop = loop
        self._paths = paths
        self._changed = changed
        self._channel: LineChannel | None = None
        self._connect()

    def close(self) -> None:
        """Follow it no more."""
        self._loop.set_alarm(self._alarm(), None, self._connect)
        if self._channel is not None:
            self._channel.close()

    def _alarm(self) -> str:
        return f"follow {self._paths.name}"

    def _connect(self) -> None:
        sock = connected(self._paths.keeper)
        if sock is None:
            self._loop.set_alarm(self._alarm(), time.monotonic() + AGAIN_S, self._connect)
            return
        self._channel = LineChannel(self._loop, sock, self._received, self._lost)
        self._channel.send({"id": 0, "do": "hello", "role": "boot"})

    def _received(self, message: dict[str, Any]) -> None:
        if message.get("snapshot"):
            records = message["snapshot"]["instances"]
            self.instances = {each["instance"]: read_instance(each) for each in records}
        elif message.get("type") == "instance_changed" and self.instances is not None:
            record = message["instance"]
            self.instances[record["instance"]] = read_instance(record)
        elif message.get("type") == "instance_removed" and self.instances is not None:
            self.instances.pop(message["instance"], None)
        else:
            return
        self._changed()

    def _lost(self) -> None:
        self._channel, self.instances = None, None
        self._loop.set_alarm(self._alarm(), time.monotonic() + AGAIN_S, self._connect)
