"""Helpers for tests of the probe: real programs of real interpreters, a real socket."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import monit_agent
from support.matrix import matrix

PROBE = Path(monit_agent.__file__).parent / "probe"
INJECT = PROBE / "inject"
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")

OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
each_version = pytest.mark.parametrize("version", matrix(VERSIONS, (VERSIONS[0], OWN_VERSION)))
"""The oldest and our own; the versions between and after them in the full matrix."""
DEADLINE_S = 30.0

Report = dict[str, Any]

GATES = """
import os
def passed(gate):
    path = os.path.join(os.environ["MONIT_TEST_GATES"], gate)
    if not os.path.exists(path):
        open(path, "w").close()
    return os.path.exists(path + ".open")
"""
"""Put before a program: ``passed(name)`` tells whether enough was reported since the program
first asked for that gate. So a program waits for its reports and not for a time."""

Gates = Mapping[str, Callable[[list[Report]], bool]]
"""Per gate: whether the full reports since it was reached are enough."""


def two_reports(since: list[Report]) -> bool:
    """The first may have been under way before the gate was reached; the second was not."""
    return len(since) >= 2


class Ran(NamedTuple):
    """A program that is over."""

    code: int
    out: str
    err: str
    reports: list[Report]
    seconds: float

    @property
    def full(self) -> list[Report]:
        """The reports with numbers in them."""
        return [report for report in self.reports if "gc" in report]

    @property
    def last(self) -> Report:
        """The last report with numbers in it."""
        return self.full[-1]


def available() -> list[str]:
    """Return the versions of which there seems to be an interpreter, our own always."""
    return [each for each in VERSIONS if _candidates(each)]


def _candidates(version: str) -> list[str]:
    """Return what may be an interpreter of this version: on PATH, or among pyenv's."""
    pyenv = Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python")
    on_path = shutil.which(f"python{version}")
    own = [sys.executable] if version == OWN_VERSION else []
    return [*([on_path] if on_path else []), *map(str, sorted(pyenv)), *own]


@cache
def interpreter(version: str) -> str | None:
    """Return an interpreter of this version that runs; None if there is none."""
    for candidate in _candidates(version):
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        said = subprocess.run([candidate, "-I", "-c", code], capture_output=True, text=True)
        if said.returncode == 0 and said.stdout.strip() == version:
            return candidate
    return None


def python(version: str) -> str:
    """Return an interpreter of this version or skip the test."""
    found = interpreter(version)
    if found is None:
        pytest.skip(f"there is no Python {version} here")
    return found


def environment(sock: str | Path, **more: str) -> dict[str, str]:
    """Return the environment in which a program has the probe."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("MONIT_")}
    return {**plain, "PYTHONPATH": str(INJECT), "MONIT_PROBE_SOCK": str(sock), **more}


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """Return a datagram socket as the agent has it, and its path."""
    folder = tempfile.mkdtemp(prefix="m")
    path = os.path.join(folder, "probe.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(0.02)
        yield sock, path
    shutil.rmtree(folder, ignore_errors=True)


def run(
    program: str,
    *arguments: str,
    interpreter: str = sys.executable,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    gates: Gates | None = None,
) -> Ran:
    """Run a program with the probe to its end and give all that it and its probe said."""
    prelude = GATES if gates else ""
    command = [interpreter, *options, "-c", prelude + textwrap.dedent(program), *arguments]
    with listening() as (sock, path):
        folder = os.path.dirname(path)
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            env=environment(path, MONIT_TEST_GATES=folder, **(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            reports, seconds = _gather(sock, process, begun, _Gatekeeper(folder, gates or {}))
            out, err = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
            process.wait()
    return Ran(process.returncode, out, err, reports, seconds)


def _gather(
    sock: socket.socket, process: subprocess.Popen[str], begun: float, gates: "_Gatekeeper"
) -> tuple[list[Report], float]:
    reports: list[Report] = []
    ended = None
    while True:
        if ended is None and process.poll() is not None:
            ended = time.monotonic()
        try:
            gates.look()
            report = json.loads(sock.recv(1 << 20))
            reports.append(report)
            gates.take(report)
        except TimeoutError:
            if ended is not None:
                return reports, ended - begun
            assert time.monotonic() < begun + DEADLINE_S, "the program did not end"


class _Gatekeeper:
    """Opens the gates of a program, see `GATES`."""

    def __init__(self, folder: str, gates: Gates) -> None:
        self._folder = folder
        self._closed = dict(gates)
        self._since: dict[str, list[Report]] = {}

    def look(self) -> None:
        """See which gates the program has reached."""
        for gate in self._closed:
            if gate not in self._since and os.path.exists(os.path.join(self._folder, gate)):
                self._since[gate] = []

    def take(self, report: Report) -> None:
        """Count a report for the gates that the program waits at."""
        if "gc" not in report:
            return
        for gate, since in list(self._since.items()):
            since.append(report)
            if self._closed[gate](since):
                Path(self._folder, f"{gate}.open").touch()
                del self._closed[gate], self._since[gate]
