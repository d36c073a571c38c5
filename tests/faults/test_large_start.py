"""A large app starts: its keeper answers meanwhile, and may be stopped or killed in the middle.

The requests are sent before the first worker starts: the keeper waits until its answer to who
started it is read.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from monit_agent.supervise.spec import spec_to_json
from support.keeper import KeeperConnection, KeptApp
from support.waiting import wait_until

INSTANCES = 200


class _SlowReader:
    """Starts the keeper of an app and reads its answer only when it is told to."""

    def __init__(self, app: KeptApp) -> None:
        self._answer, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        self._filled = 0
        try:
            while True:
                self._filled += os.write(self._pipe, bytes(4096))
        except BlockingIOError:
            os.set_blocking(self._pipe, True)
        spec = app.spec("/bin/sleep", "1000", instances=INSTANCES)
        self.process = subprocess.Popen(
            app.command,
            stdin=subprocess.PIPE,
            stdout=self._pipe,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        given = {"spec": spec_to_json(spec), "env": dict(os.environ)}
        self.process.stdin.write(json.dumps(given).encode())
        self.process.stdin.close()
        os.close(self._pipe)

    def read(self) -> None:
        """Read the answer, which lets the keeper start its workers."""
        with open(self._answer, "rb") as pipe:
            pipe.read(self._filled)
            assert json.loads(pipe.readline())["ok"]

    def end(self) -> None:
        """Kill and reap it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(name="app")
def _app(home: Path) -> Generator[KeptApp]:
    app = KeptApp(home)
    os.makedirs(app.paths.folder)
    yield app
    app.close()


@pytest.fixture(name="starting")
def _starting(app: KeptApp) -> Generator[_SlowReader]:
    keeper = _SlowReader(app)
    yield keeper
    keeper.end()


@pytest.fixture(name="line")
def _line(app: KeptApp, starting: _SlowReader) -> Generator[KeeperConnection]:
    """Return a connection to the keeper, from before it starts the first worker."""
    del starting

    def connected() -> KeeperConnection | None:
        try:
            return app.connect()
        except OSError:
            return None

    line = wait_until(connected, what="the keeper listens")
    assert line is not None
    yield line
    line.close()


def _send(line: KeeperConnection, starting: _SlowReader, *requests: dict[str, object]) -> None:
    """Send requests that are there before the first worker, and let the keeper begin."""
    hello = {"id": "hello", "do": "hello", "role": "test", "pid": os.getpid()}
    for request in (hello, *requests):
        line.send(json.dumps(request).encode() + b"\n")
    threading.Thread(target=starting.read).start()


def _without_worker(line: KeeperConnection) -> list[int]:
    """Return the instances that have none when the keeper answers."""
    answer = line.read()
    assert answer["id"] == "hello"
    slots = answer["snapshot"]["instances"]
    assert {slot["status"] for slot in slots if slot["pid"] is None} <= {"starting"}
    return [slot["instance"] for slot in slots if slot["pid"] is None]


def _workers(app: KeptApp) -> list[int]:
    """Return the instance of each worker process, as its environment has it."""
    found: list[int] = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "sleep":
            try:
                environment = process.environ()
            except psutil.Error:
                continue
            if environment.get("MONIT_HOME") == str(app.home):
                found.append(int(environment["MONIT_INSTANCE"]))
    return sorted(found)


def _are_online(app: KeptApp, count: int) -> bool:
    return sum(slot["status"] == "online" for slot in app.slots().values()) == count


def test_requests_are_answered_while_many_workers_start(
    app: KeptApp, starting: _SlowReader, line: KeeperConnection
) -> None:
    """Most instances have no worker yet. One that is stopped then gets none, and the others do."""
    _send(line, starting, {"id": "stop", "do": "stop", "instances": [INSTANCES - 1]})
    assert len(_without_worker(line)) > INSTANCES / 2
    wait_until(lambda: _are_online(app, INSTANCES - 1), what="all others are online")
    assert _workers(app) == list(range(INSTANCES - 1))
    assert app.slot(INSTANCES - 1)["status"] == "stopped"
    assert app.event_texts("spawned", INSTANCES - 1) == []


def test_all_that_has_not_started_is_stopped_without_a_start(
    app: KeptApp, starting: _SlowReader, line: KeeperConnection
) -> None:
    """A stop of everything starts nothing more; a start starts all."""
    _send(line, starting, {"id": "stop", "do": "stop"})
    assert len(_without_worker(line)) > INSTANCES / 2
    slots = app.slots

    def all_stopped() -> bool:
        return {slot["status"] for slot in slots().values()} == {"stopped"}

    wait_until(all_stopped, what="all are stopped")
    assert _workers(app) == []
    assert app.event_texts("spawned", INSTANCES - 1) == []
    assert app.request("start")["ok"]
    wait_until(lambda: _are_online(app, INSTANCES), what="all are online")
    assert _workers(app) == list(range(INSTANCES))


def test_scaling_restarting_and_reloading_meanwhile_start_each_once(
    app: KeptApp, starting: _SlowReader, line: KeeperConnection
) -> None:
    """What is scaled away is not started; a restart is the start that is still to come."""
    _send(
        line,
        starting,
        {"id": "scale", "do": "scale", "count": INSTANCES - 50},
        {"id": "restart", "do": "restart", "instances": [INSTANCES - 51]},
        {"id": "reload", "do": "reload", "instances": [INSTANCES - 52]},
    )
    assert len(_without_worker(line)) > INSTANCES / 2
    wait_until(lambda: _are_online(app, INSTANCES - 50), what="the others are online")
    assert sorted(app.slots()) == list(range(INSTANCES - 50))
    assert _workers(app) == list(range(INSTANCES - 50))
    assert len(app.event_texts("spawned", INSTANCES - 51)) == 1


def test_a_keeper_that_is_killed_meanwhile_has_started_none_twice(
    app: KeptApp, starting: _SlowReader, line: KeeperConnection
) -> None:
    """The next one starts the rest, and each instance has one process."""
    _send(line, starting)
    assert _without_worker(line)
    starting.end()
    app.start_next_keeper()
    wait_until(lambda: _are_online(app, INSTANCES), what="all are online")
    assert _workers(app) == list(range(INSTANCES))


def test_a_keeper_that_is_told_to_end_meanwhile_leaves_no_worker(
    app: KeptApp, starting: _SlowReader, line: KeeperConnection
) -> None:
    """SIGTERM stops those that run, and starts no more."""
    _send(line, starting)
    assert _without_worker(line)
    starting.process.send_signal(signal.SIGTERM)
    starting.process.wait()
    assert _workers(app) == []
