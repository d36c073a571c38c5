"""Helpers for tests of the agent: a real agent process, a small client, a scripted keeper.

`ScriptedKeeper` speaks the keeper's protocol from a script; it is for what a real keeper is
hard to bring to do. Tests of what a user would notice use the real one.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import zmq

from monit_agent.wire import codec
from monit_agent.wire.messages import Answer, AppSnapshot, Header, Request, Snapshot
from monit_agent.wire.paths import AppPaths, agent_command, app_paths
from support.keeper import start_app
from support.waiting import wait_until


class Published(NamedTuple):
    """One PUB message."""

    topic: bytes
    header: Header
    payload: bytes


class Client:
    """A DEALER and a SUB of one app's agent, as a stranger would write them."""

    def __init__(self, paths: AppPaths) -> None:
        self._context = zmq.Context()
        self.ctl = self._context.socket(zmq.DEALER)
        self.ctl.connect(f"ipc://{paths.ctl}")
        self.sub = self._context.socket(zmq.SUB)
        self.sub.setsockopt(zmq.RCVHWM, 0)
        self.sub.connect(f"ipc://{paths.pub}")
        self._count = 0

    def close(self) -> None:
        for each in (self.ctl, self.sub):
            each.close(0)
        self._context.term()

    def request(self, request: Request, deadline_s: float = 15.0) -> Answer:
        """Send a request and return its answer; answers to earlier requests are skipped."""
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
        """Return a snapshot, or None when no agent answered that soon: a request that a dying
        agent had received must be sent again."""
        try:
            answer = self.request(Snapshot(), deadline_s)
        except AssertionError:
            return None
        return answer if isinstance(answer, AppSnapshot) else None

    def subscribe(self, *prefixes: bytes) -> None:
        for prefix in prefixes:
            self.sub.subscribe(prefix)

    def messages(self, deadline_s: float = 15.0) -> Iterator[Published]:
        """Yield messages as they come, until none came for the rest of the deadline."""
        end = time.monotonic() + deadline_s
        while self.sub.poll(max(0, int((end - time.monotonic()) * 1000))):
            topic, header, payload = self.sub.recv_multipart()
            yield Published(topic, codec.decode_header(header), payload)

    def snapshot(self, deadline_s: float = 15.0) -> AppSnapshot:
        answer = self.request(Snapshot(), deadline_s)
        assert isinstance(answer, AppSnapshot), answer
        return answer


@contextmanager
def client_of(paths: AppPaths) -> Iterator[Client]:
    client = Client(paths)
    try:
        yield client
    finally:
        client.close()


class AgentProcess:
    """A real agent started by hand, for tests without a real keeper."""

    def __init__(self, paths: AppPaths) -> None:
        self.paths = paths
        self._log = open(paths.agent_log, "ab")  # noqa: SIM115 (closed in stop)
        self.process = subprocess.Popen(
            agent_command(paths.folder), stdin=subprocess.DEVNULL, stderr=self._log
        )

    def log_text(self) -> str:
        return Path(self.paths.agent_log).read_text()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()


def app_json(name: str, **changed: Any) -> dict[str, Any]:
    """An `AppRecord` as the keeper sends it."""
    return {
        "name": name, "script": "app.py", "cwd": "/", "user": "me", "created_at": 1.0,
        "keeper_pid": os.getpid(), "instances": 1, **changed,
    }  # fmt: skip


def instance_json(number: int = 0, **changed: Any) -> dict[str, Any]:
    """An `InstanceRecord` as the keeper sends it."""
    return {
        "instance": number, "id": number, "status": "online", "desired": "running",
        "ready": True, "pid": os.getpid(), "started_at": time.time(), **changed,
    }  # fmt: skip


class ScriptedKeeper:
    """Listens on ``keeper.sock`` of an app and sends what a test makes it send."""

    def __init__(self, home: Path, name: str = "web", **snapshot: Any) -> None:
        self.paths = app_paths(str(home), name)
        os.makedirs(self.paths.logs, mode=0o700, exist_ok=True)
        Path(self.paths.state).write_text("{}")
        self.snapshot = {
            "app": app_json(name), "rollout": None, "instances": [instance_json()],
            "logs": [], "events": [], **snapshot,
        }  # fmt: skip
        self.requests: list[dict[str, Any]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.paths.keeper)
        self._listener.listen()
        self._listener.settimeout(15.0)
        self._connection: socket.socket | None = None
        self._pending = b""

    def greet(self) -> None:
        """Accept the agent's connection and answer its hello."""
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(15.0)
        hello = self.read()
        assert hello["do"] == "hello"
        assert hello["role"] == "agent"
        self.send({"id": hello["id"], "ok": True, "snapshot": self.snapshot})

    def set_timeout(self, seconds: float) -> None:
        """How long `read` waits before it raises TimeoutError."""
        assert self._connection is not None
        self._connection.settimeout(seconds)

    def read(self) -> dict[str, Any]:
        """Return the agent's next request."""
        assert self._connection is not None
        while b"\n" not in self._pending:
            data = self._connection.recv(65536)
            assert data, "the agent closed the connection"
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        self.requests.append(json.loads(line))
        return self.requests[-1]

    def send(self, line: dict[str, Any] | bytes) -> None:
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
    agent = AgentProcess(keeper.paths)
    try:
        keeper.greet()
        wait_until(lambda: os.path.exists(keeper.paths.ctl), what="the agent bound its sockets")
        with client_of(keeper.paths) as client:
            yield keeper, client
    finally:
        agent.stop()
        keeper.close()


class RunningApp(NamedTuple):
    """An app under its real keeper, with the agent that the keeper started."""

    paths: AppPaths
    client: Client

    def pids(self) -> list[int | None]:
        return [record.pid for record in self.client.snapshot().instances]


@contextmanager
def running_app(home: Path, code: str, instances: int = 1, **policy: Any) -> Iterator[RunningApp]:
    """Start a keeper for the app ``web`` that runs Python ``code``; wait until all is online.

    Everything is killed by the fixture ``home`` afterwards.
    """
    paths = start_app(home, "web", code, instances=instances, **policy)
    with client_of(paths) as client:
        wait_until(lambda: all_online(client), deadline_s=30, what="all is online")
        yield RunningApp(paths, client)


def all_online(client: Client) -> bool:
    """Return whether the agent answers and every instance is online."""
    answer = client.request(Snapshot())
    return isinstance(answer, AppSnapshot) and all(
        record.status == "online" for record in answer.instances
    )
