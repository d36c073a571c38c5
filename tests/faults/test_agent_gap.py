"""Snapshot, then follow: no state is missed in between, no byte of a log either."""

from pathlib import Path

from monit_agent.wire import codec, topics
from monit_agent.wire.messages import (
    AppSnapshot,
    InstanceChanged,
    InstanceRemoved,
    LogPart,
    LogRange,
    LogTail,
    Restart,
    Scale,
)
from support.agent import Client, Published, running_app
from support.waiting import wait_until

RESTLESS = "import time; time.sleep(0.3)"  # ends by itself, so that there is always news


def _fold(records: dict, received: list[Published], after: int) -> int:
    """Apply the events with a higher number than ``after``; return the newest number."""
    for one in received:
        if one.topic != b"event.web" or one.header.seq <= after:
            continue
        assert one.header.seq == after + 1, "a hole in the events"
        after = one.header.seq
        event = codec.decode_update(one.payload)
        if isinstance(event, InstanceChanged):
            records[event.instance.instance] = event.instance
        elif isinstance(event, InstanceRemoved):
            del records[event.instance]
    return after


def _receive_until(client: Client, seq: int) -> list[Published]:
    received = []
    for one in client.messages():
        received.append(one)
        if one.topic == b"event.web" and one.header.seq >= seq:
            break
    return received


def test_a_snapshot_and_the_events_after_it_are_all_there_is(home: Path) -> None:
    """While workers come and go, a client that subscribed, asked and folded knows exactly
    what a later snapshot says."""
    with running_app(home, RESTLESS, instances=4, max_restarts=10**6) as app:
        client = app.client
        client.subscribe(topics.event("web"), topics.beat("web"))
        next(client.messages())
        first = client.snapshot()
        records = {record.instance: record for record in first.instances}
        client.request(Restart())
        client.request(Scale(count=6))
        client.request(Scale(count=2))

        seq = first.event_seq
        for _ in range(5):
            wait_until(lambda seq=seq: client.snapshot().event_seq > seq + 5, what="more events")
            final = client.snapshot()
            seq = _fold(records, _receive_until(client, final.event_seq), seq)
            assert seq >= final.event_seq
            if seq == final.event_seq:
                assert _same(records, final)


def _same(records: dict, snapshot: AppSnapshot) -> bool:
    return records == {record.instance: record for record in snapshot.instances}


def test_a_tail_and_what_is_published_after_it_meet(home: Path) -> None:
    """A client that subscribes, asks for the tail and fetches what lies between has every
    byte once."""
    code = "import time\nn = 0\nwhile True:\n    print(n)\n    n += 1\n    time.sleep(0.001)"
    with running_app(home, code) as app:
        client = app.client
        client.subscribe(topics.instance_logs("web", 0), topics.beat("web"))
        next(client.messages())
        part = client.request(LogTail(instance=0, stream="out", lines=5))
        assert isinstance(part, LogPart)
        got, begin = bytearray(part.data), part.offset
        for one in client.messages():
            if one.topic != b"log.web.0.out":
                continue
            offset = one.header.offset or 0
            reached = begin + len(got)
            if offset > reached:
                missing = client.request(
                    LogRange(instance=0, stream="out", start=reached, max_bytes=offset - reached)
                )
                assert isinstance(missing, LogPart)
                got += missing.data
                reached = begin + len(got)
            got += one.payload[max(0, reached - offset) :]
            if len(got) > 20_000:
                break

        written = Path(app.paths.log(0, "out")).read_bytes()
        assert bytes(got) == written[begin : begin + len(got)]
        assert got.startswith(part.data)
