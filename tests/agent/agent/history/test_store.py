"""Steps of ten seconds and of a minute: made of the seconds, kept for their time, never twice."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_agent.agent.history.chunks import EVENTS_MAX, MINUTES, TENS
from monit_agent.agent.history.reader import Asked
from monit_agent.agent.history.second import Name
from monit_agent.agent.history.steps import HistoryStep
from monit_agent.agent.history.store import HistoryStore
from monit_agent.wire.messages import EventRecord, Metric, Sample, TreeFigures

CPU = Name("cpu_percent")
DAY = 1_764_374_400
"""Midnight of a day: where rows of both tiers begin."""


class Agent:
    """A store with a clock, which is closed and opened as an agent that was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.now = float(DAY)
        self.store = self._open()

    def _open(self) -> HistoryStore:
        folder, file = str(self._folder / "history"), str(self._folder / "history.db")
        return HistoryStore(folder, file, wall=lambda: self.now)

    def killed(self) -> None:
        """Begin again with what is on disk."""
        self.store = self._open()

    def run(self, seconds: int, every: int = 1, instance: int = 0) -> None:
        """Sample once each ``every`` seconds; the CPU is the second of the hour."""
        for _ in range(seconds // every):
            self.now += every
            tree = TreeFigures(cpu_percent=float(int(self.now) % 3600))
            self.store.add_sample(instance, Sample(at=self.now, pid=1, tree=tree))
            self.store.every_second()

    def steps(self, since: float, until: float, step_s: int) -> dict[int, HistoryStep]:
        """Return the steps of the CPU by their begin, counted from `DAY`."""
        asked = Asked(0, DAY + since, DAY + until, step_s, frozenset({"cpu_percent"}))
        found = self.store.reader.steps(asked).get(CPU, {})
        return {number * step_s - DAY: step for number, step in sorted(found.items())}


@pytest.fixture(name="agent")
def _agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    yield agent
    agent.store.close()


def test_a_step_has_smallest_largest_sum_and_number(agent: Agent) -> None:
    """Ten seconds are one step, whole where all of them were sampled."""
    agent.run(40)
    assert agent.steps(10, 20, 10) == {10: HistoryStep(10.0, 19.0, 145.0, 10)}


def test_seconds_become_rows_and_stay_what_they_were(agent: Agent) -> None:
    """The steps of an hour are the same before and after they are written into a row, and once the
    seconds are gone."""
    agent.run(3600)
    before = agent.steps(60, 3540, 60)
    agent.run(60)
    assert agent.steps(60, 3540, 60) == before
    agent.run(3 * 3600, every=10)

    assert agent.steps(60, 3540, 60) == before
    assert sum(step.samples for step in before.values()) == 3480


def test_a_killed_agent_loses_nothing(agent: Agent) -> None:
    """What was written is known to the next agent, also an hour whose row was not written."""
    agent.run(3550)
    agent.killed()
    agent.run(20)
    assert sum(step.samples for step in agent.steps(0, 3600, 10).values()) == 3570
    agent.killed()
    agent.now += 600  # the machine was down
    agent.run(10)
    agent.run(3 * 3600, every=60)

    assert sum(step.samples for step in agent.steps(0, 3600, 10).values()) == 3570


def test_days_are_kept_in_minutes(agent: Agent) -> None:
    """What is older than a day is known by the minute, for 30 days; the file does not grow."""
    agent.run(86_400 * 2, every=20)
    old = agent.steps(3600, 7200, 60)
    assert len(old) == 60
    assert old[3600] == HistoryStep(0.0, 40.0, 60.0, 3)
    assert agent.steps(3600, 7200, 10) == {}  # no longer known in steps of ten seconds
    assert TENS.row_s * TENS.rows > 86_400
    assert MINUTES.row_s * (MINUTES.rows - 1) >= 30 * 86_400


def test_a_hole_is_not_zero(agent: Agent) -> None:
    """Where nothing was sampled there is no step."""
    agent.run(20)
    agent.now += 30
    agent.run(20)
    assert sorted(agent.steps(0, 80, 10)) == [0, 10, 20, 50, 60, 70]


def test_the_clock_may_be_set(agent: Agent) -> None:
    """A clock that goes back an hour or forward a day loses no second and fails nothing."""
    agent.run(100)
    agent.now -= 3600
    agent.run(100)
    agent.now += 86_400
    agent.run(100)
    agent.now -= 82_800
    agent.run(10)
    assert sum(step.samples for step in agent.steps(-3600, 110, 10).values()) == 200


def test_a_file_of_a_newer_version_is_left_alone(agent: Agent, tmp_path: Path) -> None:
    """What cannot be understood is not written to, and the seconds are kept all the same."""
    with sqlite3.connect(tmp_path / "history.db") as db:
        db.execute("CREATE TABLE steps (of_a_newer_kind TEXT)")
        db.execute("PRAGMA user_version = 99")
    db.close()
    agent.run(3700)
    assert len(agent.steps(0, 3600, 10)) == 360
    with sqlite3.connect(tmp_path / "history.db") as db:
        assert db.execute("SELECT count(*) FROM steps").fetchone() == (0,)
    db.close()


def test_a_damaged_file_is_set_aside(agent: Agent, tmp_path: Path) -> None:
    """A file that is no database is kept under another name, and a new one is begun."""
    (tmp_path / "history.db").write_bytes(b"not a database" * 1000)
    agent.run(3700)
    assert (tmp_path / "history.db.damaged").exists()
    agent.run(3 * 3600, every=10)
    assert agent.steps(0, 3590, 10)


def test_events_are_kept_once(agent: Agent) -> None:
    """An agent that comes back is told old events again; they are not written twice."""
    events = [EventRecord(seq=number, at=agent.now + number, kind="spawned") for number in range(9)]
    agent.store.add_events(events[:5])
    agent.store.every_second()
    agent.killed()
    agent.store.add_events(events)
    agent.store.every_second()
    assert agent.store.reader.events(0.0, 1e12, 100) == events
    assert agent.store.reader.events(agent.now + 3, agent.now + 6, 2) == events[4:6]


def test_an_event_is_known_before_it_is_written(agent: Agent) -> None:
    """Whoever asks within the second in which it happened is told too, and once."""
    events = [EventRecord(seq=number, at=agent.now + number, kind="spawned") for number in range(4)]
    agent.store.add_events(events[:2])
    agent.store.every_second()
    agent.store.add_events(events[1:])
    assert agent.store.reader.events(0.0, 1e12, 100) == events
    assert agent.store.reader.events(agent.now + 1, agent.now + 3, 1) == events[2:3]
    assert agent.store.reader.events(0.0, 1e12, 0) == []


def test_old_events_make_room(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more events than are kept the newest remain."""
    assert EVENTS_MAX > 100
    monkeypatch.setattr("monit_agent.agent.history.chunks.EVENTS_MAX", 10)
    events = [EventRecord(seq=number, at=float(number), kind="spawned") for number in range(25)]
    for event in events:
        agent.store.add_events([event])
        agent.store.every_second()
    assert agent.store.reader.events(0.0, 1e12, 100) == events[-10:]


def test_own_metrics_have_a_past(agent: Agent) -> None:
    """What the app counts itself is kept as it is drawn: a counter by its rate."""
    for _ in range(20):
        agent.now += 1
        metrics = {"sales": Metric(value=5.0, rate=2.0, kind="counter", unit="loaves")}
        agent.store.add_sample(0, Sample(at=agent.now, pid=1, metrics=metrics))
        agent.store.every_second()
    steps = agent.store.reader.steps(Asked(0, DAY, DAY + 20, 10, frozenset({"sales"})))
    assert steps[Name("sales", True, "counter", "loaves")][DAY // 10 + 1] == HistoryStep(
        2, 2, 20, 10
    )
