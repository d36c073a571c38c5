"""Servers and pools as people run them: what probes say against what the programs measured.

Every server here answers ``/block`` by blocking for 0.3 s and ``/grow`` by keeping new objects, and
says which process did that and how long it took or how many bytes it was.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from support.matrix import diagonal, matrix
from support.ports import free_port, is_listening
from support.probe import (
    VERSIONS,
    Report,
    available,
    each_version,
    environment,
    listening,
    python,
    two_reports,
)
from support.processes import end_group
from support.programs import PROGRAMS
from support.waiting import wait_until

GROWTHS = 5
GROWTH_ERROR = 0.05
"""As a part of the growth."""
REPORTS = 45
"""As many bring a new reading of the heap, also where one takes long; see `_check_growth`."""


class Server(NamedTuple):
    """A server: its program in ``programs/probe_matrix``, how it is started, what it needs."""

    source: str
    words: str
    needs: tuple[str, ...] = ()
    short_s: float = 0.02
    """By how much a block may read too short."""


UVICORN = "-m uvicorn app:app --port {port} --loop "
GUNICORN = "-m gunicorn app:app -w 2 -b 127.0.0.1:{port} -k "
HYPERCORN = "-m hypercorn app:app -b 127.0.0.1:{port} -k "
WITH_LOOP = {
    "uvicorn asyncio": Server("asgi.py", UVICORN + "asyncio", ("uvicorn",)),
    "uvicorn uvloop": Server("asgi.py", UVICORN + "uvloop", ("uvicorn", "uvloop"), 0.055),
    "uvicorn workers": Server("asgi.py", UVICORN + "asyncio --workers 2", ("uvicorn",)),
    "gunicorn asgi": Server("asgi.py", GUNICORN + "asgi", ("gunicorn",), 0.055),
    "hypercorn asyncio": Server("asgi.py", HYPERCORN + "asyncio", ("hypercorn",)),
    "hypercorn trio": Server("asgi.py", HYPERCORN + "trio", ("hypercorn", "trio")),
    "aiohttp": Server("aiohttp_app.py", "app.py {port}", ("aiohttp",)),
    "tornado": Server("tornado_app.py", "app.py {port}", ("tornado",)),
}
QUICK = ("uvicorn asyncio", "uvicorn uvloop", "hypercorn trio", "tornado")
"""One for each way in which the probe reads a loop, and tornado, which brings its own server."""
WITHOUT_LOOP = {
    "gunicorn sync": Server("wsgi.py", GUNICORN + "sync", ("gunicorn",)),
    "gunicorn gthread": Server("wsgi.py", GUNICORN + "gthread --threads 4", ("gunicorn",)),
    "flask": Server("flask_app.py", "app.py {port}", ("flask",)),
    "celery": Server("celery_app.py", "app.py {port}", ("celery",)),
}
PLAIN = {
    "threads": Server("threads.py", "app.py {port}"),
    "pool that forks": Server("pool.py", "app.py {port} fork"),
    "pool that spawns": Server("pool.py", "app.py {port} spawn"),
}


class Running:
    """A server that runs, and the full reports of its processes since the last request."""

    def __init__(self, sock: socket.socket, port: int) -> None:
        self._sock = sock
        self._port = port
        self._since: dict[int, list[Report]] = {}

    def ask(self, path: str) -> tuple[int, float]:
        """Return which process answered and its answer; drop the reports before that."""
        url = f"http://127.0.0.1:{self._port}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            pid, value = json.loads(answer.read())
        self._since.clear()
        return pid, value

    def reports(self, pid: int, enough: Callable[[list[Report]], bool]) -> list[Report]:
        """Wait until the reports of a process are enough; return them."""

        def seen() -> list[Report]:
            with suppress(TimeoutError):
                report = json.loads(self._sock.recv(1 << 20))
                if "gc" in report:
                    self._since.setdefault(report["pid"], []).append(report)
            since = self._since.get(pid, [])
            return since if enough(since) else []

        return wait_until(seen, what=f"reports of {pid}")


@contextmanager
def _running(server: Server, folder: Path, interpreter: str) -> Iterator[Running]:
    programs = PROGRAMS / "probe_matrix"
    for module in ("guest.py", "http_server.py"):
        shutil.copy(programs / module, folder)
    shutil.copy(programs / server.source, folder / "app.py")
    port = free_port()
    with listening() as (sock, path), (folder / "printed").open("wb") as printed:
        process = subprocess.Popen(
            [interpreter, *server.words.format(port=port).split()],
            cwd=folder, env=environment(path, PYTHONDONTWRITEBYTECODE="1"),
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
        )  # fmt: skip
        try:
            wait_until(lambda: is_listening(port), what=f"{server.words} listens")
            yield Running(sock, port)
        finally:
            end_group(process)


def _venv(server: Server) -> str:
    for package in server.needs:
        pytest.importorskip(package)
    return sys.executable


def _check_growth(running: Running) -> int:
    """Have the server grow until that is read rightly; return the process that did.

    A report may carry a reading from before it, as the probe reads a heap less often where that
    takes longer. So a growth that is not read rightly by some reports is followed by another one,
    which is compared with the newest of them.
    """
    before: dict[int, int] = {}
    errors: list[float] = []
    while len(errors) < GROWTHS:
        pid, expected = running.ask("/grow")

        def error(since: list[Report], pid: int = pid, expected: float = expected) -> float:
            return (since[-1]["heap"]["used"] - before[pid]) / expected - 1.0

        def is_enough(since: list[Report], pid: int = pid) -> bool:
            if pid not in before or not two_reports(since):
                return two_reports(since)
            return abs(error(since)) < GROWTH_ERROR or len(since) >= REPORTS

        since = running.reports(pid, is_enough)
        if pid in before:
            errors.append(error(since))
            if abs(errors[-1]) < GROWTH_ERROR:
                return pid
        before[pid] = since[-1]["heap"]["used"]
    raise AssertionError(f"growth of 80 MB is read with errors of {errors}")


def _blamed(reports: list[Report]) -> list[str]:
    """Return the kinds of the blocks that are over and that name the function that blocks."""
    blocks = [each for report in reports for each in report["blocked"] if each["count"]]
    return [each["kind"] for each in blocks if each["stack"][0][2] == "blocker"]


def _block_errors(running: Running) -> Iterator[float]:
    """Have the server block, again and again; yield by how much each was read too long."""
    while True:
        pid, took = running.ask("/block")
        reports = running.reports(pid, lambda since: bool(_blamed(since)))
        assert _blamed(reports) == ["callback"]
        yield max(loop["max"] for report in reports for loop in report["loops"]) - took


def _check_loop(server: Server, running: Running) -> None:
    """A busy machine stretches what the loop does around the block: the best of a few counts."""
    end = time.monotonic() + 30
    for error in _block_errors(running):
        if -server.short_s <= error <= 0.01:
            return
        assert time.monotonic() < end, f"a block of 0.3 s is read with an error of {error:+.3f} s"


@pytest.mark.parametrize("name", matrix(WITH_LOOP, QUICK))
def test_a_server_with_a_loop(name: str, tmp_path: Path) -> None:
    """Its loop is found, a block of 0.3 s read and its frame named, 80 MB of growth seen."""
    server = WITH_LOOP[name]
    with _running(server, tmp_path, _venv(server)) as running:
        _check_loop(server, running)
        last = running.reports(_check_growth(running), bool)[-1]

    assert [loop["running"] for loop in last["loops"]] == [True]
    assert last["fault"] == ""


@pytest.mark.parametrize("name", matrix(WITHOUT_LOOP, ["gunicorn gthread"]))
def test_a_server_without_a_loop(name: str, tmp_path: Path) -> None:
    """Its workers report their scheduling delay instead of a loop's, and 80 MB of growth."""
    server = WITHOUT_LOOP[name]
    with _running(server, tmp_path, _venv(server)) as running:
        _check_without_loop(running)


@pytest.mark.parametrize(("name", "version"), diagonal(list(PLAIN), VERSIONS, available()))
def test_threads_and_pools_of_every_python(name: str, version: str, tmp_path: Path) -> None:
    """A server of threads, and pools that fork and spawn: the process that works has its own."""
    with _running(PLAIN[name], tmp_path, python(version)) as running:
        _check_without_loop(running)


@each_version
def test_an_asyncio_server_of_every_python(version: str, tmp_path: Path) -> None:
    """The server that asyncio itself has, on each interpreter."""
    server = Server("asyncio_streams.py", "app.py {port}")
    with _running(server, tmp_path, python(version)) as running:
        _check_loop(server, running)
        _check_growth(running)


def _check_without_loop(running: Running) -> None:
    running.ask("/block")
    last = running.reports(_check_growth(running), bool)[-1]

    assert last["loops"] == []
    assert last["blocked"] == []
    assert last["sched"]
    assert last["fault"] == ""
