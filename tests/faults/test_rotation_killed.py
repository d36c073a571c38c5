"""Rotation and compression while keepers, agents and compressors are killed."""

import contextlib
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from monit_agent.supervise.spec import LogSettings
from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.logfiles import COMPRESSED, stream_names
from monit_agent.wire.messages import LogPart, LogRange
from support.agent import Client, client_of
from support.keeper import KeptApp, python
from support.kept_log import kept_log, rotated_paths
from support.waiting import wait_until

FLOOD = """
import os, sys, time
number = 0
while not os.path.exists(sys.argv[1]):
    os.write(1, b"".join(b"%09d a line of a flood\\n" % n for n in range(number, number + 200)))
    number += 200
    time.sleep(0.005)
os.write(2, b"%d\\n" % number)
time.sleep(1000)
"""
"""Prints 200 lines at once, until a file appears; then how many there were, to stderr."""

SIZE = 64 * 1024
KEEP_ALL = LogSettings(max_size_bytes=SIZE, max_files=0, max_age_s=0, max_total_bytes=0)


class Flood:
    """A worker that floods, and a client that reads what it prints by offset."""

    def __init__(self, app: KeptApp, client: Client) -> None:
        self.app = app
        self.client = client
        self.read = b""

    def read_on(self, least: int) -> None:
        """Read until so many more bytes are there: each has the offset that follows the last."""
        goal = len(self.read) + least

        def more() -> bool:
            if self.client.try_snapshot() is None:
                return False
            part = self.client.request(
                LogRange(instance=0, stream="out", start=len(self.read), max_bytes=LOG_RANGE_BYTES)
            )
            if isinstance(part, LogPart):
                assert part.offset == len(self.read), "a gap"
                self.read += part.data
            return len(self.read) >= goal

        wait_until(more, what="more is printed and read", deadline_s=60)

    def kill(self, victim: str) -> None:
        """Kill one of them, or both at once; return when a keeper and an agent serve again."""
        snapshot = wait_until(self._serving, what="a keeper and an agent", deadline_s=60)
        assert snapshot is not None
        keeper, agent = snapshot
        if victim == "compressor":
            _kill_compressors(self.app)
        for who, pid in (("agent", agent), ("keeper", keeper)):
            if victim in (who, "both"):
                os.kill(pid, signal.SIGKILL)
        if victim == "both":
            self.app.start_next_keeper()
        old = {"keeper": {keeper}, "agent": {agent}, "both": {keeper, agent}}.get(victim, set())

        def replaced() -> bool:
            found = self._serving()
            return found is not None and not old & {*found}

        wait_until(replaced, what=f"what follows the {victim}", deadline_s=60)

    def _serving(self) -> tuple[int, int] | None:
        snapshot = self.client.try_snapshot()
        if snapshot is None or not snapshot.keeper_alive or not snapshot.app.keeper_pid:
            return None
        return snapshot.app.keeper_pid, snapshot.agent_pid


def _kill_compressors(app: KeptApp) -> None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if any(word.endswith("compress.py") for word in words) and any(
                word.startswith(app.paths.logs) for word in words
            ):
                process.kill()


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home)
    yield app
    app.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("kills", "seed"),
    [(6, 1), *(pytest.param(50, seed, marks=pytest.mark.full) for seed in (2, 3))],
)
def test_every_line_is_kept_once_and_in_order(app: KeptApp, kills: int, seed: int) -> None:
    """Whoever is killed while small files are rotated and compressed: the files hold every line,
    its offset stays the same, and the worker does not notice."""
    stop = app.home / "stop"
    app.start(*python(FLOOD, str(stop)), log=KEEP_ALL)
    wait_until(app.log, what="the flood began")
    worker = app.slot()["pid"]
    chance = random.Random(seed)
    with client_of(app.paths) as client:
        flood = Flood(app, client)
        for _ in range(kills):
            flood.read_on(2 * SIZE)
            flood.kill(chance.choice(["keeper", "agent", "both", "compressor"]))
        stop.touch()
        count = int(wait_until(lambda: app.log(stream="err"), what="the flood is over") or 0)
        expected = b"".join(b"%09d a line of a flood\n" % n for n in range(count))
        flood.read_on(len(expected) - len(flood.read))
        assert flood.read == expected
        assert kept_log(app.paths) == expected
        names = stream_names(app.paths, 0, "out")
        wait_until(
            lambda: all(path.name.endswith(COMPRESSED) for path in rotated_paths(names)[:-1]),
            what="all rotated files but the newest are compressed",
            deadline_s=120,
        )
        assert kept_log(app.paths) == expected
        flood.read = b""
        flood.read_on(len(expected))
        assert flood.read == expected
    assert len(rotated_paths(names)) > kills
    slot = app.slot()
    assert (slot["pid"], slot["restarts"]) == (worker, 0)
