"""Whatever arrives on the sockets, the agent keeps running and serves the others."""

import contextlib
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
import zmq

from monit_agent.wire import codec, topics
from monit_agent.wire.limits import HELD_BYTES, REQUEST_BYTES
from monit_agent.wire.messages import Refused, Snapshot
from monit_agent.wire.zmtp import GREETING, ready_bytes
from support.agent import Client, ScriptedKeeper, client_of, scripted_app
from support.waiting import wait_until


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[tuple[ScriptedKeeper, Client]]:
    with scripted_app(home) as both:
        yield both


App = tuple[ScriptedKeeper, Client]


def test_random_frames_hurt_nobody(app: App) -> None:
    """Thousands of random messages are each refused or dropped; another client is served."""
    keeper, client = app
    dice = random.Random(1)
    with client_of(keeper.paths) as rude:
        for _ in range(2000):
            frames = [dice.randbytes(dice.randrange(200)) for _ in range(dice.randrange(1, 6))]
            rude.ctl.send_multipart(frames)
        assert client.snapshot().app.name == "web"
        refused = rude.ctl.recv_multipart()
        assert isinstance(codec.decode_answer(refused[1]), Refused)
    assert client.snapshot().app.name == "web"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xc0", b"\x80", b"\xff" * 50, b"\x91" * 5000,
        msgspec.msgpack.encode({"type": "stop", "instances": "all"}),
        msgspec.msgpack.encode({"type": "__class__"}),
        msgspec.msgpack.encode({"type": "log_tail", "instance": 2**63, "stream": "out"}),
        msgspec.msgpack.encode({"type": "log_tail", "instance": 0, "stream": "../../etc/passwd"}),
        msgspec.msgpack.encode({"type": "log_since", "instance": 0, "stream": "out", "at": 1e300}),
        msgspec.msgpack.encode(
            {"type": "log_since", "instance": 0, "stream": "out", "at": float("nan")}
        ),
    ],
)  # fmt: skip
def test_each_bad_request_is_refused_under_its_own_id(app: App, body: bytes) -> None:
    """A body that is no request gets one `Refused` with the id it came with."""
    _, client = app
    client.ctl.send_multipart([b"mine", body])

    answer = client.answer(b"mine")

    assert isinstance(answer, Refused)
    assert answer.message


@pytest.mark.parametrize("frames", [1, 3, 50])
def test_a_wrong_number_of_frames_is_refused(app: App, frames: int) -> None:
    """A request of one frame or of many is refused; its first frame is taken as the id."""
    _, client = app
    client.ctl.send_multipart([b"mine"] * frames)

    answer = client.answer(b"mine")

    assert isinstance(answer, Refused)
    assert "2 frames" in answer.message


def test_odd_request_ids_come_back_as_they_were(app: App) -> None:
    """Ids are the client's business: empty, binary or long, they are echoed."""
    _, client = app
    for request_id in (b"", b"\x00\xff", b"x" * 10_000):
        client.ctl.send_multipart([request_id, codec.encode(Snapshot())])
        assert client.ctl.recv_multipart()[0] == request_id


def test_an_oversize_request_disconnects_only_its_sender(app: App) -> None:
    """Who sends more than `REQUEST_BYTES` is cut off; others are served all the while."""
    keeper, client = app
    with client_of(keeper.paths) as rude:
        rude.ctl.send_multipart([b"1", b"x" * (REQUEST_BYTES + 1)])
        assert client.snapshot().app.name == "web"
        assert not rude.ctl.poll(200)


@pytest.mark.parametrize(("path", "kind"), [("ctl", b"DEALER"), ("pub", b"SUB")])
@pytest.mark.parametrize("size", [0, 60, 60_000])
def test_a_message_without_end_is_not_kept(app: App, path: str, kind: bytes, size: int) -> None:
    """Whoever sends frames that never complete a message is disconnected, and costs no memory."""
    keeper, client = app
    agent = psutil.Process(client.snapshot().agent_pid)
    before = agent.memory_info().rss
    frame = (b"\x03" + (size).to_bytes(8, "big") + bytes(size)) * max(1, 60_000 // (size + 9))
    with socket.socket(socket.AF_UNIX) as rude:
        rude.settimeout(15)
        rude.connect(getattr(keeper.paths, path))
        rude.sendall(GREETING + ready_bytes(kind))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            rude.sendall(frame * 300)
    assert client.snapshot().app.name == "web"
    assert agent.memory_info().rss < before + 20_000_000


def test_many_peers_together_hold_no_more_than_one(app: App) -> None:
    """Unfinished requests of many clients are bounded by one sum."""
    keeper, client = app
    agent = psutil.Process(client.snapshot().agent_pid)
    large = b"\x02" + REQUEST_BYTES.to_bytes(8, "big") + bytes(REQUEST_BYTES - 1)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            rude = stack.enter_context(socket.socket(socket.AF_UNIX))
            rude.connect(keeper.paths.ctl)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                rude.sendall(GREETING + ready_bytes(b"DEALER") + large)
        assert client.snapshot().app.name == "web"
        assert agent.memory_info().rss < 40_000_000 + HELD_BYTES + REQUEST_BYTES


def test_an_unknown_field_is_refused_by_name(app: App) -> None:
    """``instance`` for ``instances`` restarts nothing; the answer says which fields there are."""
    _, client = app
    body = msgspec.msgpack.encode({"type": "restart", "instance": 0})
    client.ctl.send_multipart([b"mine", body])
    answer = client.answer(b"mine")
    assert isinstance(answer, Refused)
    assert answer.kind == "bad_request"
    assert "`instance`" in answer.message
    assert answer.message.endswith("'restart' knows instances, env")


def test_a_peer_that_never_reads_costs_bounded_memory(app: App) -> None:
    """Thousands of unread answers do not pile up in the agent without end."""
    keeper, client = app
    Path(keeper.paths.log(0, "out")).write_bytes(b"x" * 1_000_000)
    agent = psutil.Process(client.snapshot().agent_pid)
    ask = msgspec.msgpack.encode(
        {"type": "log_range", "instance": 0, "stream": "out", "start": 0, "max_bytes": 10**6}
    )
    lazy = zmq.Context.instance().socket(zmq.DEALER)
    lazy.setsockopt(zmq.RCVHWM, 1)
    lazy.connect(f"ipc://{keeper.paths.ctl}")
    for number in range(500):
        lazy.send_multipart([str(number).encode(), ask])

    assert client.snapshot().app.name == "web"
    wait_until(lambda: agent.cpu_percent(0.2) < 50, what="all were served that will be")
    assert agent.memory_info().rss < 200_000_000
    lazy.close(0)


def test_raw_bytes_on_the_sockets_hurt_nobody(app: App) -> None:
    """Who speaks no ZeroMQ at all is ignored."""
    keeper, client = app
    for path in (keeper.paths.ctl, keeper.paths.pub):
        wait_until(lambda path=path: os.path.exists(path), what=path)
        for raw in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000), b"\xff" * 64):
            with socket.socket(socket.AF_UNIX) as plain:
                plain.connect(path)
                plain.sendall(raw)
    client.subscribe(topics.beat("web"))

    assert client.snapshot().app.name == "web"
    assert next(client.messages()).topic == b"beat.web"


def test_messages_sent_to_the_pub_socket_are_ignored(app: App) -> None:
    """An XSUB may send what it likes towards the publisher; subscribers still get everything."""
    keeper, client = app
    context = zmq.Context()
    rude = context.socket(zmq.XSUB)
    rude.connect(f"ipc://{keeper.paths.pub}")
    for raw in (b"", b"\x02x", b"\x00never subscribed", b"hello" * 100):
        rude.send(raw)
    rude.send_multipart([b"\x01beat.web", b"and more"])
    client.subscribe(topics.beat("web"))

    assert next(client.messages()).topic == b"beat.web"
    rude.close(0)
    context.term()
