"""Helpers for tests of the agent: a real agent process, a small client, a scripted keeper.

`ScriptedKeeper` speaks the keeper's protocol from a script; it is for what is hard to bring a
real keeper to do. Tests of what a user would notice use the real one.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import zmq

from monit_agent.supervise.spec import AppSpec, Policy, to_json
from monit_agent.wire import codec
from monit_agent.wire.messages import Answer, AppSnapshot, Header, Request, Snapshot
from monit_agent.wire.places import AppPlaces, agent_command, app_places, keeper_command
from waiting import wait_until


class Heard(NamedTuple):
    """One PUB message."""

    topic: bytes
    header: Header
    payload: bytes


class Client:
    """A DEALER and a SUB of one app's agent, as a stranger would write them."""

    def __init__(self, places: AppPlaces) -> None:
        self._context = zmq.Context()
        self.ctl = self._context.socket(zmq.DEALER)
        self.ctl.connect(f"ipc://{places.ctl}")
        self.sub = self._context.socket(zmq.SUB)
        self.sub.setsockopt(zmq.RCVHWM, 0)
        self.sub.connect(f"ipc://{places.pub}")
        self._count = 0

    def close(self) -> None:
        for each in (self.ctl, self.sub):
            each.close(0)
        self._context.term()

    def ask(self, request: Request, deadline_s: float = 15.0) -> Answer:
        """Ask until answered; answers to earlier questions are passed over."""
        self._count += 1
        mine = str(self._count).encode()
        self.ctl.send_multipart([mine, codec.encode(request)])
        return self.answer(mine, deadline_s)

    def answer(self, request_id: bytes, deadline_s: float = 15.0) -> Answer:
        end = time.monotonic() + deadline_s
        while self.ctl.poll(max(0, int((end - time.monotonic()) * 1000))):
            got, body = self.ctl.recv_multipart()
            if got == request_id:
                return codec.decode_answer(body)
        raise AssertionError(f"no answer to {request_id!r} within {deadline_s} s")

    def try_snapshot(self, deadline_s: float = 0.3) -> AppSnapshot | None:
        """Give a snapshot, or None when no agent answered that soon: a request that a dying
        agent took with it must be asked again."""
        try:
            answer = self.ask(Snapshot(), deadline_s)
        except AssertionError:
            return None
        return answer if isinstance(answer, AppSnapshot) else None

    def subscribe(self, *prefixes: bytes) -> None:
        for prefix in prefixes:
            self.sub.subscribe(prefix)

    def heard(self, deadline_s: float = 15.0) -> Iterator[Heard]:
        """Give messages as they come, until none came for the rest of the deadline."""
        end = time.monotonic() + deadline_s
        while self.sub.poll(max(0, int((end - time.monotonic()) * 1000))):
            topic, header, payload = self.sub.recv_multipart()
            yield Heard(topic, codec.decode_header(header), payload)

    def snapshot(self, deadline_s: float = 15.0) -> AppSnapshot:
        answer = self.ask(Snapshot(), deadline_s)
        assert isinstance(answer, AppSnapshot), answer
        return answer


@contextmanager
def client_of(places: AppPlaces) -> Iterator[Client]:
    client = Client(places)
    try:
        yield client
    finally:
        client.close()


class AgentProcess:
    """A real agent started by hand, for tests without a real keeper."""

    def __init__(self, places: AppPlaces) -> None:
        self.places = places
        self._log = open(places.agent_log, "ab")  # noqa: SIM115 (closed in stop)
        self.process = subprocess.Popen(
            agent_command(places.folder), stdin=subprocess.DEVNULL, stderr=self._log
        )

    def said(self) -> str:
        return Path(self.places.agent_log).read_text()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()


def app_json(name: str, **changed: Any) -> dict[str, Any]:
    """An `AppRecord` as the keeper says it."""
    return {
        "name": name, "script": "app.py", "cwd": "/", "user": "me", "created_at": 1.0,
        "keeper_pid": os.getpid(), "instances": 1, **changed,
    }  # fmt: skip


def instance_json(number: int = 0, **changed: Any) -> dict[str, Any]:
    """An `InstanceRecord` as the keeper says it."""
    return {
        "instance": number, "id": number, "status": "online", "wanted": "running",
        "ready": True, "pid": os.getpid(), "started_at": time.time(), **changed,
    }  # fmt: skip


class ScriptedKeeper:
    """Listens on ``keeper.sock`` of an app and says what a test makes it say."""

    def __init__(self, home: Path, name: str = "web", **snapshot: Any) -> None:
        self.places = app_places(str(home), name)
        os.makedirs(self.places.logs, mode=0o700, exist_ok=True)
        Path(self.places.state).write_text("{}")
        self.snapshot = {
            "app": app_json(name), "roll": None, "instances": [instance_json()],
            "logs": [], "happenings": [], **snapshot,
        }  # fmt: skip
        self.asked: list[dict[str, Any]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.places.keeper)
        self._listener.listen()
        self._listener.settimeout(15.0)
        self._connection: socket.socket | None = None
        self._pending = b""

    def greet(self) -> None:
        """Take the agent's connection and answer its hello."""
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(15.0)
        hello = self.read()
        assert hello["do"] == "hello"
        assert hello["role"] == "agent"
        self.say({"id": hello["id"], "ok": True, "snapshot": self.snapshot})

    def set_timeout(self, seconds: float) -> None:
        """How long `read` waits before it raises TimeoutError."""
        assert self._connection is not None
        self._connection.settimeout(seconds)

    def read(self) -> dict[str, Any]:
        """Give the agent's next request."""
        assert self._connection is not None
        while b"\n" not in self._pending:
            data = self._connection.recv(65536)
            assert data, "the agent closed the connection"
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        self.asked.append(json.loads(line))
        return self.asked[-1]

    def say(self, line: dict[str, Any] | bytes) -> None:
        assert self._connection is not None
        raw = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
        self._connection.sendall(raw)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._listener.close()


@contextmanager
def scripted_app(home: Path, **snapshot: Any) -> Iterator[tuple[ScriptedKeeper, Client]]:
    """A scripted keeper, a real agent that greeted it, and a client."""
    keeper = ScriptedKeeper(home, **snapshot)
    agent = AgentProcess(keeper.places)
    try:
        keeper.greet()
        wait_until(lambda: os.path.exists(keeper.places.ctl), what="the agent bound its sockets")
        with client_of(keeper.places) as client:
            yield keeper, client
    finally:
        agent.stop()
        keeper.close()


class RunningApp(NamedTuple):
    """An app under its real keeper, with the agent that the keeper started."""

    places: AppPlaces
    client: Client

    def pids(self) -> list[int | None]:
        return [record.pid for record in self.client.snapshot().instances]


@contextmanager
def running_app(home: Path, code: str, instances: int = 1, **policy: Any) -> Iterator[RunningApp]:
    """Start a keeper for an app that runs Python ``code``; wait until all is online.

    Everything is killed by the fixture ``home`` afterwards.
    """
    places = app_places(str(home), "web")
    os.makedirs(places.folder, mode=0o700)
    script = home / "app.py"
    script.write_text(code)
    spec = AppSpec(
        name="web", script="app.py", argv=(sys.executable, "-u", str(script)), cwd=str(home),
        user="me", instances=instances, created_at=time.time(),
        policy=Policy(min_uptime_s=0.2)._replace(**policy),
    )  # fmt: skip
    order = json.dumps({"spec": to_json(spec), "env": {"PATH": os.environ["PATH"]}})
    keeper = subprocess.Popen(
        keeper_command(places.folder),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert keeper.stdin
    assert keeper.stdout
    with keeper.stdin, keeper.stdout:
        keeper.stdin.write(order.encode())
        keeper.stdin.close()
        said = keeper.stdout.readline()
    try:
        assert json.loads(said)["ok"], said
        with client_of(places) as client:
            wait_until(lambda: all_online(client), deadline_s=30, what="all is online")
            yield RunningApp(places, client)
    finally:
        keeper.kill()
        keeper.wait()


def all_online(client: Client) -> bool:
    """Say whether the agent answers and every instance is online."""
    answer = client.ask(Snapshot())
    return isinstance(answer, AppSnapshot) and all(
        record.status == "online" for record in answer.instances
    )
