"""`LiveSource` and agents that misbehave: over real sockets, the agents played by the test."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakeagent import FakeAgent, slot
from monit_agent.client.live import LiveSource
from monit_agent.client.news import TURN
from monit_agent.client.source import Changes
from monit_agent.client.view import Identity
from monit_agent.wire import codec
from monit_agent.wire.limits import STALE_S
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    Bye,
    Delete,
    Flush,
    Happened,
    Happening,
    Header,
    InstanceChanged,
    InstanceGone,
    LogTail,
    MetricsPart,
    MetricsRange,
    Refused,
    Restart,
    Sample,
    Snapshot,
)
from waiting import wait_until


class Stage:
    """A source and the agents that it may meet; `until` lets them all run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.agents: list[FakeAgent] = []
        self.source = LiveSource(str(home))
        self.brought: list[Changes] = []

    def agent(self, name: str = "web", *, epoch: int = 1, slots: int = 1) -> FakeAgent:
        self.agents.append(FakeAgent(self.home, name, epoch=epoch, slots=slots))
        return self.agents[-1]

    def end(self, agent: FakeAgent) -> None:
        """The agent dies: its sockets close, its folder stays."""
        self.agents.remove(agent)
        agent.close()

    def turn(self) -> None:
        for agent in self.agents:
            agent.serve()
        self.brought.append(self.source.poll(0.01))

    def until(self, condition: Callable[[], object], what: str) -> None:
        def tried() -> object:
            self.turn()
            return condition()

        wait_until(tried, what=what)

    def until_heard(self, agent: FakeAgent) -> None:
        """Until the agent's snapshot is here and its publications arrive."""

        def heard() -> bool:
            agent.beat()
            app = self.source.fleet.apps.get(agent.name)
            return app is not None and app.epoch == agent.epoch and self._hears(agent)

        self.until(heard, f"{agent.name} is heard")

    def _hears(self, agent: FakeAgent) -> bool:
        agent.sample(0, Sample(at=1.0))
        self.turn()
        return any(agent.name in changes.sampled for changes in self.brought)

    def ask(self, app: str, request, timeout_s: float = 5.0) -> Answer:
        answers: list[Answer] = []
        self.source.ask(app, request, answers.append, timeout_s)
        self.until(lambda: answers, f"an answer to {request}")
        for _ in range(5):
            self.turn()
        assert len(answers) == 1
        return answers[0]

    def close(self) -> None:
        self.source.close()
        for agent in self.agents:
            agent.close()


@pytest.fixture(name="stage")
def _stage(home: Path) -> Iterator[Stage]:
    """Give a stage in a home of its own."""
    with ExitStack() as stack:
        stage = Stage(home)
        stack.callback(stage.close)
        yield stage


def app(stage: Stage, name: str = "web"):
    return stage.source.fleet.apps[name]


# ------------------------------------------------------------ snapshot, then follow


def test_a_fleet_is_found_and_followed(stage: Stage) -> None:
    """Apps are found with their slots, and what changes is told with what happened."""
    web, api = stage.agent("web", slots=2), stage.agent("api")
    stage.until_heard(web)
    stage.until_heard(api)
    stage.brought.clear()

    happening = Happening(seq=1, at=5.0, kind="exited", instance=1)
    web.event(InstanceChanged(instance=slot(1, status="backoff")))
    web.event(Happened(happening=happening))
    stage.until(lambda: app(stage).event_seq == 2, "both events are folded")

    assert app(stage).instances[1].record.status == "backoff"
    assert app(stage, "api").instances[0].record.status == "online"
    assert [each for changes in stage.brought for each in changes.happened] == [("web", happening)]
    assert {name for changes in stage.brought for name in changes.apps} == {"web"}


def test_an_app_that_comes_later_is_found_by_itself(stage: Stage) -> None:
    """An app started while the source runs appears, and its coming is told."""
    stage.until_heard(stage.agent("web"))
    stage.brought.clear()

    stage.until_heard(stage.agent("late"))

    assert any("late" in changes.apps for changes in stage.brought)


def test_a_hole_in_the_events_is_mended(stage: Stage) -> None:
    """After a lost event the next one leads to a new snapshot, and nothing stays wrong."""
    web = stage.agent(slots=2)
    stage.until_heard(web)

    del web.records[1]
    web.skip(b"event.web")  # the lost one said that slot 1 is gone
    web.event(InstanceChanged(instance=slot(0)))
    stage.until(lambda: list(app(stage).instances) == [0], "slot 1 is known to be gone")

    assert app(stage).link == "live"


def test_a_lost_last_event_is_noticed_by_the_beat(stage: Stage) -> None:
    """When nothing follows a lost event, the heartbeat shows it."""
    web = stage.agent(slots=2)
    stage.until_heard(web)

    del web.records[1]
    web.skip(b"event.web")
    web.beat()

    stage.until(lambda: list(app(stage).instances) == [0], "slot 1 is known to be gone")


def test_events_during_the_snapshot_are_not_lost(stage: Stage) -> None:
    """What is published between asking for a snapshot and its coming is folded after it."""
    web = stage.agent(slots=2)
    stage.until_heard(web)
    web.holding = True  # the next snapshot is taken when it is asked for and arrives later
    asked = web.count(Snapshot)
    web.skip(b"event.web")
    web.beat()
    stage.until(lambda: web.count(Snapshot) > asked, "a snapshot is asked for")

    web.event(InstanceGone(instance=1))
    stage.turn()
    web.release()
    stage.until(lambda: list(app(stage).instances) == [0], "the event after it is folded")

    assert app(stage).event_seq == 2


def test_an_agent_that_comes_back_is_taken_up_again(stage: Stage) -> None:
    """Another life of the agent is met with a new snapshot, without being asked to."""
    first = stage.agent(slots=1, epoch=1)
    stage.until_heard(first)
    stage.end(first)

    second = stage.agent(slots=3, epoch=2)
    stage.until_heard(second)

    assert list(app(stage).instances) == [0, 1, 2]
    assert app(stage).link == "live"


def test_a_question_that_changes_nothing_survives_the_agent(stage: Stage) -> None:
    """What was asked of an agent that died is asked again of the next one, if it only reads."""
    first = stage.agent(epoch=1)
    stage.until_heard(first)
    first.answers = {MetricsRange: None, Flush: None}
    answers: list[Answer] = []
    stage.source.ask("web", MetricsRange(instance=0), answers.append, 30.0)
    stage.source.ask("web", Flush(), answers.append, 30.0)
    stage.until(lambda: len(first.asked) >= 2 and first.count(Flush), "both are asked")
    stage.end(first)

    second = stage.agent(epoch=2)
    second.answers[MetricsRange] = MetricsPart(instance=0)
    stage.until_heard(second)
    stage.until(lambda: answers, "the reading question is answered")

    assert answers == [MetricsPart(instance=0)]
    assert second.count(Flush) == 0


# ------------------------------------------------------------ garbage


def test_garbage_of_one_agent_hurts_nobody(stage: Stage) -> None:
    """Whatever an agent sends is counted and told, and its app and the others go on."""
    web, api = stage.agent("web"), stage.agent("api")
    stage.until_heard(web)
    stage.until_heard(api)
    header = codec.encode(Header(epoch=1, seq=1, at_ns=0))
    alien = codec.encode(Header(v=99, epoch=1, seq=1, at_ns=0))

    web.send(b"event.web", alien, b"")
    web.send(b"event.web", b"\xc1\xff", b"")
    web.send(b"event.web", header, b"not msgpack at all")
    web.send(b"event.web", header)
    web.send(b"event.web", header, b"", b"")
    web.send(b"beat.web", header, b"\xa1x")
    web.send(b"metrics.web.zero", header, codec.encode(Sample(at=1.0)))
    web.send(b"metrics.web.0", header, b"\x93\x01\x02\x03")
    web.send(b"event.nobody", header, b"")
    web.send(b"event.\xff\xfe", header, b"")
    stage.until(lambda: app(stage).bad_messages == 8, "all eight are counted")
    web.event(InstanceChanged(instance=slot(0, restarts=3)))
    stage.until(lambda: app(stage).instances[0].record.restarts == 3, "it goes on")

    assert stage.source.unreadable == 2
    assert app(stage).problem is not None
    assert "8 messages" in app(stage).problem
    assert (app(stage, "api").bad_messages, app(stage, "api").problem) == (0, None)


def test_an_agent_of_another_version_is_told_apart_from_a_dead_one(stage: Stage) -> None:
    """An agent that speaks another protocol is shown as such, with both versions."""
    web = stage.agent()
    web.answers[Snapshot] = b"\x81\xa4type\xa7unknown"
    alien = codec.encode(Header(v=99, epoch=1, seq=1, at_ns=0))

    def told() -> bool:
        web.send(b"beat.web", alien, b"\x00")
        return app(stage).link == "stale"

    stage.until(told, "it is stale")

    assert app(stage).problem is not None
    assert "protocol version 99, this side speaks 1" in app(stage).problem


def test_an_answer_that_cannot_be_read_is_a_refusal(stage: Stage) -> None:
    """Who asked is told that the answer is garbage, once."""
    web = stage.agent()
    stage.until_heard(web)
    web.answers[LogTail] = b"\xc1"

    answer = stage.ask("web", LogTail(instance=0, stream="out"))

    assert isinstance(answer, Refused)
    assert "cannot read" in answer.message


# ------------------------------------------------------------ silence


def test_a_silent_agent_turns_its_app_stale(stage: Stage) -> None:
    """An agent that hangs is told by its silence after three seconds; a word brings it back."""
    web = stage.agent()
    stage.until_heard(web)

    stage.until(lambda: app(stage).link == "stale", "it is stale")
    age_s = app(stage).age_s(stage.source.monotonic())
    problem = app(stage).problem
    stage.until_heard(web)

    assert age_s is not None
    assert age_s >= STALE_S
    assert problem is not None
    assert problem.startswith("web: ")
    stage.until(lambda: app(stage).link == "live", "it is live again")
    assert app(stage).problem is None


def test_a_command_is_not_carried_out_long_after(stage: Stage) -> None:
    """What an agent did not take in time is never delivered: it may return much later."""
    web = stage.agent()
    stage.until_heard(web)
    stage.end(web)

    answer = stage.ask("web", Restart(), timeout_s=0.3)
    back = stage.agent(epoch=2)
    stage.until_heard(back)
    for _ in range(20):
        stage.turn()

    assert isinstance(answer, Refused)
    assert answer.message.startswith("web: ")
    assert back.count(Restart) == 0


def test_an_agent_that_takes_a_question_and_is_silent_is_given_up(stage: Stage) -> None:
    """A question without an answer ends in time, and its late answer goes nowhere."""
    web = stage.agent()
    stage.until_heard(web)
    web.answers[Flush] = None

    answer = stage.ask("web", Flush(), timeout_s=0.3)

    assert isinstance(answer, Refused)
    assert answer.kind == "failed"
    assert "does not answer" in answer.message


def test_asking_whom_nobody_knows(stage: Stage) -> None:
    """A question to an app that is not there is refused, not lost."""
    assert isinstance(stage.ask("nobody", Flush()), Refused)


# ------------------------------------------------------------ the end of apps


def test_a_deleted_app_leaves_at_once_and_does_not_come_back(stage: Stage) -> None:
    """The good-bye takes the app away, answers its delete, and its last file is no new app."""
    web = stage.agent()
    stage.until_heard(web)
    web.answers[Delete] = None  # the good-bye overtakes the answer
    answers: list[Answer] = []
    stage.source.ask("web", Delete(), answers.append, 30.0)
    stage.until(lambda: web.count(Delete), "it is asked")

    web.event(Bye())
    stage.until(lambda: not stage.source.fleet.apps, "it left")
    for _ in range(5):
        stage.turn()

    assert answers == [Accepted()]
    assert not stage.source.fleet.apps
    stage.end(web)
    stage.until_heard(stage.agent(epoch=2))  # but one that is started anew is


def test_an_app_whose_folder_vanished_leaves(stage: Stage) -> None:
    """Without a good-bye, an app is gone when its folder is; its questions are answered."""
    web = stage.agent()
    stage.until_heard(web)
    web.answers[Flush] = None
    answers: list[Answer] = []
    stage.source.ask("web", Flush(), answers.append, 30.0)

    shutil.rmtree(web.places.folder)
    stage.until(lambda: "web" not in stage.source.fleet.apps, "it left")

    assert isinstance(answers[0], Refused)


# ------------------------------------------------------------ logs


def test_logs_come_for_whom_is_followed(stage: Stage) -> None:
    """Bytes come for followed instances only: 1 is not 10, and unfollowed is silent again."""
    web = stage.agent(slots=11)
    stage.until_heard(web)
    one = Identity("web", 1)

    def brought(offset: int) -> list[tuple[int, int, bytes]]:
        for number in (0, 1, 10):
            web.log(number, "out", offset, b"x%d\n" % number)
        stage.turn()
        return [(c.instance, c.offset, c.data) for changes in stage.brought for c in changes.logs]

    stage.source.follow_logs([one])
    stage.until(lambda: brought(0), "the first bytes")
    stage.brought.clear()
    assert {chunk[0] for chunk in brought(700)} == {1}
    stage.source.follow_logs([Identity("web", 10)])
    stage.brought.clear()
    stage.until(lambda: brought(900), "the other's bytes")

    assert {chunk[0] for chunk in brought(950)} == {10}
    assert app(stage).logs[1, "out"].end == 703


def test_one_poll_takes_a_bounded_amount(stage: Stage) -> None:
    """In a flood one poll ends after its turn, and the rest comes with the next ones."""
    web = stage.agent()
    stage.until_heard(web)
    stage.source.follow_logs([Identity("web", 0)])
    stage.until(lambda: web.log(0, "out", 0, b"-") or stage.brought[-1].logs, "it is followed")

    for number in range(TURN + 400):
        web.log(0, "out", number + 1, b"-")
    counts: list[int] = []

    def all_came() -> bool:
        counts.append(len(stage.brought[-1].logs))
        return stage.brought[-1].logs != () and stage.brought[-1].logs[-1].offset >= TURN + 400

    stage.until(all_came, "the flood is taken in")

    assert max(counts) <= TURN
