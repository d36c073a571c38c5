"""The apps under chaos, and what they wrote down themselves of their workers."""

import json
import socket
from pathlib import Path
from typing import Any, NamedTuple

from monit_agent.wire.paths import AppPaths
from support.processes import is_running


class Run(NamedTuple):
    """One worker process, as it wrote itself down."""

    instance: int
    pid: int
    name: str


class ChaosApp:
    """One app. ``words`` follow ``monit start``; ``port`` is 0 for one that serves nobody."""

    def __init__(self, name: str, paths: AppPaths, words: list[str], port: int = 0) -> None:
        self.name = name
        self.paths = paths
        self.words = words
        self.port = port
        self.kills: dict[int, int] = {}
        """How often a worker of an instance exited because chaos made it."""
        self.forgotten: dict[int, int] = {}
        """How many runs an instance had before it was scaled away the last time."""
        self.streams = ("out", "err")

    def snapshot(self) -> dict[str, Any] | None:
        """Return what the keeper knows, after all that it was sent before; None without answer."""
        try:
            with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as file:
                connection.settimeout(1.0)
                connection.connect(self.paths.keeper)
                for number in range(2):
                    request = {"id": str(number), "do": "hello", "role": "test", "pid": 1}
                    connection.sendall(json.dumps(request).encode() + b"\n")
                    answer: dict[str, Any] = {}
                    while answer.get("id") != str(number):
                        answer = json.loads(file.readline())
        except (OSError, ValueError):
            return None
        return answer["snapshot"]

    def is_settled(self, runs: list[Run]) -> bool:
        """Return whether every instance is online, and its worker has written itself down."""
        snapshot = self.snapshot()
        if snapshot is None:
            return False
        rollout = snapshot["rollout"]
        if rollout is not None and (rollout["waiting"] or rollout["current"]):
            return False
        last = {run.instance: run.pid for run in runs}
        return all(
            slot["status"] == "online"
            and slot["replacement"] is None
            and slot["pid"] == last.get(slot["instance"])
            for slot in snapshot["instances"]
        )


class Records:
    """The folder in which workers write themselves down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def runs(self, app: str) -> list[Run]:
        """Return the workers of an app, oldest first."""
        try:
            lines = (self.folder / "runs").read_text().splitlines()
        except FileNotFoundError:
            return []
        found = (line.split(" ") for line in lines)
        return [
            Run(int(instance), int(name.partition(".")[0]), name)
            for owner, instance, name in found
            if owner == app
        ]

    def alive(self, app: str) -> list[Run]:
        """Return those of the app's workers that run."""
        return [run for run in self.runs(app) if is_running(run.pid)]
