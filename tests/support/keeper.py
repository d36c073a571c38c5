"""Real keepers for tests: started as the command line starts them, driven over their own socket.

Whatever is started here is killed by the fixture ``home`` of ``conftest.py``.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from monit_agent.supervise.spec import AppSpec, RestartPolicy, spec_to_json
from monit_agent.wire.paths import AppPaths, app_paths, keeper_command
from support.processes import is_running
from support.waiting import wait_until

QUICK = RestartPolicy(min_uptime_s=0.1, kill_timeout_s=5.0)
"""Workers count as online soon, so that tests need not wait for it."""


def python(code: str, *args: str) -> tuple[str, ...]:
    """Return an argv that runs ``code``."""
    return (sys.executable, "-c", code, *args)


class KeptApp:
    """The app ``name`` in a home of its own."""

    def __init__(self, home: Path, name: str = "web") -> None:
        self.home = home
        self.paths = app_paths(str(home), name)
        self.command = keeper_command(self.paths.folder)
        self.process: subprocess.Popen[bytes] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    def spec(self, *argv: str, **fields: Any) -> AppSpec:
        policy = fields.pop("policy", QUICK)
        return AppSpec(
            name=self.paths.name,
            script=argv[0],
            argv=argv,
            cwd=fields.pop("cwd", str(self.home)),
            user="somebody",
            created_at=time.time(),
            policy=policy,
            **fields,
        )

    def start(self, *argv: str, env: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        """Start a keeper with a spec; return the line that it prints."""
        given = {"spec": spec_to_json(self.spec(*argv, **fields)), "env": env or dict(os.environ)}
        return self.start_keeper(json.dumps(given).encode())

    def start_keeper(self, stdin: bytes = b"") -> dict[str, Any]:
        """Start a keeper; return the line that it prints."""
        os.makedirs(self.home, exist_ok=True)
        pipe = subprocess.PIPE
        self.process = process = subprocess.Popen(
            self.command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self._processes.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stdin)
        process.stdin.close()
        line = process.stdout.readline()
        process.stdout.close()
        return json.loads(line)

    def connect(self) -> "KeeperConnection":
        """Return a new connection."""
        return KeeperConnection(self.paths.keeper)

    def request(self, do: str, **with_: Any) -> dict[str, Any]:
        """Send a request over a new connection; return the answer."""
        line = self.connect()
        try:
            return line.request(do, **with_)
        finally:
            line.close()

    def snapshot(self) -> dict[str, Any]:
        return self.request("hello", role="test", pid=os.getpid())["snapshot"]

    def snapshot_or_none(self) -> dict[str, Any] | None:
        """Return None when no keeper answers."""
        try:
            return self.snapshot()
        except (OSError, ValueError):
            return None

    def slots(self) -> dict[int, dict[str, Any]]:
        return {slot["instance"]: slot for slot in self.snapshot()["instances"]}

    def slot(self, instance: int = 0) -> dict[str, Any]:
        return self.slots()[instance]

    def event_texts(self, kind: str, instance: int | None = None) -> list[str]:
        return [
            h["text"]
            for h in self.snapshot()["events"]
            if h["kind"] == kind and instance in (None, h["instance"])
        ]

    def keeper_pid(self) -> int:
        return self.snapshot()["app"]["keeper_pid"]

    def wait_for(self, status: str, instance: int = 0) -> dict[str, Any]:
        """Wait until the instance has this status; return its record."""

        def there() -> dict[str, Any] | None:
            slot = self.slots().get(instance)
            return slot if slot is not None and slot["status"] == status else None

        found = wait_until(there, what=f"instance {instance} is {status}")
        assert found is not None
        return found

    def close(self) -> None:
        """Kill and reap the keepers that were started here; the fixture ``home`` ends the rest."""
        for process in self._processes:
            process.kill()
            process.wait()

    def kill_keeper(self) -> None:
        """Kill it with SIGKILL and reap it if it is our child."""
        pid = self.keeper_pid()
        os.kill(pid, signal.SIGKILL)
        if self.process is not None and self.process.pid == pid:
            self.process.wait()
        wait_until(lambda: not is_running(pid), what="the keeper is gone")

    def start_next_keeper(self) -> None:
        """Start the next keeper; the agent may be faster than we are."""
        self.start_keeper()

        wait_until(self.snapshot_or_none, what="a keeper answers again")

    def log(self, instance: int = 0, stream: str = "out") -> bytes:
        path = Path(self.paths.log(instance, stream))
        return path.read_bytes() if path.exists() else b""


class KeeperConnection:
    """One connection to ``keeper.sock``."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise
        self.file = self.sock.makefile("rb")

    def send(self, raw: bytes) -> None:
        self.sock.sendall(raw)

    def read(self) -> dict[str, Any]:
        line = self.file.readline()
        if not line:
            raise ConnectionError("the keeper closed the connection")
        return json.loads(line)

    def request(self, do: str, **with_: Any) -> dict[str, Any]:
        self.send(json.dumps({"id": "q", "do": do, **with_}).encode() + b"\n")
        while True:
            answer = self.read()
            if "id" in answer:
                return answer

    def update(self, kind: str) -> dict[str, Any]:
        """Return the next update of this kind."""
        while True:
            message = self.read()
            if message.get("type") == kind:
                return message

    def close(self) -> None:
        self.file.close()
        self.sock.close()


_keepers: list["subprocess.Popen[bytes]"] = []
"""Kept, because a `Popen` that is dropped while its process runs warns, and warnings fail."""


def start_app(
    home: Path,
    name: str,
    code: str,
    *,
    instances: int = 1,
    namespace: str = "default",
    **policy: Any,
) -> AppPaths:
    """Start a keeper for an app that runs the Python program ``code``; return its places.

    Returns when the keeper has its sockets; the agent and the workers follow.
    """
    paths = app_paths(str(home), name)
    os.makedirs(paths.folder, mode=0o700)
    script = home / f"{name}.py"
    script.write_text(code)
    spec = AppSpec(
        name=name,
        script=str(script),
        argv=(sys.executable, "-u", str(script)),
        cwd=str(home),
        user="tester",
        instances=instances,
        namespace=namespace,
        created_at=time.time(),
        policy=QUICK._replace(**policy),
    )
    run_keeper(paths, {"spec": spec_to_json(spec), "env": dict(os.environ)})
    return paths


def run_keeper(paths: AppPaths, order: dict[str, Any] | None) -> int:
    """Start the keeper of an app, with a new spec or to adopt what is there; return its pid."""
    keeper = subprocess.Popen(
        keeper_command(paths.folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    _keepers.append(keeper)
    assert keeper.stdin
    assert keeper.stdout
    with keeper.stdin, keeper.stdout:
        keeper.stdin.write(json.dumps(order).encode() if order else b"")
        keeper.stdin.close()
        answer = json.loads(keeper.stdout.readline())
    assert answer["ok"], answer
    return answer["pid"]
