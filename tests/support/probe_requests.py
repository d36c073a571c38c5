"""A program under the probe that requests are sent to, as the agent sends them."""

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.probe import DEADLINE_S, Report, environment, listening, python
from support.waiting import wait_until


class RunningProgram:
    """A program under the probe, and the folder of its requests."""

    def __init__(self, process: subprocess.Popen[str], sock: Any, folder: Path) -> None:
        self.process, self._sock, self._folder = process, sock, folder
        self.reports: list[Report] = []

    def report(self) -> Report:
        """Return the next report that comes."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            try:
                self.reports.append(json.loads(self._sock.recv(1 << 20)))
            except TimeoutError:
                assert self.process.poll() is None, self.process.communicate()
                continue
            return self.reports[-1]
        raise AssertionError("no report came")

    def write(self, *asks: dict[str, Any] | str) -> None:
        """Ask, as the agent does."""
        lines = [each if isinstance(each, str) else json.dumps(each) for each in asks]
        half = self._folder / "half"
        half.write_text("".join(f"{line}\n" for line in lines))
        half.rename(self._folder / str(self.process.pid))

    def was_taken(self) -> bool:
        """Return whether the program has taken what was written."""
        return not (self._folder / str(self.process.pid)).exists()

    def write_when_taken(self, *asks: dict[str, Any] | str) -> None:
        """Ask when the program has taken what was asked before."""
        wait_until(self.was_taken, deadline_s=DEADLINE_S, what="the last request is taken")
        self.write(*asks)

    def ask(self, name: str, *args: str) -> tuple[bool, Any]:
        """Have an action run and return its result."""
        self.write({"request": "action", "id": "1", "name": name, "args": args})
        return self.answers(1)["1"]

    def answers(self, count: int) -> dict[str, tuple[bool, Any]]:
        """Wait for so many answers and return them by id."""
        found: dict[str, tuple[bool, Any]] = {}
        while len(found) < count:
            for each in self.report().get("answers", ()):
                value = json.loads(each["value"]) if each["ok"] else each["value"]
                found[each["id"]] = (each["ok"], value)
        return found


@contextmanager
def running_program(program: str, version: str = "", **env: str) -> Iterator[RunningProgram]:
    """Start a program that prints ``ready`` when it takes requests."""
    with listening() as (sock, path):
        folder = Path(path).parent / "requests"
        folder.mkdir(mode=0o700)
        process = subprocess.Popen(
            [python(version) if version else sys.executable, "-c", textwrap.dedent(program)],
            env=environment(path, MONIT_PROBE_REQUESTS=str(folder), **env),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield RunningProgram(process, sock, folder)
            process.kill()
            _, err = process.communicate()
            assert err == ""
        finally:
            process.kill()
            process.wait()
