"""The agent towards its clients, with a scripted keeper behind it."""

import os
import pwd
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec

from monit_agent.wire import codec, timeindex, topics
from monit_agent.wire.limits import LOG_CHUNK_BYTES
from monit_agent.wire.messages import (
    Accepted,
    AppChanged,
    AppDeleted,
    EventAdded,
    InstanceChanged,
    InstanceRemoved,
    LogPart,
    LogRange,
    LogSince,
    LogTail,
    MetricsPart,
    MetricsRange,
    Refused,
    Restart,
    Scale,
    Stop,
    Usage,
    UsagePart,
)
from monit_agent.wire.paths import agent_command
from support.agent import (
    AgentProcess,
    ScriptedKeeper,
    app_json,
    client_of,
    instance_json,
    scripted_app,
)
from support.waiting import wait_until


def test_the_snapshot_is_what_the_keeper_sent(home: Path) -> None:
    """A client gets the keeper's records, the agent's pid and the newest event's number."""
    with scripted_app(home) as (_keeper, client):
        snapshot = client.snapshot()

        assert snapshot.app.name == "web"
        assert snapshot.instances[0].pid == os.getpid()
        assert snapshot.keeper_alive
        assert snapshot.agent_pid != os.getpid()
        assert (snapshot.samples[0].tree.rss_bytes or 0) > 1_000_000


def test_a_keepers_events_reach_the_subscribers_in_order(home: Path) -> None:
    """Each event is passed on with a sequence number that has no holes."""
    with scripted_app(home) as (keeper, client):
        client.subscribe(topics.event("web"), topics.beat("web"))
        event = {"seq": 1, "at": 2.0, "kind": "exited", "instance": 0, "text": "<b>"}
        # the subscription has arrived when a beat has: they share a connection
        next(client.messages())
        keeper.send({"type": "app_changed", "app": app_json("web", version="2"), "rollout": None})
        keeper.send({"type": "instance_changed", "instance": instance_json(1, status="backoff")})
        keeper.send({"type": "event_added", "event": event})
        keeper.send({"type": "instance_removed", "instance": 1})

        received = list(_until(client, 4, topics.event("web")))

        events = [codec.decode_update(one.payload) for one in received]
        assert isinstance(events[0], AppChanged)
        assert events[0].app.version == "2"
        assert isinstance(events[1], InstanceChanged)
        assert isinstance(events[2], EventAdded)
        assert events[2].event.text == "<b>"
        assert events[3] == InstanceRemoved(instance=1)
        assert [one.header.seq for one in received] == [1, 2, 3, 4]
        assert client.snapshot().event_seq == 4


def _until(client, count: int, topic: bytes) -> list:
    found = []
    for one in client.messages():
        if one.topic == topic:
            found.append(one)
        if len(found) == count:
            break
    return found


def test_a_beat_has_the_number_of_the_last_event(home: Path) -> None:
    """Whoever missed the last event learns so from the next heartbeat."""
    with scripted_app(home) as (keeper, client):
        keeper.send({"type": "app_changed", "app": app_json("web"), "rollout": None})
        client.subscribe(topics.beat("web"))

        numbers = [codec.decode_beat(one.payload) for one in _until(client, 2, b"beat.web")]

        assert numbers[-1] == 1


def test_a_sample_comes_each_second_also_without_a_worker(home: Path) -> None:
    """A stopped instance is sampled too, with unknown numbers."""
    stopped = instance_json(1, status="stopped", pid=None)
    with scripted_app(home, instances=[instance_json(0), stopped]) as (_keeper, client):
        client.subscribe(topics.all_metrics("web"))

        samples = {one.topic: codec.decode_sample(one.payload) for one in _some(client, 8)}

        assert samples[b"metrics.web.0"].tree.cpu_percent is not None
        assert samples[b"metrics.web.1"].tree.rss_bytes is None
        part = client.request(MetricsRange(instance=0, seconds=60))
        assert isinstance(part, MetricsPart)
        assert len(part.at) >= 2
        assert part.figures["pid"][-1] == os.getpid()


def _some(client, count: int) -> list:
    return [one for _, one in zip(range(count), client.messages(), strict=False)]


def test_commands_go_to_the_keeper_with_who_asked(home: Path) -> None:
    """A command reaches the keeper with the client's user and pid, and is answered when the
    keeper answered."""
    with scripted_app(home) as (keeper, client):
        client.ctl.send_multipart([b"id \x00", codec.encode(Restart(env={"A": "1"}))])
        requested = keeper.read()
        keeper.send({"id": requested["id"], "ok": True, "instances": [0]})

        assert client.answer(b"id \x00") == Accepted(instances=(0,))
        assert requested["do"] == "restart"
        assert requested["env"] == {"A": "1"}
        assert requested["instances"] is None
        me = f"{pwd.getpwuid(os.getuid()).pw_name}:{os.getpid()} ("
        assert requested["by"].startswith(me)


def test_the_keepers_refusal_is_passed_on(home: Path) -> None:
    """When the keeper refuses, the client gets its kind and its words."""
    with scripted_app(home) as (keeper, client):
        client.ctl.send_multipart([b"1", codec.encode(Scale(count=-1))])
        requested = keeper.read()
        assert requested["count"] == -1
        keeper.send(
            {"id": requested["id"], "ok": False, "kind": "refused", "message": "at least 1"}
        )
        assert client.answer(b"1") == Refused(kind="refused", message="at least 1")

        client.ctl.send_multipart([b"2", codec.encode(Stop())])
        requested = keeper.read()
        keeper.send({"id": requested["id"], "ok": False, "kind": "new_kind", "message": "so"})
        assert client.answer(b"2") == Refused(kind="failed", message="so")


def test_a_keeper_that_does_not_answer_is_a_refusal(home: Path) -> None:
    """A keeper that hangs makes a command fail in time, with where to look."""
    with scripted_app(home) as (_keeper, client):
        answer = client.request(Stop())

        assert isinstance(answer, Refused)
        assert "keeper.log" in answer.message
        assert client.snapshot().keeper_alive


def test_an_unknown_instance_is_refused_by_name(home: Path) -> None:
    """Every request that names an instance which is not there says so, with those that are."""
    with scripted_app(home) as (_, client):
        for request in (
            Stop(instances=(0, 7)),
            LogRange(instance=7, stream="out", start=0),
            LogTail(instance=-1, stream="err"),
            LogSince(instance=7, stream="out", at=0.0),
            MetricsRange(instance=7),
            Usage(instance=7),
        ):
            answer = client.request(request)

            assert isinstance(answer, Refused), request
            assert answer.kind == "no_such_instance"
            assert "web/" in answer.message


def test_usage_is_what_only_this_tree_has(home: Path) -> None:
    """USS is read on request, not sampled; it is less than all that is resident."""
    with scripted_app(home) as (_, client):
        answer = client.request(Usage(instance=0))

        assert isinstance(answer, UsagePart)
        assert 0 < (answer.uss_bytes or 0) < 10**10


def _write_log(keeper: ScriptedKeeper, data: bytes, base: int = 0, at_ns: int = 5) -> None:
    paths = keeper.paths
    Path(paths.log(0, "out")).write_bytes(data)
    index = timeindex.pack_header(base) + timeindex.pack_record(base, at_ns)
    Path(paths.index(0, "out")).write_bytes(index)


def _log_event(begin: int, end: int) -> dict:
    log = {"instance": 0, "stream": "out", "begin": begin, "end": end}
    return {"type": "log_changed", "log": log}


def test_logs_are_read_by_offset_and_from_the_end(home: Path) -> None:
    """Range and tail give bytes, their times and how far the stream reaches."""
    with scripted_app(home) as (keeper, client):
        _write_log(keeper, b"one\ntwo\nthree\n", base=100)

        part = client.request(LogRange(instance=0, stream="out", start=104, max_bytes=4))
        assert part == LogPart(
            instance=0, stream="out", offset=104, data=b"two\n",
            times=((100, 5),), begin=100, end=114,
        )  # fmt: skip
        tail = client.request(LogTail(instance=0, stream="out", lines=2))
        assert isinstance(tail, LogPart)
        assert (tail.offset, tail.data) == (104, b"two\nthree\n")
        since = client.request(LogSince(instance=0, stream="out", at=1.0))
        assert isinstance(since, LogPart)
        assert since.offset == 114


def test_new_bytes_reach_those_who_listen(home: Path) -> None:
    """From the subscription on, bytes come in order, with offsets without holes and times."""
    with scripted_app(home, logs=[{"instance": 0, "stream": "out", "begin": 0, "end": 4}]) as (
        keeper,
        client,
    ):
        client.subscribe(topics.instance_logs("web", 0), topics.beat("web"))
        next(client.messages())
        text = b"old\n" + b"new\n" * 50_000
        _write_log(keeper, text)
        keeper.send(_log_event(0, 104))
        keeper.send(_log_event(0, len(text)))

        got, offset = bytearray(), 4
        for one in client.messages():
            if one.topic == b"log.web.0.out":
                assert one.header.offset == offset
                assert len(one.payload) <= LOG_CHUNK_BYTES
                assert one.header.times == ((0, 5),)
                got += one.payload
                offset += len(one.payload)
            if len(got) == len(text) - 4:
                break
        assert got == text[4:]


def test_a_flood_is_skipped_not_sent_late(home: Path) -> None:
    """Who is far behind gets the newest lines from a line's beginning; the hole shows in the
    offsets."""
    line = b"x" * 99 + b"\n"
    with scripted_app(home, logs=[{"instance": 0, "stream": "out", "begin": 0, "end": 0}]) as (
        keeper,
        client,
    ):
        client.subscribe(b"log.web.0.out", topics.beat("web"))
        next(client.messages())
        _write_log(keeper, line * 100_000)
        keeper.send(_log_event(0, 10_000_000))

        first = _until(client, 1, b"log.web.0.out")[0]

        assert (first.header.offset or 0) > 9_000_000
        assert (first.header.offset or 0) % 100 == 0
        assert first.payload.startswith(line)


def test_bye_reaches_the_subscribers_and_ends_the_agent(home: Path) -> None:
    """When the app is deleted, clients are notified and the agent exits with 0."""
    keeper = ScriptedKeeper(home)
    agent = AgentProcess(keeper.paths)
    keeper.greet()
    with client_of(keeper.paths) as client:
        client.subscribe(topics.event("web"), topics.beat("web"))
        next(client.messages())
        keeper.send({"type": "app_deleted"})

        assert codec.decode_update(_until(client, 1, b"event.web")[0].payload) == AppDeleted()
        assert agent.process.wait(15) == 0
    agent.stop()
    keeper.close()


def test_a_second_agent_leaves_at_once(home: Path) -> None:
    """Two agents never share an app: the second says so and goes, the first serves on."""
    with scripted_app(home) as (keeper, client):
        second = subprocess.run(
            agent_command(keeper.paths.folder), capture_output=True, text=True, timeout=60
        )

        assert second.returncode == 0
        assert "another agent" in Path(keeper.paths.agent_log).read_text()
        assert client.snapshot().app.name == "web"


def test_deleted_socket_files_come_back(home: Path) -> None:
    """When something sweeps the socket files away, old and new clients are served again."""
    with scripted_app(home) as (keeper, client):
        paths = keeper.paths
        client.snapshot()
        for path in (paths.ctl, paths.pub):
            os.unlink(path)

        wait_until(lambda: os.path.exists(paths.ctl) and os.path.exists(paths.pub))
        with client_of(paths) as another:
            another.subscribe(topics.beat("web"))
            assert another.snapshot().app.name == "web"
            assert next(another.messages()).topic == b"beat.web"
        assert client.snapshot().app.name == "web"


def test_sockets_are_for_the_owner_only(home: Path) -> None:
    """Nobody else may even connect."""
    with scripted_app(home) as (keeper, _):
        for path in (keeper.paths.ctl, keeper.paths.pub, keeper.paths.agent_lock):
            wait_until(lambda path=path: os.path.exists(path), what=path)
            assert os.stat(path).st_mode & 0o777 == 0o600


def test_an_agent_leaves_when_its_folder_is_gone(home: Path) -> None:
    """A folder that was removed by hand, while no keeper runs that makes it again, takes its agent
    with it."""
    keeper = ScriptedKeeper(home)
    agent = AgentProcess(keeper.paths)
    keeper.greet()
    wait_until(lambda: os.path.exists(keeper.paths.ctl))
    os.rename(keeper.paths.folder, keeper.paths.folder + "-moved")
    keeper.close()

    assert agent.process.wait(15) == 0
    agent.stop()


def test_lines_that_make_no_sense_do_not_disturb(home: Path) -> None:
    """A keeper's line that cannot be read is logged and skipped."""
    with scripted_app(home) as (keeper, client):
        for line in (
            b"\n",
            b"{}\n",
            b"[1]\n",
            b'{"type": "instance_changed"}\n',
            b"\xff\xfe\n",
            b'{"id"\n',
        ):
            keeper.send(line)
        keeper.send({"type": "app_changed", "app": app_json("web", version="3"), "rollout": None})

        wait_until(lambda: client.snapshot().app.version == "3", what="the good line was read")
        assert "cannot read" in Path(keeper.paths.agent_log).read_text()


IDLE = "import sys; print(flush=True); sys.stdin.read()"
"""Prints a line when it has all its memory, and waits for the end of its input."""


def test_too_much_memory_is_a_restart(home: Path) -> None:
    """An instance over its limit for two samples is restarted, once, with the reason."""
    app = app_json("web", policy={"max_memory_bytes": 1_000_000})
    words = [sys.executable, "-I", "-c", IDLE]
    with ExitStack() as stack:
        worker = stack.enter_context(
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        assert worker.stdout is not None
        worker.stdout.readline()
        record = instance_json(pid=worker.pid, started_at=1.0)
        keeper, client = stack.enter_context(scripted_app(home, app=app, instances=[record]))
        requested = keeper.read()

        assert requested["do"] == "restart"
        assert requested["instances"] == [0]
        assert requested["by"] is None
        assert "> limit 1.0 MB" in requested["why"]
        seen = client.snapshot().samples[0].at
        wait_until(lambda: client.snapshot().samples[0].at > seen + 1.5)
        assert len(keeper.requests) == 2  # hello and this one


def test_changed_files_are_a_restart(home: Path, tmp_path: Path) -> None:
    """With ``watching``, a changed file restarts what should run, naming the file."""
    app = app_json("web", watching=True, cwd=str(tmp_path))
    stopped = instance_json(1, desired="stopped", status="stopped", pid=None)
    with scripted_app(home, app=app, instances=[instance_json(), stopped]) as (keeper, _):
        keeper.set_timeout(1.0)
        requested = wait_until(
            lambda: _touch_until_requested(tmp_path / "app.py", keeper), what="requested"
        )

        assert (requested["do"], requested["instances"]) == ("restart", [0])
        assert requested["why"] == "files changed: app.py"


def _touch_until_requested(path: Path, keeper: ScriptedKeeper) -> dict | None:
    path.write_text("x")  # again and again: the watcher may not have begun yet
    try:
        return keeper.read()
    except TimeoutError:
        return None


def test_answers_are_small_enough_to_read_as_json(home: Path) -> None:
    """A stranger's client sees plain msgpack maps with ``type`` first to distinguish them."""
    with scripted_app(home) as (_, client):
        client.ctl.send_multipart([b"1", msgspec.msgpack.encode({"type": "snapshot"})])
        _, body = client.ctl.recv_multipart()

        assert msgspec.msgpack.decode(body)["type"] == "app_snapshot"


def test_the_calendar_is_a_restart(home: Path) -> None:
    """When a cron expression is due, what should run is restarted, with the reason."""
    app = app_json("web", policy={"cron": "*/2 * * * * *"})
    with scripted_app(home, app=app) as (keeper, _):
        requested = keeper.read()

        assert (requested["do"], requested["instances"]) == ("restart", [0])
        assert requested["why"] == "cron */2 * * * * *"


def test_an_app_of_a_thousand_instances_is_sent_whole(home: Path) -> None:
    """A snapshot larger than any other message passes from the keeper to the client."""
    past = [float(second) for second in range(200)]
    many = [instance_json(number, restart_times=past) for number in range(1000)]
    with scripted_app(home, instances=many) as (_, client):
        snapshot = wait_until(lambda: client.try_snapshot(deadline_s=5.0), what="a snapshot")

        assert len(snapshot.instances) == 1000
        assert snapshot.instances[999].restart_times == tuple(past)
        assert set(snapshot.samples) == set(range(1000))


def test_events_published_while_nobody_listened_are_counted(home: Path) -> None:
    """The number in the snapshot is that of the newest event, received by anyone or not."""
    with scripted_app(home) as (keeper, client):
        for version in range(5):
            keeper.send({"type": "app_changed", "app": app_json("web", version=str(version))})

        wait_until(lambda: client.snapshot().app.version == "4", what="the last event")
        assert client.snapshot().event_seq == 5
