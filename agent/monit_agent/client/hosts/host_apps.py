"""Folds what a bridge says of its apps into a fleet that may have those of other hosts too."""

import time
from collections.abc import Iterator, Mapping

from monit_agent.client import fold
from monit_agent.client.source import LogChunk, PendingChanges
from monit_agent.client.view import AppView, Fleet, HostState, HostView, LinkState
from monit_agent.wire import bridge
from monit_agent.wire.ids import AppId, InstanceId


class HostApps:
    """The apps of one host; what they change is added to ``changes``."""

    def __init__(self, fleet: Fleet, host: HostView, changes: PendingChanges) -> None:
        self.followed: frozenset[InstanceId] = frozenset()
        """Instances whose log bytes are taken."""
        self._fleet = fleet
        self._host = host
        self._changes = changes
        self._seen: set[AppId] = set()
        """Apps that the host has named on this line."""

    def begin(self) -> None:
        """Expect all apps again, on a new line."""
        self._seen.clear()

    def handle(self, message: bridge.AppMessage) -> None:
        """Fold one message."""
        match message:
            case bridge.AppReport():
                self._fold_report(message)
            case bridge.AppGone():
                self._drop(AppId(self._host.name, message.app))
            case bridge.Listed():
                self._all_listed()
            case bridge.Samples():
                self._fold_samples(message)
            case bridge.LogBytes():
                self._add_log(message)

    def set_state(self, state: HostState, problem: str | None) -> None:
        """Note whether the host is heard; its apps are stale when it is not."""
        self._host.state, self._host.problem = state, problem
        for app in self._of_host():
            if state != "live":
                app.link = "gone" if app.link == "gone" else "stale"
                app.problem = problem
            self._changes.apps.add(app.id)

    def mark_heard(self) -> None:
        """Note that the host is there: what is known of its apps is as good as what it knows."""
        now = time.monotonic()
        for app in self._of_host():
            if app.link == "live":
                app.heard_at = now

    def drop_all(self) -> None:
        """Drop all apps of the host."""
        for app in list(self._of_host()):
            self._drop(app.id)
        self._host.is_listed = False

    def _of_host(self) -> Iterator[AppView]:
        return (app for app in self._fleet.apps.values() if app.id.host == self._host.name)

    def _all_listed(self) -> None:
        """Drop the apps of an earlier line that are not there any more."""
        for app in list(self._of_host()):
            if app.id not in self._seen:
                self._drop(app.id)
        self._host.is_listed = True

    def _drop(self, name: AppId) -> None:
        if self._fleet.apps.pop(name, None) is not None:
            self._changes.apps.add(name)

    def _fold_report(self, report: bridge.AppReport) -> None:
        name = AppId(self._host.name, report.app)
        first = name not in self._seen
        self._seen.add(name)
        view = self._fleet.apps.get(name)
        if view is None:
            view = self._fleet.apps[name] = AppView(name)
        known = {} if first else {n: each.record for n, each in view.instances.items()}
        known.update((record.instance, record) for record in report.instances)
        fold.set_instances(view, [known[number] for number in report.numbers if number in known])
        view.record, view.rollout, view.epoch = report.record, report.rollout, report.epoch
        view.agent_pid, view.agent_version = report.agent_pid, report.agent_version
        view.keeper_alive = report.keeper_alive
        view.link = _link(report.link)
        view.problem = _with_host(self._host.name, report)
        view.alerts, view.mutes, view.hooks = report.alerts, report.mutes, report.hooks
        view.logs = {(end.instance, end.stream): end for end in report.logs}
        view.heard_at = None if report.age_s is None else time.monotonic() - report.age_s
        # of a new line, the first report has all events; of a clock that was set back, old times
        known_events = {(each.at, each.seq) for each in view.events}
        new = [e for e in report.events if not first or (e.at, e.seq) not in known_events]
        was_known = not first or bool(view.events)
        view.events.extend(new)
        if was_known:
            self._changes.events += [(name, event) for event in new]
        self._changes.apps.add(name)

    def _fold_samples(self, message: bridge.Samples) -> None:
        view = self._fleet.apps.get(AppId(self._host.name, message.app))
        if view is None or view.epoch is None or view.link != "live":
            return
        now = time.monotonic()
        for number, sample in message.samples.items():
            fold.apply_sample(view, view.epoch, number, sample, now)
        self._changes.sampled.add(view.id)

    def _add_log(self, message: bridge.LogBytes) -> None:
        who = InstanceId(self._host.name, message.app, message.instance)
        view = self._fleet.apps.get(who.app_id)
        if view is None or who not in self.followed:
            return  # it was on its way when following ended
        end = message.offset + len(message.data)
        fold.extend_log(view, who.instance, message.stream, end)
        self._changes.add_log(
            LogChunk(who, message.stream, message.offset, message.data, message.times)
        )


def _link(word: str) -> LinkState:
    """Return the state of a link; ``stale`` for one that only another version knows."""
    known: Mapping[str, LinkState] = {
        "connecting": "connecting", "live": "live", "stale": "stale", "gone": "gone",
    }  # fmt: skip
    return known.get(word, "stale")


def _with_host(host: str, report: bridge.AppReport) -> str | None:
    """Return the problem of an app, which names the app, with its host."""
    problem = report.problem
    if problem is None:
        return None
    return f"{host}:{problem}" if problem.startswith(f"{report.app}:") else f"{host}: {problem}"
