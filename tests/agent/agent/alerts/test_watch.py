"""Alerts of an app on a clock that the test moves: what fires, what is silent, and why."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from monit_agent.agent.alerts.watch import AlertOutput, AlertWatch
from monit_agent.agent.keeper.messages import KeeperSnapshot
from monit_agent.agent.keeper.state import AppState
from monit_agent.wire.messages import (
    AlertMute,
    AlertsChanged,
    AlertSettings,
    AppRecord,
    Checks,
    EventRecord,
    Exit,
    Health,
    HttpFigures,
    InstanceRecord,
    LoopFigures,
    Metric,
    RestartPolicy,
    Rollout,
    Sample,
    TreeFigures,
    Update,
)
from monit_agent.wire.paths import app_paths

LONG_AGO = 1000.0
MIB = 1024 * 1024


class WatchedApp:
    """An app with one instance, and its alerts; times are seconds of one clock."""

    def __init__(self, home: Path, **app: Any) -> None:
        self.now = 1_000_000.0
        self.paths = app_paths(str(home), "web")
        Path(self.paths.folder).mkdir(parents=True, exist_ok=True)
        self.events: list[tuple[int | None, str, str]] = []
        self.notices: list[tuple[str, int | None, str]] = []
        self.updates: list[Update] = []
        record = AppRecord(
            name="web", script="web.py", cwd="/", user="u", created_at=LONG_AGO, keeper_pid=1, **app
        )
        worker = InstanceRecord(
            instance=0, id=0, status="online", desired="running", ready=True, pid=10,
            started_at=LONG_AGO,
        )  # fmt: skip
        self.state = AppState(KeeperSnapshot(app=record, instances=(worker,)))
        self.start_agent()

    def start_agent(self) -> None:
        """Begin with what is on disk, as an agent does after the death of another one."""
        output = AlertOutput(self._record, self.updates.extend, self._notify, tuple)
        self.watch = AlertWatch(
            self.paths, lambda: self.state, output, clock=lambda: self.now, wall=lambda: self.now
        )
        self.watch.restore(self.state)

    def _record(self, instance: int | None, kind: str, text: str) -> None:
        self.events.append((instance, kind, text))

    def _notify(self, kind: str, instance: int | None, text: str, fields: dict[str, Any]) -> None:
        assert text.startswith(f"{fields['rule']}: ")
        self.notices.append((kind, instance, text))

    def change(self, **fields: Any) -> None:
        """Change the record of the instance."""
        record = self.state.instances[0]
        self.state.instances[0] = msgspec.structs.replace(record, **fields)

    def run(self, seconds: int = 1, **sample: Any) -> list[str]:
        """Let seconds pass with the same sample; return the texts of the events."""
        before = len(self.events)
        for _ in range(seconds):
            self.now += 1.0
            if 0 in self.state.instances:
                pid = self.state.instances[0].pid
                self.watch.sample_made(0, Sample(at=self.now, pid=pid, **sample))
            self.watch.every_second()
        return [text for _, _, text in self.events[before:]]

    def event(self, kind: str, text: str, by: str | None = None) -> None:
        """Let an event be recorded."""
        self.watch.event_added(EventRecord(seq=1, at=self.now, kind=kind, text=text, by=by))

    @property
    def kinds(self) -> list[str]:
        """Return the kinds of all events."""
        return [kind for _, kind, _ in self.events]


@pytest.fixture(name="app")
def _app(tmp_path: Path) -> WatchedApp:
    return WatchedApp(
        tmp_path,
        policy=RestartPolicy(max_memory_bytes=100 * MIB),
        checks=Checks(health_url="http://127.0.0.1/"),
    )


LAGS = {"loop": LoopFigures(lag_p99_ms=312.0)}
RUNS = {"loop": LoopFigures(lag_p99_ms=3.0)}


def _crash(app: WatchedApp, count: int = 3, **end: Any) -> None:
    times = tuple(app.now + 0.1 * number for number in range(count))
    ends = tuple(Exit(code=1, at=at, ran_s=1.0, **end) for at in times)
    app.change(restart_times=times, exits=ends)


def test_lag_fires_after_a_minute_and_is_over_after_another(app: WatchedApp) -> None:
    """The event says which value, which limit, and how long it lasted."""
    assert app.run(60, **LAGS) == []
    assert app.run(1, **LAGS) == ["loop-lag: event loop lag p99 312 ms, above 250 ms for 1m"]
    (alert,) = app.watch.records()
    assert (alert.rule, alert.instance, alert.value, alert.threshold) == ("loop-lag", 0, 312, 250)
    assert app.run(60, loop=LoopFigures(lag_p99_ms=220.0)) == []
    assert app.run(60, **RUNS) == []
    assert app.run(1, **RUNS) == ["loop-lag: event loop lag p99: over after 2m01s"]
    assert app.watch.records() == ()
    assert [type(each) for each in app.updates] == [AlertsChanged] * len(app.updates)


def test_memory_near_its_limit_fires_only_with_a_limit(app: WatchedApp, tmp_path: Path) -> None:
    """Much memory is no fault where nobody set a limit."""
    much = {"tree": TreeFigures(rss_bytes=95 * MIB)}
    assert app.run(61, **much) == ["memory: memory, of its limit 95 %, above 90 % for 1m"]

    free = WatchedApp(tmp_path / "other")
    assert free.run(600, tree=TreeFigures(rss_bytes=10_000 * MIB)) == []


def test_a_busy_processor_is_no_alert(app: WatchedApp) -> None:
    """There is no default rule about CPU."""
    assert app.run(3600, tree=TreeFigures(cpu_percent=400.0)) == []


def test_failed_requests_fire_when_they_are_many_and_a_large_part(app: WatchedApp) -> None:
    """Few requests that all fail are no alert, nor many among very many."""
    assert app.run(5, http=HttpFigures(requests_per_s=1.0, errors_per_s=1.0)) == []
    app.run(120, http=HttpFigures(requests_per_s=0.0, errors_per_s=0.0))
    assert app.run(300, http=HttpFigures(requests_per_s=100.0, errors_per_s=4.0)) == []
    texts = app.run(300, http=HttpFigures(requests_per_s=100.0, errors_per_s=10.0))
    assert texts == ["http-errors: HTTP requests that failed 5.1 %, above 5 %"]
    fine = {"http": HttpFigures(requests_per_s=100.0, errors_per_s=0.0)}
    assert app.run(165, **fine) == []
    assert len(app.run(10, **fine)) == 1
    assert app.watch.records() == ()


def test_a_crash_loop_speaks_and_one_crash_does_not(app: WatchedApp) -> None:
    """Three unplanned exits in five minutes; it is over five minutes after the last."""
    _crash(app, 2)
    assert app.run(100) == []
    _crash(app)
    assert app.run() == ["crash-loop: 3 unplanned exits within 5 minutes"]
    assert app.run(298) == []
    assert app.run(3) == ["crash-loop: unplanned exits within 5 minutes: over after 5m"]


def test_giving_up_fires_at_once_with_its_reason(app: WatchedApp) -> None:
    """It is over when a worker is online again for its minimal uptime."""
    app.change(status="errored", pid=None, started_at=None, reason="exited 16 times: exit code 3")
    assert app.run() == ["errored: failed and is not restarted: exited 16 times: exit code 3"]
    app.change(status="starting", pid=11, started_at=app.now, reason=None)
    assert app.run(5) == []
    app.change(status="online", started_at=app.now)
    assert app.run(2) == ["errored: failed and is not restarted: over after 6s"]


def test_a_failing_health_check_fires_when_its_worker_is_replaced(app: WatchedApp) -> None:
    """As the check's own count says; over 30 s after the first success."""
    app.run(3, health=Health(ok=False, failures=2))
    assert app.events == []
    app.watch.unhealthy(0, "health: status 500, 3 times in a row")
    assert [text for _, _, text in app.events] == [
        "unhealthy: the health check fails: health: status 500, 3 times in a row"
    ]
    app.change(pid=11, started_at=app.now)
    app.run(20, health=Health())
    assert app.run(30, health=Health(ok=True)) == []
    assert len(app.run(1, health=Health(ok=True))) == 1


def test_a_blocked_loop_fires_after_five_seconds(app: WatchedApp) -> None:
    """At once, because nothing is answered; over after 30 s without a block."""
    assert app.run(1, stuck_s=4.9) == []
    assert app.run(1, stuck_s=5.9) == ["stuck: event loop blocked 5.9 s, above 5 s"]
    assert app.run(30, stuck_s=0.0) == []
    assert len(app.run(1, stuck_s=0.0)) == 1


def test_during_a_reload_and_a_minute_after_only_exits_speak(app: WatchedApp) -> None:
    """A reload of an app that lags and crashes: the crash loop is announced, the lag later."""
    app.state.rollout = Rollout(current=(0,))
    _crash(app)
    assert app.run(200, **LAGS) == ["crash-loop: 3 unplanned exits within 5 minutes"]
    app.state.rollout = None
    app.change(restart_times=(), started_at=app.now)
    app.run(59, **LAGS)
    assert app.run(60, **LAGS) == []
    assert len(app.run(2, **LAGS)) == 1


@pytest.mark.parametrize("text", ["restart 0", "start", "scale to 3", "reload"])
def test_a_command_of_a_person_makes_it_quiet(app: WatchedApp, text: str) -> None:
    """From the command until a minute after all is settled."""
    app.event("requested", text, by="ann:1")
    app.change(status="starting")
    app.run(100, stuck_s=6.0)
    app.change(status="online")
    assert app.run(59, stuck_s=6.0) == []
    assert len(app.run(2, stuck_s=6.0)) == 1


@pytest.mark.parametrize(
    ("text", "by"), [("restart 0: health", None), ("trigger gc", "ann:1"), ("reset", "ann:1")]
)
def test_what_monit_does_itself_and_what_restarts_nothing_is_not_quiet(
    app: WatchedApp, text: str, by: str | None
) -> None:
    """A restart by monit is a reason to speak, and an action touches no process."""
    app.event("requested", text, by)
    assert len(app.run(1, stuck_s=6.0)) == 1


def test_a_young_worker_warms_up(app: WatchedApp) -> None:
    """Figures of its first minute begin no alert; with a grace of 0 they do."""
    app.change(started_at=app.now)
    assert app.run(119, **LAGS) == []
    assert len(app.run(2, **LAGS)) == 1


def test_what_is_stopped_or_gone_is_over(app: WatchedApp) -> None:
    """A person who stops an app is not left with its alerts."""
    app.run(1, stuck_s=6.0)
    app.change(desired="stopped", status="stopped", pid=None)
    assert app.run() == ["stuck: event loop blocked: over after 1s (it was stopped)"]
    app.change(desired="running", status="online", pid=11)
    app.run(301, stuck_s=6.0)
    del app.state.instances[0]
    app.watch.remove_instance(0)
    assert app.events[-1] == (
        None, "alert_cleared", "stuck: event loop blocked: over after 5m (the instance is gone)",
    )  # fmt: skip


def test_the_rules_of_the_user_add_replace_and_switch_off(tmp_path: Path) -> None:
    """A rule about one of the app's own metrics, another limit, and a default that is off."""
    rules = (
        "queue=metrics.queue > 100 for 5s",
        "loop-lag=loop_lag_p99_ms > 1s",
        "stuck=off",
        "low=http_rps < 1 for 2s",
        "of a newer monit=never mind",
    )
    app = WatchedApp(tmp_path, alerts=AlertSettings(rules=rules, grace_s=0.0))

    assert app.run(600, **LAGS, stuck_s=100.0) == []
    queue = {"metrics": {"queue": Metric(value=101.0)}}
    assert app.run(6, **queue) == ["queue: metrics.queue 101, above 100 for 5s"]
    assert app.run(3, http=HttpFigures(requests_per_s=0.5)) == ["low: http_rps 0.5, below 1 for 2s"]
    well = {"http": HttpFigures(requests_per_s=2.0), "metrics": {"queue": Metric(value=90.0)}}
    assert len(app.run(61, **well)) == 1
    app.state.app = msgspec.structs.replace(app.state.app, alerts=AlertSettings())
    assert app.run() == ["queue: the rule is gone: over after 1m05s (the rule was removed)"]


def test_a_mute_holds_back_and_ends_by_itself(app: WatchedApp) -> None:
    """What fires still when it ends is announced then, and what is muted survives the agent."""
    app.watch.set_mute(AlertMute(rule="stuck", until=app.now + 100.0))
    assert app.run(50, stuck_s=9.0) == []
    app.start_agent()
    assert app.run(49, stuck_s=9.0) == []
    assert [alert.silent for alert in app.watch.records()] == ["muted"]
    assert len(app.run(2, stuck_s=9.0)) == 1
    assert app.watch.mutes.current == ()


def test_an_agent_that_dies_while_an_alert_fires_repeats_nothing(app: WatchedApp) -> None:
    """One event when it fires, one when it is over, with many agents in between."""
    app.run(1, stuck_s=9.0)
    for _ in range(5):
        app.start_agent()
        app.run(20, stuck_s=9.0)
        app.start_agent()
        app.run(20)  # no data yet
    assert [alert.rule for alert in app.watch.records()] == ["stuck"]
    app.run(40, stuck_s=0.0)

    assert app.kinds == ["alert_fired", "alert_cleared"]
    assert [kind for kind, _, _ in app.notices] == app.kinds


def test_a_full_disk_keeps_the_alerts_in_memory(app: WatchedApp, tmp_path: Path) -> None:
    """Where nothing can be written, alerts fire all the same."""
    Path(app.paths.folder).rmdir()
    assert len(app.run(1, stuck_s=9.0)) == 1
    Path(app.paths.folder).mkdir()
    app.run(1, stuck_s=9.0)
    assert Path(app.paths.alerts).exists()
