"""`LiveSource` and agents that misbehave: over real sockets, the agents played by the test."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from monit_agent.client.live.live_source import LiveSource
from monit_agent.client.live.subscription import TURN
from monit_agent.client.source import Changes
from monit_agent.wire import codec
from monit_agent.wire.ids import AppId, local_app, local_instance
from monit_agent.wire.limits import PROTOCOL_VERSION, STALE_S
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    AppDeleted,
    Delete,
    EventAdded,
    EventRecord,
    Flush,
    Header,
    InstanceChanged,
    InstanceRemoved,
    LogTail,
    MetricsPart,
    MetricsRange,
    Refused,
    Restart,
    Sample,
    Snapshot,
)
from support.fake_agent import FakeAgent, slot
from support.waiting import wait_until


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
        """The agent exits: its sockets close, its folder stays."""
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

    def until_received(self, agent: FakeAgent) -> None:
        """Until the agent's snapshot is here and its publications arrive."""

        def received() -> bool:
            agent.beat()
            app = self.source.fleet.apps.get(local_app(agent.name))
            return app is not None and app.epoch == agent.epoch and self._receives(agent)

        self.until(received, f"{agent.name} is known")

    def _receives(self, agent: FakeAgent) -> bool:
        agent.sample(0, Sample(at=1.0))
        self.turn()
        return any(local_app(agent.name) in changes.sampled for changes in self.brought)

    def ask(self, app: AppId, request, timeout_s: float = 5.0) -> Answer:
        answers: list[Answer] = []
        self.source.send_request(app, request, answers.append, timeout_s)
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
    """Return a stage in a home of its own."""
    with ExitStack() as stack:
        stage = Stage(home)
        stack.callback(stage.close)
        yield stage


def app(stage: Stage, name: str = "web"):
    return stage.source.fleet.apps[local_app(name)]


# ------------------------------------------------------------ snapshot, then follow


def test_a_fleet_is_found_and_followed(stage: Stage) -> None:
    """Apps are found with their slots, and what changes is announced with its events."""
    web, api = stage.agent("web", slots=2), stage.agent("api")
    stage.until_received(web)
    stage.until_received(api)
    stage.brought.clear()

    event = EventRecord(seq=1, at=5.0, kind="exited", instance=1)
    web.event(InstanceChanged(instance=slot(1, status="backoff")))
    web.event(EventAdded(event=event))
    stage.until(lambda: app(stage).event_seq == 2, "both events are folded")

    assert app(stage).instances[1].record.status == "backoff"
    assert app(stage, "api").instances[0].record.status == "online"
    happened = [each for changes in stage.brought for each in changes.events]
    assert happened == [(local_app("web"), event)]
    assert {name for changes in stage.brought for name in changes.apps} == {local_app("web")}


def test_an_app_that_comes_later_is_found_by_itself(stage: Stage) -> None:
    """An app started while the source runs appears, and is announced."""
    stage.until_received(stage.agent("web"))
    stage.brought.clear()

    stage.until_received(stage.agent("late"))

    assert any(local_app("late") in changes.apps for changes in stage.brought)


def test_a_hole_in_the_events_is_mended(stage: Stage) -> None:
    """After a lost event the next one leads to a new snapshot, and nothing stays wrong."""
    web = stage.agent(slots=2)
    stage.until_received(web)

    del web.records[1]
    web.skip(b"event.web")  # in the lost one, slot 1 is gone
    web.event(InstanceChanged(instance=slot(0)))
    stage.until(lambda: list(app(stage).instances) == [0], "slot 1 is known to be gone")

    assert app(stage).link == "live"


def test_a_lost_last_event_is_noticed_by_the_beat(stage: Stage) -> None:
    """When nothing follows a lost event, the heartbeat shows it."""
    web = stage.agent(slots=2)
    stage.until_received(web)

    del web.records[1]
    web.skip(b"event.web")
    web.beat()

    stage.until(lambda: list(app(stage).instances) == [0], "slot 1 is known to be gone")


def test_events_during_the_snapshot_are_not_lost(stage: Stage) -> None:
    """What is published between asking for a snapshot and its coming is folded after it."""
    web = stage.agent(slots=2)
    stage.until_received(web)
    web.holding = True  # the next snapshot is taken on request and arrives later
    requested = web.count(Snapshot)
    web.skip(b"event.web")
    web.beat()
    stage.until(lambda: web.count(Snapshot) > requested, "a snapshot is requested")

    web.event(InstanceRemoved(instance=1))
    stage.turn()
    web.release()
    stage.until(lambda: list(app(stage).instances) == [0], "the event after it is folded")

    assert app(stage).event_seq == 2


def test_an_agent_that_comes_back_is_taken_up_again(stage: Stage) -> None:
    """A new epoch of the agent is met with a new snapshot, by itself."""
    first = stage.agent(slots=1, epoch=1)
    stage.until_received(first)
    stage.end(first)

    second = stage.agent(slots=3, epoch=2)
    stage.until_received(second)

    assert list(app(stage).instances) == [0, 1, 2]
    assert app(stage).link == "live"


def test_a_question_that_changes_nothing_survives_the_agent(stage: Stage) -> None:
    """A request to an agent that exited is sent again to the next one, if it only reads."""
    first = stage.agent(epoch=1)
    stage.until_received(first)
    first.answers = {MetricsRange: None, Flush: None}
    answers: list[Answer] = []
    stage.source.send_request(local_app("web"), MetricsRange(instance=0), answers.append, 30.0)
    stage.source.send_request(local_app("web"), Flush(), answers.append, 30.0)
    stage.until(lambda: len(first.requests) >= 2 and first.count(Flush), "both are requested")
    stage.end(first)

    second = stage.agent(epoch=2)
    second.answers[MetricsRange] = MetricsPart(instance=0)
    stage.until_received(second)
    stage.until(lambda: answers, "the reading question is answered")

    assert answers == [MetricsPart(instance=0)]
    assert second.count(Flush) == 0


# ------------------------------------------------------------ garbage


def test_garbage_of_one_agent_hurts_nobody(stage: Stage) -> None:
    """Garbage from an agent is counted and reported, and its app and the others work."""
    web, api = stage.agent("web"), stage.agent("api")
    stage.until_received(web)
    stage.until_received(api)
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
    stage.until(lambda: app(stage).instances[0].record.restarts == 3, "it works as before")

    assert stage.source.unreadable == 2
    assert app(stage).problem is not None
    assert "8 so far" in app(stage).problem
    assert (app(stage, "api").bad_messages, app(stage, "api").problem) == (0, None)


def test_an_agent_of_another_version_is_not_taken_for_one_that_exited(stage: Stage) -> None:
    """An agent with another protocol is shown as such, with both versions."""
    web = stage.agent()
    web.answers[Snapshot] = b"\x81\xa4type\xa7unknown"
    alien = codec.encode(Header(v=99, epoch=1, seq=1, at_ns=0))

    def shown() -> bool:
        web.send(b"beat.web", alien, b"\x00")
        return app(stage).link == "stale"

    stage.until(shown, "it is stale")

    assert app(stage).problem is not None
    assert f"protocol version 99, this side speaks {PROTOCOL_VERSION}" in app(stage).problem


def test_an_answer_that_cannot_be_read_is_a_refusal(stage: Stage) -> None:
    """Who sent the request gets once that the answer is garbage."""
    web = stage.agent()
    stage.until_received(web)
    web.answers[LogTail] = b"\xc1"

    answer = stage.ask(local_app("web"), LogTail(instance=0, stream="out"))

    assert isinstance(answer, Refused)
    assert "cannot read" in answer.message


# ------------------------------------------------------------ silence


def test_a_silent_agent_turns_its_app_stale(stage: Stage) -> None:
    """An agent that hangs is known by its silence after three seconds; a message ends that."""
    web = stage.agent()
    stage.until_received(web)

    stage.until(lambda: app(stage).link == "stale", "it is stale")
    age_s = app(stage).age_s(stage.source.monotonic())
    problem = app(stage).problem
    stage.until_received(web)

    assert age_s is not None
    assert age_s >= STALE_S
    assert problem is not None
    assert problem.startswith("web: ")
    stage.until(lambda: app(stage).link == "live", "it is live again")
    assert app(stage).problem is None


def test_a_command_is_not_carried_out_long_after(stage: Stage) -> None:
    """What an agent did not take in time is never delivered: it may return much later."""
    web = stage.agent()
    stage.until_received(web)
    stage.end(web)

    answer = stage.ask(local_app("web"), Restart(), timeout_s=0.3)
    back = stage.agent(epoch=2)
    stage.until_received(back)
    for _ in range(20):
        stage.turn()

    assert isinstance(answer, Refused)
    assert answer.message.startswith("web: ")
    assert back.count(Restart) == 0


def test_an_agent_that_takes_a_question_and_is_silent_is_given_up(stage: Stage) -> None:
    """A question without an answer ends in time, and its late answer goes nowhere."""
    web = stage.agent()
    stage.until_received(web)
    web.answers[Flush] = None

    answer = stage.ask(local_app("web"), Flush(), timeout_s=0.3)

    assert isinstance(answer, Refused)
    assert answer.kind == "failed"
    assert "does not answer" in answer.message


def test_asking_whom_nobody_knows(stage: Stage) -> None:
    """A question to an app that is not there is refused, not lost."""
    assert isinstance(stage.ask(local_app("nobody"), Flush()), Refused)


# ------------------------------------------------------------ the end of apps


def test_a_deleted_app_leaves_at_once_and_does_not_come_back(stage: Stage) -> None:
    """The good-bye takes the app away, answers its delete, and its last file is no new app."""
    web = stage.agent()
    stage.until_received(web)
    web.answers[Delete] = None  # the good-bye overtakes the answer
    answers: list[Answer] = []
    stage.source.send_request(local_app("web"), Delete(), answers.append, 30.0)
    stage.until(lambda: web.count(Delete), "it is requested")

    web.event(AppDeleted())
    stage.until(lambda: not stage.source.fleet.apps, "it left")
    for _ in range(5):
        stage.turn()

    assert answers == [Accepted()]
    assert not stage.source.fleet.apps
    stage.end(web)
    stage.until_received(stage.agent(epoch=2))  # but one that is restarted is


def test_an_app_whose_folder_vanished_leaves(stage: Stage) -> None:
    """Without a good-bye, an app is gone when its folder is; its questions are answered."""
    web = stage.agent()
    stage.until_received(web)
    web.answers[Flush] = None
    answers: list[Answer] = []
    stage.source.send_request(local_app("web"), Flush(), answers.append, 30.0)

    shutil.rmtree(web.paths.folder)
    stage.until(lambda: local_app("web") not in stage.source.fleet.apps, "it left")

    assert isinstance(answers[0], Refused)


# ------------------------------------------------------------ logs


def test_logs_come_for_whom_is_followed(stage: Stage) -> None:
    """Bytes come for followed instances only: 1 is not 10, and unfollowed is silent again."""
    web = stage.agent(slots=11)
    stage.until_received(web)
    one = local_instance("web", 1)

    def brought(offset: int) -> list[tuple[int, int, bytes]]:
        for number in (0, 1, 10):
            web.log(number, "out", offset, b"x%d\n" % number)
        stage.turn()
        return [
            (c.identity.instance, c.offset, c.data)
            for changes in stage.brought
            for c in changes.logs
        ]

    stage.source.follow_logs([one])
    stage.until(lambda: brought(0), "the first bytes")
    stage.brought.clear()
    assert {chunk[0] for chunk in brought(700)} == {1}
    stage.source.follow_logs([local_instance("web", 10)])
    stage.brought.clear()
    stage.until(lambda: brought(900), "the other's bytes")

    assert {chunk[0] for chunk in brought(950)} == {10}
    assert app(stage).logs[1, "out"].end == 703


def test_one_poll_takes_a_bounded_amount(stage: Stage) -> None:
    """In a flood one poll ends after its turn, and the rest comes with the next ones."""
    web = stage.agent()
    stage.until_received(web)
    stage.source.follow_logs([local_instance("web", 0)])
    stage.until(lambda: web.log(0, "out", 0, b"-") or stage.brought[-1].logs, "it is followed")

    for number in range(TURN + 400):
        web.log(0, "out", number + 1, b"-")
    counts: list[int] = []

    def all_came() -> bool:
        counts.append(len(stage.brought[-1].logs))
        return stage.brought[-1].logs != () and stage.brought[-1].logs[-1].offset >= TURN + 400

    stage.until(all_came, "the flood is taken in")

    assert max(counts) <= TURN
