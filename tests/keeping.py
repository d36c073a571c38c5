"""A keeper in a test: started as the command line starts it, asked over its own socket."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from monit_agent.supervise.spec import AppSpec, Policy, to_json
from monit_agent.wire.places import app_places, keeper_command
from waiting import wait_until

QUICK = Policy(min_uptime_s=0.1, kill_timeout_s=5.0)
"""Online soon, so that tests need not wait for it."""


def python(code: str, *args: str) -> tuple[str, ...]:
    """Give an argv that runs ``code``."""
    return (sys.executable, "-c", code, *args)


class Keeping:
    """The app ``name`` in a home of its own."""

    def __init__(self, home: Path, name: str = "web") -> None:
        self.home = home
        self.places = app_places(str(home), name)
        self.process: subprocess.Popen[bytes] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    def spec(self, *argv: str, **fields: Any) -> AppSpec:
        policy = fields.pop("policy", QUICK)
        return AppSpec(
            name=self.places.name,
            script=argv[0],
            argv=argv,
            cwd=fields.pop("cwd", str(self.home)),
            user="somebody",
            created_at=time.time(),
            policy=policy,
            **fields,
        )

    def start(self, *argv: str, env: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        """Start a keeper with a spec; give what it says."""
        given = {"spec": to_json(self.spec(*argv, **fields)), "env": env or dict(os.environ)}
        return self.launch(json.dumps(given).encode())

    def launch(self, stdin: bytes = b"") -> dict[str, Any]:
        """Start a keeper; give the line that it says."""
        os.makedirs(self.home, exist_ok=True)
        command = keeper_command(self.places.folder)
        pipe = subprocess.PIPE
        self.process = process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self._processes.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stdin)
        process.stdin.close()
        line = process.stdout.readline()
        process.stdout.close()
        return json.loads(line)

    def connect(self) -> "Line":
        """Give a connection of one's own."""
        return Line(self.places.keeper)

    def ask(self, do: str, **with_: Any) -> dict[str, Any]:
        """Ask over a fresh connection; give the answer."""
        line = self.connect()
        try:
            return line.ask(do, **with_)
        finally:
            line.close()

    def snapshot(self) -> dict[str, Any]:
        return self.ask("hello", role="test", pid=os.getpid())["snapshot"]

    def slots(self) -> dict[int, dict[str, Any]]:
        return {slot["instance"]: slot for slot in self.snapshot()["instances"]}

    def slot(self, instance: int = 0) -> dict[str, Any]:
        return self.slots()[instance]

    def told(self, kind: str, instance: int | None = None) -> list[str]:
        return [
            h["text"]
            for h in self.snapshot()["happenings"]
            if h["kind"] == kind and instance in (None, h["instance"])
        ]

    def keeper_pid(self) -> int:
        return self.snapshot()["app"]["keeper_pid"]

    def wait_for(self, status: str, instance: int = 0) -> dict[str, Any]:
        """Wait until the instance has this status; give its record."""

        def there() -> dict[str, Any] | None:
            slot = self.slots().get(instance)
            return slot if slot is not None and slot["status"] == status else None

        found = wait_until(there, what=f"instance {instance} is {status}", deadline_s=20)
        assert found is not None
        return found

    def close(self) -> None:
        """Kill and bury the keepers that were started here; the rest is the home's to clean."""
        for process in self._processes:
            process.kill()
            process.wait()

    def kill_keeper(self) -> None:
        """Kill it with -9 and bury it if it is our child."""
        pid = self.keeper_pid()
        os.kill(pid, signal.SIGKILL)
        if self.process is not None and self.process.pid == pid:
            self.process.wait()
        wait_until(lambda: not is_running(pid), what="the keeper is gone")

    def revive(self) -> None:
        """Have a keeper again; the agent may be faster than we are."""
        self.launch()

        def answers() -> bool:
            try:
                return bool(self.snapshot())
            except (OSError, ValueError):
                return False

        wait_until(answers, what="a keeper answers again", deadline_s=20)

    def log(self, instance: int = 0, stream: str = "out") -> bytes:
        path = Path(self.places.log(instance, stream))
        return path.read_bytes() if path.exists() else b""


class Line:
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

    def ask(self, do: str, **with_: Any) -> dict[str, Any]:
        self.send(json.dumps({"id": "q", "do": do, **with_}).encode() + b"\n")
        while True:
            answer = self.read()
            if "id" in answer:
                return answer

    def event(self, kind: str) -> dict[str, Any]:
        """Wait for the next event of this kind."""
        while True:
            message = self.read()
            if message.get("event") == kind:
                return message

    def close(self) -> None:
        self.file.close()
        self.sock.close()


def is_running(pid: int) -> bool:
    """Tell whether such a process is alive (a zombie is not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] not in (b"Z", b"X")
