"""A replayed app publishes what a real keeper publishes."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from monit_agent.replay.app import ReplayedApp
from monit_agent.replay.commands import WHO, carry_out
from monit_agent.replay.timeline import Timeline
from monit_agent.replay.workers import WorkerPlan
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.wire.messages import (
    Accepted,
    CancelReload,
    Delete,
    Reload,
    Request,
    Reset,
    Restart,
    Sample,
    Scale,
    Start,
    Stop,
)
from support.keeper import KeptApp
from support.ports import free_port
from support.waiting import wait_until

# a new worker takes over as soon as it is ready: how long its start takes changes nothing
POLICY = RestartPolicy(min_uptime_s=0.0, backoff_first_s=0.01, max_restarts=3, kill_timeout_s=20.0)
PLANS = {
    "run": WorkerPlan(ready_after_s=0.02),
    "hang": WorkerPlan(),
    "exit": WorkerPlan(exits_after_s=0.02, code=3),
}


class Side(Protocol):
    """One of the two that live through the story."""

    updates: list[dict[str, Any]]

    def plan(self, word: str) -> None:
        """Let workers that start from now on do this."""

    def request(self, request: Request) -> None:
        """Send a request that is accepted."""

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until ``condition``."""

    def until_running(self, pid: int) -> None:
        """Let time pass until the worker handles signals."""


def instance(side: Side, number: int) -> dict[str, Any]:
    """Return the last record of an instance, {} without one."""
    found: dict[str, Any] = {}
    for update in side.updates:
        if update["type"] == "instance_changed" and update["instance"]["instance"] == number:
            found = update["instance"]
        if update["type"] == "instance_removed" and update["instance"] == number:
            found = {}
    return found


def count(side: Side, kind: str) -> int:
    """Return how many events of this kind there were."""
    return sum(
        update["type"] == "event_added" and update["event"]["kind"] == kind
        for update in side.updates
    )


def live_through_it(side: Side) -> None:
    """Start, restart, crash, reload well and badly, cancel, scale, stop, reset, delete."""

    def online(number: int) -> bool:
        record = instance(side, number)
        return record.get("status") == "online" and record["replacement"] is None

    def replacing(number: int) -> bool:
        replacement = instance(side, number)["replacement"]
        return replacement is not None and replacement["pid"] is not None

    side.until(lambda: online(0))
    side.request(Restart(instances=(0,)))
    side.until(lambda: online(0) and instance(side, 0)["restarts"] == 1)
    side.plan("exit")
    side.request(Restart())
    side.until(lambda: instance(side, 0)["status"] == "errored")
    side.request(Reset())
    side.plan("run")
    side.request(Start())
    side.until(lambda: online(0))
    side.request(Scale(count=2))
    side.until(lambda: online(1))
    side.request(Reload())
    side.until(lambda: count(side, "reload_done") == 1 and online(0) and online(1))
    side.plan("exit")
    side.request(Reload())
    side.until(lambda: count(side, "reload_failed") == 1 and online(0))
    side.plan("hang")
    side.request(Reload(parallel=1))
    side.until(lambda: replacing(0))
    side.until_running(instance(side, 0)["replacement"]["pid"])
    side.request(CancelReload())
    side.until(lambda: count(side, "reload_failed") == 2 and online(0))
    side.request(Stop(instances=(1,)))
    side.until(lambda: instance(side, 1)["status"] == "stopped")
    side.request(Scale(count=1))
    side.until(lambda: not instance(side, 1))
    side.request(Delete())
    side.until(lambda: side.updates[-1]["type"] == "app_deleted")


class RealSide:
    """A real keeper with real processes."""

    def __init__(self, home: Path, policy: RestartPolicy = POLICY) -> None:
        self.home = home
        self.plan("run")
        self.app = KeptApp(home)
        program = Path(__file__).parents[2] / "programs" / "planned_worker.py"
        self.app.start(
            sys.executable,
            str(program),
            policy=policy,
            wait_ready=True,
            listen=(f":{free_port()}",),
        )
        self.line = self.app.connect()
        snapshot = self.line.request("hello", role="test", pid=0)["snapshot"]
        self.updates = [{"type": "event_added", "event": event} for event in snapshot["events"]]
        self.updates += [
            {"type": "instance_changed", "instance": one} for one in snapshot["instances"]
        ]

    def plan(self, word: str) -> None:
        (self.home / "plan").write_text(word)

    def request(self, request: Request) -> None:
        fields = {
            name: value
            for name in ("instances", "count", "parallel")
            if (value := getattr(request, name, None)) is not None
        }
        answer = self.app.request(request.__struct_config__.tag, by=WHO, **fields)
        assert answer["ok"], answer

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.updates.append(self.line.read())

    def until_running(self, pid: int) -> None:
        wait_until((self.home / f"running-{pid}").exists, what="the worker handles signals")

    def close(self) -> None:
        self.line.close()
        self.app.close()


class ReplayedSide:
    """The same app, replayed."""

    def __init__(self, policy: RestartPolicy = POLICY) -> None:
        self.updates: list[dict[str, Any]] = []
        self._word = "run"
        spec = AppSpec(
            name="web", script="worker.py", argv=("python", "worker.py"), cwd="/", user="u",
            policy=policy, wait_ready=True, listen=(":80",), created_at=1000.0,
        )  # fmt: skip
        self.app = ReplayedApp(spec, lambda _, at: Sample(at=at), self._plan)
        self.timeline = Timeline(1000.0)
        record_all(self.app, self.updates)
        self.app.enter(self.timeline, lambda *_: None)
        snapshot = as_json(self.app.supervisor.snapshot())
        self.updates += [{"type": "event_added", "event": event} for event in snapshot["events"]]
        self.updates += [
            {"type": "instance_changed", "instance": one} for one in snapshot["instances"]
        ]

    def _plan(self, _instance: int, _start: int) -> WorkerPlan:
        return PLANS[self._word]

    def plan(self, word: str) -> None:
        self._word = word

    def request(self, request: Request) -> None:
        answer = carry_out(self.app, request)
        assert isinstance(answer, Accepted), answer

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            due = self.timeline.next_due()
            assert due is not None, "nothing will happen any more"
            self.timeline.run_until(due)

    def until_running(self, pid: int) -> None:
        """A simulated worker handles signals from its start."""


def record_all(app: ReplayedApp, updates: list[dict[str, Any]]) -> None:
    """Add everything that the app publishes to ``updates``."""
    broadcast = app.broadcast

    def record(update: dict[str, Any]) -> None:
        updates.append(as_json(update))
        broadcast(update)

    app.broadcast = record  # type: ignore[method-assign]


def as_json(value: Any) -> Any:
    """Return ``value`` as it crosses a socket."""
    return json.loads(json.dumps(value))


def reload_in_place(side: Side) -> None:
    """Start two instances and let them reload themselves."""
    side.until(lambda: instance(side, 0).get("status") == "online")
    side.request(Scale(count=2))
    side.until(lambda: instance(side, 1).get("status") == "online")
    side.request(Reload())
    side.until(lambda: count(side, "reload_done") == 1)


def normalized(updates: list[dict[str, Any]]) -> list[str]:
    """Return the story without pids, times and what only the agent's own process does."""
    pids: dict[str, str] = {}

    def name_pid(found: re.Match[str]) -> str:
        return "pid " + pids.setdefault(found[1], f"<{len(pids)}>")

    lines: list[str] = []
    for update in updates:
        if update["type"] in ("log_changed", "sockets_changed"):
            continue  # what only a real keeper has
        if update["type"] == "event_added":
            event = update["event"]
            if event["kind"].startswith("agent_"):
                continue
            text = re.sub(r"pid (\d+)", name_pid, event["text"])
            text = re.sub(r"\d+(\.\d+)? s\b", "<time>", text)
            lines.append(f"{event['kind']} {event['instance']} {text!r} {event['by']}")
        elif update["type"] == "instance_changed":
            one = update["instance"]
            second = one["replacement"]
            lines.append(
                f"{one['instance']} {one['status']} {one['desired']} ready={one['ready']}"
                f" restarts={one['restarts']} failed={one['failed_starts']}"
                f" exits={[(end['code'], end['signal'], end['requested']) for end in one['exits']]}"
                f" replacement={second and (second['role'], second['ready'])}"
                f" reloading={one['reloading']}"
                f" reason={re.sub(r'[0-9.]+ s', '<time>', str(one['reason']))}"
            )
        elif update["type"] == "app_changed":
            lines.append(f"app {update['app']['instances']} {update['rollout']}")
        else:
            lines.append(str(update))
    return [re.sub(r"pid \d+", "pid", line) for line in lines]


def from_first_request(updates: list[dict[str, Any]]) -> list[str]:
    """Return the story without the start, of which a real client may see the end only."""
    lines = normalized(updates)
    return lines[next(at for at, line in enumerate(lines) if line.startswith("requested")) :]


def test_a_replayed_app_publishes_what_a_real_keeper_publishes(home: Path) -> None:
    """The same story gives the same updates and events in the same order."""
    real = RealSide(home)
    try:
        live_through_it(real)
    finally:
        real.close()
    replayed = ReplayedSide()
    live_through_it(replayed)

    expected, begin = from_first_request(real.updates), from_first_request(replayed.updates)
    assert expected == begin
    assert any("errored" in line for line in expected)
    assert any("reload_failed" in line for line in expected)
    assert any("draining" in line for line in expected)


def test_reloads_in_place_are_replayed_as_a_real_keeper_carries_them_out(home: Path) -> None:
    """The command runs for one instance after another, and no worker is replaced."""
    policy = POLICY._replace(reload_command=("true",))
    real = RealSide(home, policy)
    try:
        reload_in_place(real)
    finally:
        real.close()
    replayed = ReplayedSide(policy)
    reload_in_place(replayed)

    expected, got = normalized(real.updates), normalized(replayed.updates)
    begin = next(place for place, line in enumerate(got) if "to 2 instances" in line)
    start = next(place for place, line in enumerate(expected) if "to 2 instances" in line)
    assert expected[start:] == got[begin:]
    assert sum(line.startswith("reloaded ") for line in expected) == 2
    assert any("reloading=True" in line for line in expected)
