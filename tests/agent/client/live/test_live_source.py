"""`LiveSource` with real keepers, agents and workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.client.commands.blocking import (
    poll_until,
    request_and_wait,
    run_commands,
    wait_until_online,
)
from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.source import LogChunk
from monit_agent.client.view import AppView
from monit_agent.wire.ids import local_app, local_instance
from monit_agent.wire.messages import (
    Delete,
    LogPart,
    LogTail,
    Refused,
    Reload,
    Restart,
    Scale,
    Start,
    Stop,
)
from support.keeper import run_keeper, start_app
from support.processes import kill

TICKS = "import time\nfor n in range(10**9):\n    print('tick', n)\n    time.sleep(0.05)\n"
DIES = "print('cannot go on')\nraise SystemExit(3)\n"


@pytest.fixture(name="source")
def _source(home: Path) -> Iterator[LiveSource]:
    """Return a source that looks into the test's home."""
    source = LiveSource(str(home))
    yield source
    source.close()


def comes_online(source: LiveSource, name: str) -> AppView:
    """Wait until the app is there with all instances online."""
    last = list(wait_until_online(source, [local_app(name)], since=0.0))[-1]
    assert last.ok, last
    return source.fleet.apps[local_app(name)]


def pids(app: AppView) -> list[int | None]:
    return [view.record.pid for view in app.instances.values()]


def test_a_real_app_is_found_sampled_and_read(home: Path, source: LiveSource) -> None:
    """An app under its keeper appears online, with CPU and memory, and its lines arrive."""
    start_app(home, "web", TICKS, instances=2)
    app = comes_online(source, "web")
    chunks: list[LogChunk] = []
    source.follow_logs([local_instance("web", 1)])

    def complete() -> bool:
        chunks.extend(source.poll(0.1).logs)
        samples = [view.sample for view in app.instances.values()]
        return len(chunks) > 2 and all(sample and sample.tree.rss_bytes for sample in samples)

    assert poll_until(source, complete, 20.0)
    assert (app.link, app.problem, len(app.instances)) == ("live", None, 2)
    assert {chunk.identity.instance for chunk in chunks} == {1}
    assert b"tick" in b"".join(chunk.data for chunk in chunks)
    tail = request_and_wait(source, local_app("web"), LogTail(instance=1, stream="out", lines=3))
    assert isinstance(tail, LogPart)
    assert tail.data.startswith(b"tick ")


def test_commands_are_followed_to_their_ends(home: Path, source: LiveSource) -> None:
    """Restart, reload, stop, start, scale and delete end when a real keeper has done them."""
    start_app(home, "web", TICKS, instances=2)
    app = comes_online(source, "web")
    seen = set(pids(app))

    for request in (Restart(), Reload()):
        last = list(run_commands(source, {local_app("web"): request}))[-1]
        assert last.ok, last
        assert not seen & set(pids(app))
        seen.update(pids(app))
    for request, statuses in (
        (Stop(instances=(1,)), ["online", "stopped"]),
        (Start(), ["online", "online"]),
        (Scale(count=3), ["online"] * 3),
        (Scale(count=1), ["online"]),
    ):
        last = list(run_commands(source, {local_app("web"): request}))[-1]
        assert last.ok, last
        assert [view.record.status for view in app.instances.values()] == statuses
    assert list(run_commands(source, {local_app("web"): Delete()}))[-1].ok
    assert not source.fleet.apps


def test_an_app_that_cannot_live_fails_its_start(home: Path, source: LiveSource) -> None:
    """Starting what exits at once fails after some attempts, with code and reason."""
    since = time.time()
    start_app(home, "web", DIES, min_uptime_s=60.0)

    last = list(wait_until_online(source, [local_app("web")], since))[-1]

    assert last.finished
    assert not last.ok
    assert "exit code 3" in last.failed[0][1]


def test_a_killed_agent_comes_back_by_itself(home: Path, source: LiveSource) -> None:
    """After kill -9 of the agent the app is live again under the next one, workers untouched."""
    start_app(home, "web", TICKS)
    app = comes_online(source, "web")
    before, workers = app.agent_pid, pids(app)

    kill(before)

    assert poll_until(source, lambda: app.agent_pid != before and app.link == "live", 20.0)
    assert pids(app) == workers
    assert list(run_commands(source, {local_app("web"): Restart()}))[-1].ok


def test_an_app_without_keeper_and_agent_is_shown_and_taken_over(
    home: Path, source: LiveSource
) -> None:
    """When both are gone the row stays, says so and what to do; a new keeper takes it over."""
    paths = start_app(home, "web", TICKS, namespace="shop")
    app = comes_online(source, "web")
    worker = pids(app)
    assert app.record is not None
    # the agent brings back a keeper that dies, so it goes first, and at once the keeper after it
    _kill_both(app)

    late = LiveSource(str(home))
    assert poll_until(source, lambda: app.link == "gone", 20.0)
    assert poll_until(
        late, lambda: late.fleet.apps and late.fleet.apps[local_app("web")].link == "gone", 20.0
    )
    answer = request_and_wait(source, local_app("web"), Restart(), timeout_s=60.0)
    found = late.fleet.apps[local_app("web")]

    assert app.problem == "web: its keeper and agent are not running; run `monit start web`"
    assert isinstance(answer, Refused)
    assert answer.message == app.problem
    assert found.record is not None
    assert (found.record.namespace, pids(found)) == ("shop", worker)
    late.close()
    run_keeper(paths, None)
    assert poll_until(source, lambda: app.link == "live" and app.keeper_alive, 30.0)
    assert pids(app) == worker


def _kill_both(app: AppView) -> None:
    """Stop both first, so that neither can bring back the other; then kill them."""
    assert app.record is not None
    assert app.agent_pid is not None
    assert app.record.keeper_pid is not None
    for pid in (app.record.keeper_pid, app.agent_pid):
        os.kill(pid, signal.SIGSTOP)
    for pid in (app.record.keeper_pid, app.agent_pid):
        kill(pid)


def test_a_source_loads_no_screen_and_no_psutil() -> None:
    """The client's side imports neither Textual, psutil, click nor anything of the servers."""
    code = (
        "import sys, monit_agent.client.live.live_source, monit_agent.client.commands.blocking,"
        " monit_agent.client.targets;"
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    heavy = {"textual", "rich", "psutil", "click", "asyncio", "monit_agent.agent",
             "monit_agent.keeper", "monit_agent.supervise"}  # fmt: skip
    assert not heavy & set(loaded)
    assert "monit_agent.replay.scenes" not in loaded
