"""A large app starts: its keeper answers meanwhile, and may be killed in the middle."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from support.keeper import KeptApp
from support.waiting import wait_until

INSTANCES = 200
"""Starting them takes half a second; the first answer comes after some hundredths."""


@pytest.fixture(name="app")
def _app(home: Path) -> Generator[KeptApp]:
    app = KeptApp(home)
    os.makedirs(app.paths.folder)
    yield app
    app.close()


def _workers(app: KeptApp) -> list[str]:
    """Return the instance of each worker process, as its environment has it."""
    found: list[str] = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "sleep":
            try:
                environment = process.environ()
            except psutil.Error:
                continue
            if environment.get("MONIT_HOME") == str(app.home):
                found.append(environment["MONIT_INSTANCE"])
    return found


def _all_run(app: KeptApp, count: int) -> bool:
    slots = app.slots().values()
    return sum(slot["status"] == "online" for slot in slots) == count


def test_requests_are_answered_while_many_workers_start(app: KeptApp) -> None:
    """The first answer shows instances without a worker; one that is stopped then stays stopped."""
    app.start("/bin/sleep", "1000", instances=INSTANCES)
    waiting = [slot for slot in app.slots().values() if slot["pid"] is None]
    assert waiting
    assert {slot["status"] for slot in waiting} == {"starting"}
    last = waiting[-1]["instance"]
    assert app.request("stop", instances=[last])["ok"]
    wait_until(lambda: _all_run(app, INSTANCES - 1), what="all others are online")
    assert app.wait_for("stopped", last)["desired"] == "stopped"
    assert sorted(map(int, _workers(app))) == [n for n in range(INSTANCES) if n != last]


def test_a_keeper_that_is_killed_meanwhile_has_started_none_twice(app: KeptApp) -> None:
    """The next one starts the rest, and each instance has one process."""
    app.start("/bin/sleep", "1000", instances=INSTANCES)
    assert any(slot["pid"] is None for slot in app.slots().values())
    app.kill_keeper()
    app.start_next_keeper()
    wait_until(lambda: _all_run(app, INSTANCES), what="all are online")
    assert sorted(map(int, _workers(app))) == list(range(INSTANCES))


def test_a_keeper_that_is_told_to_end_meanwhile_leaves_no_worker(app: KeptApp) -> None:
    """SIGTERM stops those that run, and those that were still to start."""
    app.start("/bin/sleep", "1000", instances=INSTANCES)
    assert any(slot["pid"] is None for slot in app.slots().values())
    os.kill(app.keeper_pid(), signal.SIGTERM)
    wait_until(lambda: app.snapshot_or_none() is None, what="the keeper has ended")
    assert _workers(app) == []
