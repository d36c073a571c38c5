"""Workers that an earlier version of monit started, and whose probes speak as it did."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent.wire.messages import BlockedPart, BlockedTable
from monit_agent.wire.paths import app_paths
from support.agent import instance_json, scripted_app
from support.waiting import wait_until

SENDER = """
import socket, sys, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for line in sys.stdin:
    sock.sendto(line.encode(), sys.argv[1])
"""


@pytest.fixture(name="workers")
def _workers(home: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Two processes that send to the agent each line that they read."""
    command = [sys.executable, "-I", "-c", SENDER, app_paths(str(home), "web").probe]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for _ in range(2)]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def _send(worker: "subprocess.Popen[str]", **fields: Any) -> None:
    assert worker.stdin is not None
    worker.stdin.write(json.dumps({"v": 2, "rt": "python", **fields}) + "\n")
    worker.stdin.flush()


def test_reports_of_an_earlier_version_are_logged_once_a_worker(
    home: Path, workers: list["subprocess.Popen[str]"]
) -> None:
    """They are ignored, each worker is named once, and other workers report as ever."""
    old, present = workers
    slots = [instance_json(number, pid=each.pid) for number, each in enumerate(workers)]
    with scripted_app(home, instances=slots) as (keeper, client):
        for number in range(5):
            _send(old, v=1, started=7, seq=number, loops=[])
        _send(old, v=1, started=7, seq=5, loops=[], answers=[{"id": "1", "ok": True}])
        _send(old, v=3, started=7, seq=6)  # the last one, and a sign that all before it were read
        _send(present, started=7, seq=1, loops=[])
        _send(present, started=7, seq=2, loops=[], threads=3)
        log = Path(keeper.paths.agent_log)
        wait_until(lambda: "cannot be read" in log.read_text(), what="the last report was read")

        def reporting(number: int) -> int:
            answer = client.request(BlockedTable(instance=number))
            assert isinstance(answer, BlockedPart)
            return answer.probes

        wait_until(lambda: reporting(1) == 1, what="the other worker reports")
        assert reporting(0) == 0
        lines = [line for line in log.read_text().splitlines() if "earlier version" in line]
    assert len(lines) == 1
    assert f"worker {old.pid} was started by an earlier version of monit" in lines[0]
