"""Watches one app for what its rules are about; the rest of the agent calls this file.

It reads the rules once a second (`rules`), lets the engine judge (`engine`), keeps what must
outlive the agent (`state_file`), and has announcements recorded as events.
"""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from monit_agent.agent.alerts.disk import DiskWatch, MemoryKills
from monit_agent.agent.alerts.engine import AlertEngine, Announcement, Key
from monit_agent.agent.alerts.facts import Facts, Noted
from monit_agent.agent.alerts.mutes import Mutes
from monit_agent.agent.alerts.quiet import QuietTime
from monit_agent.agent.alerts.rules import DISK, RuleBook, rules_of
from monit_agent.agent.alerts.shown import alert_records, silence
from monit_agent.agent.alerts.state_file import AlertsFile
from monit_agent.agent.alerts.texts import announcement_text
from monit_agent.agent.journal import log
from monit_agent.agent.keeper.state import AppState
from monit_agent.wire.messages import (
    AlertMute,
    AlertRecord,
    AlertsChanged,
    AlertSettings,
    AppRecord,
    EventRecord,
    HookRecord,
    RestartPolicy,
    Sample,
    Update,
)
from monit_agent.wire.paths import AppPaths, home_of

DISK_EVERY_S = 10.0
MEMORY_KILLS_EVERY_S = 10.0


AlertFields = dict[str, Any]
"""Rule, value, threshold and metric of an alert."""


class AlertOutput(NamedTuple):
    """Where alerts go, and what clients see besides them."""

    record: Callable[[int | None, str, str], None]
    """Has the keeper record an event: instance, kind, text."""
    publish: Callable[[list[Update]], None]
    notify: Callable[[str, int | None, str, AlertFields], None]
    """Sends a notice: kind, instance, text, and what the alert is."""
    hooks: Callable[[], tuple[HookRecord, ...]]
    """Return the hooks and how they do."""


class AlertWatch:
    """The alerts of one app; ``state`` returns it, None before the keeper's first message."""

    def __init__(
        self,
        paths: AppPaths,
        state: Callable[[], AppState | None],
        output: AlertOutput,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._output = output
        self.hooks = output.hooks
        self._clock, self._wall = clock, wall
        self._engine = AlertEngine()
        self._quiet_time = QuietTime()
        self.disk = DiskWatch(home_of(paths.folder))
        self._disk_read_at = self._kills_read_at = -math.inf
        self._kills = MemoryKills()
        self._noted: dict[int, Noted] = {}
        self._settings: tuple[AlertSettings, RestartPolicy, object] | None = None
        self.book = RuleBook((), has_disk=False)
        """The rules that count now."""
        self.mutes = Mutes()
        self._file = AlertsFile(paths.alerts, self._engine, self.mutes)
        self._is_quiet = True
        self._published: tuple[object, ...] = (), (), ()

    # ------------------------------------------------------------ what the agent calls

    def restore(self, state: AppState) -> None:
        """Take over what an agent before this one knew, and what happened before."""
        now, wall = self._clock(), self._wall()
        self._file.load(now, wall)
        self._quiet_time.note_created(state.app.created_at, now, wall)
        for event in state.events:
            self._quiet_time.note_event(event, now, wall)
        for record in state.instances.values():
            noted = self._noted[record.instance] = Noted()
            noted.exits_seen = record.exits[-1].at if record.exits else None
            killed = self._engine.alerts.get(("out-of-memory", record.instance))
            noted.out_of_memory_at = killed.since if killed and killed.is_firing else None
        self._look_at_settings(state.app, now)
        self._is_quiet = self._quiet_time.is_quiet(state, now)
        for key in [key for key in self._engine.alerts if key[1] is not None]:
            if key[1] not in state.instances:
                self._announce(self._engine.drop(key, "the instance is gone", now))
        self._publish_changes(now)

    def event_added(self, event: EventRecord) -> None:
        """Look at an event of the app."""
        state, now = self._state(), self._clock()
        self._quiet_time.note_event(event, now, self._wall())
        if state is not None and not self._is_quiet:
            self._is_quiet = self._quiet_time.is_quiet(state, now)

    def sample_made(self, instance: int, sample: Sample) -> None:
        """Read the rules with the sample of this second."""
        state = self._state()
        record = state.instances.get(instance) if state else None
        if state is None or record is None:
            return
        now, wall = self._clock(), self._wall()
        noted = self._noted.setdefault(instance, Noted())
        noted.requests.add(sample.http)
        if sample.health is not None and sample.health.ok:
            noted.unhealthy = None
        self._kills.look_at_exits(record, noted, now)
        if record.desired == "stopped":
            self._drop_all(instance, "it was stopped", now)
            return
        self._read(Facts(state.app, record, sample, noted, now, wall))

    def unhealthy(self, instance: int, why: str) -> None:
        """Note that a worker is replaced because its health check failed as often as is allowed."""
        self._noted.setdefault(instance, Noted()).unhealthy = why
        state = self._state()
        record = state.instances.get(instance) if state else None
        if state is not None and record is not None:
            now, wall = self._clock(), self._wall()
            sample = Sample(at=wall, pid=record.pid)  # now: the next one is of its successor
            self._read(Facts(state.app, record, sample, self._noted[instance], now, wall))

    def every_second(self) -> None:
        """Look at the settings, the disk and the time, and publish what changed."""
        state = self._state()
        if state is None:
            return
        now = self._clock()
        self._look_at_settings(state.app, now)
        self._is_quiet = self._quiet_time.is_quiet(state, now)
        if now - self._kills_read_at >= MEMORY_KILLS_EVERY_S:
            self._kills_read_at = now
            self._kills.have_grown()
        if self.book.has_disk and now - self._disk_read_at >= DISK_EVERY_S:
            self._disk_read_at = now
            self._look_at_disk(now)
        if self.mutes.forget_old(self._wall()):
            self._engine.changed = True
        self._publish_changes(now)

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._noted.pop(instance, None)
        self._drop_all(instance, "the instance is gone", self._clock())

    def set_mute(self, mute: AlertMute) -> None:
        """Mute a rule, or all; or end that."""
        self.mutes.set(mute, self._wall())
        self._engine.changed = True
        self._publish_changes(self._clock())

    def records(self) -> tuple[AlertRecord, ...]:
        """Return what fires now, the longest first."""
        return alert_records(self._engine, self.book, self.mutes, self._clock(), self._wall())

    # ------------------------------------------------------------ reading

    def _read(self, facts: Facts) -> None:
        started, instance, now = facts.record.started_at, facts.record.instance, facts.now
        young = started is not None and facts.wall - started < facts.app.alerts.grace_s
        for rule in self.book.rules:
            reading, key = rule.read(facts), (rule.name, instance)
            if (reading is None or reading.level <= 0) and key not in self._engine.alerts:
                continue  # as almost always: all is well
            is_quiet = rule.speaks != "always" and (
                self._is_quiet or (young and rule.speaks == "warm")
            )
            muted = self.mutes.is_muted(rule.name)
            self._announce(
                self._engine.read(key, reading, rule.hold, now, quiet=is_quiet, muted=muted)
            )

    def _look_at_disk(self, now: float) -> None:
        key: Key = (DISK.name, None)
        reading = self.disk.read()
        muted, quiet = self.mutes.is_muted(DISK.name), self._is_quiet
        self._announce(self._engine.read(key, reading, DISK.hold, now, quiet=quiet, muted=muted))
        alert = self._engine.alerts.get(key)
        if alert is None or not alert.is_firing:
            self.disk.release()

    def _look_at_settings(self, app: AppRecord, now: float) -> None:
        settings = app.alerts, app.policy, app.checks
        if settings == self._settings:
            return
        self._settings = settings
        self.book, faults = rules_of(app)
        for fault in faults:
            log(f"a rule of an alert is left out: {fault}")
        for key in [key for key in self._engine.alerts if self.book.find(key[0]) is None]:
            self._announce(self._engine.drop(key, "the rule was removed", now))

    def _drop_all(self, instance: int, why: str, now: float) -> None:
        for key in [key for key in self._engine.alerts if key[1] == instance]:
            self._announce(self._engine.drop(key, why, now))

    # ------------------------------------------------------------ what goes out

    def _announce(self, announcement: Announcement | None) -> None:
        if announcement is None:
            return
        rule, instance = announcement.key
        text = announcement_text(self.book.find(rule), announcement)
        self._file.save(
            self._clock(), self._wall()
        )  # before the event: one that is lost is better than one that comes twice
        state = self._state()
        known = state is not None and instance in state.instances
        kind = f"alert_{announcement.what}"
        self._output.record(instance if known else None, kind, text)
        found = self.book.find(rule)
        threshold, metric = (found.threshold, found.unit) if found else (None, "")
        fields: AlertFields = {
            "rule": rule, "value": announcement.value, "threshold": threshold, "metric": metric,
        }  # fmt: skip
        self._output.notify(kind, instance, text, fields)

    def _publish_changes(self, now: float) -> None:
        if self._engine.changed:
            self._file.save(now, self._wall())
        mutes = self.mutes.current
        shown = tuple(
            (key, alert.since, alert.phase, silence(key, alert, self.mutes, now))
            for key, alert in self._engine.firing()
        )
        hooks = self._output.hooks()
        problems = tuple((hook.target, hook.problem) for hook in hooks)
        if (shown, mutes, problems) != self._published:
            self._published = (shown, mutes, problems)
            changed = AlertsChanged(alerts=self.records(), mutes=mutes, hooks=hooks)
            self._output.publish([changed])
