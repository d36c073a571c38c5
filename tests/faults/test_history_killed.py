"""The agent dies by kill -9 while it writes history: what it had written is read again, once."""

import json
import subprocess
import sys
from pathlib import Path

from monit_agent.agent.history.reader import Asked
from monit_agent.agent.history.second import Name
from monit_agent.agent.history.store import HistoryStore

DAY = 1_764_374_400
"""Midnight of a day."""

INSTANCES = 4
ROUNDS = 50

WRITERS = """
import json, os, random, signal, sys
from monit_agent.agent.history.store import HistoryStore
from monit_agent.wire.messages import Sample, TreeFigures
folder, day, instances, rounds = sys.argv[1], *map(int, sys.argv[2:])
chance, second, written = random.Random(1), 0, []

def write(first, ack):
    now = [float(day + first)]
    store = HistoryStore(folder + "/history", folder + "/history.db", wall=lambda: now[0])
    while True:
        for instance in range(instances):
            tree = TreeFigures(cpu_percent=now[0] - day, rss_bytes=instance)
            store.add_sample(instance, Sample(at=now[0], pid=1, tree=tree))
        store.every_second()
        os.write(ack, b"%d\\n" % (now[0] - day))
        now[0] += 1

for _ in range(rounds):
    reading, ack = os.pipe()
    pid = os.fork()
    if not pid:
        write(second, ack)
    os.close(ack)
    with os.fdopen(reading, "rb") as acks:
        numbers = [int(acks.readline()) for _ in range(chance.randrange(1, 50))]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        numbers += map(int, acks.read().splitlines())
    written += numbers
    second = numbers[-1] + 2  # the one between may be written, or not
print(json.dumps(written))
"""


def test_fifty_kills_lose_nothing_that_was_written(tmp_path: Path) -> None:
    """Each second whose write returned is there, with its value and once; of each kill, at most the
    second after it is there besides."""
    done = subprocess.run(
        [sys.executable, "-c", WRITERS, str(tmp_path), str(DAY), str(INSTANCES), str(ROUNDS)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    written = json.loads(done.stdout)
    assert len(written) > ROUNDS

    end = DAY + written[-1] + 2
    file = str(tmp_path / "history.db")
    store = HistoryStore(str(tmp_path / "history"), file, wall=lambda: float(end))
    try:
        for instance in range(INSTANCES):
            asked = Asked(instance, DAY, end, 1, frozenset({"cpu_percent"}))
            steps = store.reader.steps(asked)[Name("cpu_percent")]
            found = {number - DAY: (step.total, step.samples) for number, step in steps.items()}
            assert {second: (float(second), 1) for second in found} == found
            assert found.keys() >= set(written)
            assert len(found) <= len(written) + ROUNDS
    finally:
        store.close()
