"""An agent that sends what a test makes it send, over real ZeroMQ sockets, in the test's thread.

For what a real agent never does: garbage, holes, silence, another version, another life.
"""

import os
from pathlib import Path
from typing import Any

import zmq

from monit_agent.wire import codec, topics
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    AppRecord,
    AppSnapshot,
    Header,
    InstanceRecord,
    Request,
    Sample,
    Snapshot,
    Update,
)
from monit_agent.wire.paths import app_paths


class FakeAgent:
    """Binds an app's sockets; `serve` answers what has come in."""

    def __init__(self, home: Path, name: str = "web", *, epoch: int = 1, slots: int = 1) -> None:
        self.name = name
        self.paths = app_paths(str(home), name)
        os.makedirs(self.paths.folder, mode=0o700, exist_ok=True)
        Path(self.paths.state).write_text("{}")
        self.epoch = epoch
        self.records = {number: slot(number) for number in range(slots)}
        self.requests: list[Request] = []
        self.answers: dict[type[Any], Answer | bytes | None] = {}
        """The answer to a kind of request; None: no answer at all."""
        self.holding = False
        """Keep answers back until `release`."""
        self._held: list[list[bytes]] = []
        self._seqs: dict[bytes, int] = {}
        self._context = zmq.Context()
        self.pub = self._context.socket(zmq.PUB)
        self.ctl = self._context.socket(zmq.ROUTER)
        for socket, path in ((self.pub, self.paths.pub), (self.ctl, self.paths.ctl)):
            socket.linger = 0
            Path(path).unlink(missing_ok=True)
            socket.bind(f"ipc://{path}")

    @property
    def event_seq(self) -> int:
        return self._seqs.get(topics.event(self.name), 0)

    def snapshot(self) -> AppSnapshot:
        return AppSnapshot(
            epoch=self.epoch,
            event_seq=self.event_seq,
            agent_pid=os.getpid(),
            agent_version="test",
            app=AppRecord(
                name=self.name, script="x.py", cwd="/", user="me", created_at=1.0, keeper_pid=1
            ),
            instances=tuple(self.records.values()),
        )

    def serve(self) -> None:
        """Answer every request that is there."""
        while self.ctl.poll(0):
            peer, number, body = self.ctl.recv_multipart()
            request = codec.decode_request(body)
            self.requests.append(request)
            answer = self.answers.get(type(request), self._usual(request))
            if answer is not None:
                raw = answer if isinstance(answer, bytes) else codec.encode(answer)
                self._held.append([peer, number, raw])
        if not self.holding:
            self.release()

    def release(self) -> None:
        """Send the answers that were kept back."""
        self.holding = False
        for frames in self._held:
            self.ctl.send_multipart(frames)
        self._held.clear()

    def _usual(self, request: Request) -> Answer:
        return self.snapshot() if isinstance(request, Snapshot) else Accepted()

    def count(self, kind: type[Any]) -> int:
        """Count the requests of this ``kind``."""
        return sum(isinstance(request, kind) for request in self.requests)

    def skip(self, topic: bytes) -> Header:
        """Use up the next number of a topic without sending it: a message that was lost."""
        self._seqs[topic] = self._seqs.get(topic, 0) + 1
        return Header(epoch=self.epoch, seq=self._seqs[topic], at_ns=0)

    def event(self, event: Update) -> None:
        topic = topics.event(self.name)
        self.send(topic, codec.encode(self.skip(topic)), codec.encode(event))

    def beat(self) -> None:
        topic = topics.beat(self.name)
        self.send(topic, codec.encode(self.skip(topic)), codec.encode_beat(self.event_seq))

    def sample(self, number: int, sample: Sample) -> None:
        topic = topics.metrics(self.name, number)
        self.send(topic, codec.encode(self.skip(topic)), codec.encode(sample))

    def log(self, number: int, stream: str, offset: int, data: bytes) -> None:
        topic = topics.log(self.name, number, stream)
        header = Header(epoch=self.epoch, seq=1, at_ns=0, offset=offset, times=((offset, 5),))
        self.send(topic, codec.encode(header), data)

    def send(self, *frames: bytes) -> None:
        """Publish frames as they are."""
        self.pub.send_multipart(list(frames))

    def close(self) -> None:
        self.pub.close()
        self.ctl.close()
        self._context.term()


def slot(number: int, **changed: Any) -> InstanceRecord:
    """Return the record of a healthy slot."""
    usual: dict[str, Any] = {
        "id": number, "status": "online", "desired": "running", "ready": True, "pid": 9000 + number,
        "started_at": 1.0,
    }  # fmt: skip
    return InstanceRecord(instance=number, **{**usual, **changed})
