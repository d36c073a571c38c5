"""How many requests fail while servers are reloaded under load.

The servers are those that the tests put under monit (``tests/support/servers.py``), unchanged;
pm2 does the Node ones too. It has no reload for anything else.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path

from cluster import CLOSE, answers, end, failed, free_port, load, requests
from common import ROOT, Figure, Manager, alternate, both, say, wait_for

sys.path.append(os.path.join(ROOT, "tests"))

from support import servers

INSTANCES = 2
RELOADS = 5
SETTLE_S = 0.5
LEFT_OUT = ("http.server 1.1",)
"""Closes a connection on request, but without the header that says so. wrk counts that as an error
each time, with or without a reload."""
NOTE = """\
Reloads: a timeout (an answer that takes more than two seconds) counts as failed.
A worker that is about to stop says `Connection: close` with its last answer on each kept \
connection."""
LONG_S = 600.0
"""Longer than needed: the benchmark ends the load itself."""


def measure(quick: bool) -> list[Figure]:
    """Return the failed requests of five reloads, with new connections and with kept ones."""
    figures: list[Figure] = []
    kinds = ("http.server", "node") if quick else servers.SERVERS
    for kind in (kind for kind in kinds if kind not in LEFT_OUT):
        reason = servers.why_not(kind)
        say(f"  {kind}: {reason or f'{RELOADS} reloads, twice'}")
        if reason is None:
            figures += _of(kind)
    return figures


def _of(kind: str) -> list[Figure]:
    figures: list[Figure] = []
    made: dict[str, int] = {}
    with _served(kind) as ports:
        for how, headers in (("Connection: close", CLOSE), ("keep-alive", ())):
            turns = {
                manager.name: partial(_lost, manager, port, headers, made)
                for manager, port in ports
            }
            what = f"{kind}, -i {INSTANCES}, {RELOADS} reloads under wrk -c32, {how}"
            samples = alternate(1, turns)
            of = ", ".join(f"{who} of {number:,}" for who, number in made.items())
            figures.append(Figure(f"{what}: failed requests ({of})", "", samples, NOTE))
    return figures


@contextlib.contextmanager
def _served(kind: str) -> Generator[list[tuple[Manager, int]], None, None]:
    with both() as managers, tempfile.TemporaryDirectory(prefix="b") as folder:
        served: list[tuple[Manager, int]] = []
        for manager in managers:
            port = free_port()
            if _start(manager, kind, Path(folder) / manager.name, port):
                wait_for(lambda port=port: answers(port), f"{kind} serves under {manager.name}")
                served.append((manager, port))
        yield served


def _start(manager: Manager, kind: str, folder: Path, port: int) -> bool:
    """Start the server with several instances; False if this manager cannot reload it."""
    folder.mkdir()
    script = servers.write(kind, folder)
    if manager.name == "monit":
        manager.run("start", *servers.start_words(kind, folder, port, INSTANCES))
        return True
    if script.suffix != ".js":
        return False
    manager.environment = {**manager.environment, "TEST_PORT": str(port)}
    manager.run("start", str(script), "--name", "web", "-i", str(INSTANCES))
    return True


def _lost(manager: Manager, port: int, headers: tuple[str, ...], made: dict[str, int]) -> float:
    running = load(port, LONG_S, headers)
    for _ in range(RELOADS):
        time.sleep(SETTLE_S)
        manager.run("reload", "web")
    time.sleep(SETTLE_S)
    output = end(running)
    made[manager.name] = requests(output)
    return float(failed(output))
