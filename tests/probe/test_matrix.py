"""Servers and pools as people run them: what probes say against what the programs measured.

Every server here answers ``/block`` by blocking for 0.3 s and ``/grow`` by keeping new objects, and
says which process did that and how long it took or how many bytes it was.
"""

import json
import os
import signal
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

from probing import VERSIONS, Report, environment, listening, python, two_reports
from running import free_port, is_listening
from waiting import wait_until

GUEST = """
import json, os, sys, time
held = []
def blocker():
    before = time.perf_counter()
    time.sleep(0.3)
    return time.perf_counter() - before
def grow():
    small = [bytes(400) for _ in range(100_000)]
    large = [bytearray(b"x") * 20_000 for _ in range(2_000)]
    held.extend((small, large))
    size = len(small) * (sys.getsizeof(small[0]) + 7) + sys.getsizeof(small)
    return size + len(large) * sys.getsizeof(large[0])
def handle(path):
    work = {"/block": blocker, "/grow": grow}.get(path, bool)
    return json.dumps([os.getpid(), work()]).encode()
"""

ASGI = """
import guest
async def app(scope, receive, send):
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
    body = guest.handle(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = """
import guest
def app(environ, start_response):
    start_response("200 OK", [])
    return [guest.handle(environ["PATH_INFO"])]
"""
AIOHTTP = """
import sys, guest
from aiohttp import web
async def handle(request):
    return web.Response(body=guest.handle(request.path))
app = web.Application()
app.router.add_get("/{tail:.*}", handle)
web.run_app(app, port=int(sys.argv[1]), print=None)
"""
TORNADO = """
import asyncio, sys, guest, tornado.web
class All(tornado.web.RequestHandler):
    def get(self):
        self.write(guest.handle(self.request.path))
async def main():
    tornado.web.Application([("/.*", All)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
"""
FLASK = """
import sys, flask, guest
app = flask.Flask("app")
app.add_url_rule("/", "all", lambda: guest.handle("/"))
app.add_url_rule("/<path:rest>", "rest", lambda rest: guest.handle("/" + rest))
app.run(port=int(sys.argv[1]))
"""
ASYNCIO = """
import asyncio, sys, guest
async def answer(reader, writer):
    path = (await reader.readuntil(b"\\r\\n\\r\\n")).split()[1].decode()
    writer.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + guest.handle(path))
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()
asyncio.run(main())
"""
HTTP_SERVER = """
import http.server, sys, guest
handle = guest.handle
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(handle(self.path))
def serve():
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
THREADS = f"{HTTP_SERVER}\nserve()\n"
POOL = f"""{HTTP_SERVER}
import multiprocessing
if __name__ == "__main__":
    pool = multiprocessing.get_context("WAY").Pool(1)
    handle = lambda path: pool.apply(guest.handle, [path])
    serve()
"""
CELERY = f"""{HTTP_SERVER}
import os, subprocess, celery
where = {{name: os.path.abspath("messages") for name in ("data_folder_in", "data_folder_out")}}
os.makedirs("messages", exist_ok=True)
app = celery.Celery("app", broker="filesystem://", backend="file://" + os.path.abspath("messages"))
app.conf.broker_transport_options = where
@app.task
def work(path):
    return guest.handle(path).decode()
if __name__ == "__main__":
    words = "-m celery -A app worker -P prefork -c 1".split()
    subprocess.Popen([sys.executable, *words])
    from app import work
    handle = lambda path: work.delay(path).get(timeout=20).encode()
    serve()
"""


class Server(NamedTuple):
    """A server: its program, its command line, the packages that it needs."""

    source: str
    words: str
    needs: tuple[str, ...] = ()
    short_s: float = 0.02
    """By how much a block may read too short."""


UVICORN = "-m uvicorn app:app --port {port} --loop "
GUNICORN = "-m gunicorn app:app -w 2 -b 127.0.0.1:{port} -k "
HYPERCORN = "-m hypercorn app:app -b 127.0.0.1:{port} -k "
WITH_LOOP = {
    "uvicorn asyncio": Server(ASGI, UVICORN + "asyncio", ("uvicorn",)),
    "uvicorn uvloop": Server(ASGI, UVICORN + "uvloop", ("uvicorn", "uvloop"), 0.055),
    "uvicorn workers": Server(ASGI, UVICORN + "asyncio --workers 2", ("uvicorn",)),
    "gunicorn asgi": Server(ASGI, GUNICORN + "asgi", ("gunicorn",), 0.055),
    "hypercorn asyncio": Server(ASGI, HYPERCORN + "asyncio", ("hypercorn",)),
    "hypercorn trio": Server(ASGI, HYPERCORN + "trio", ("hypercorn", "trio")),
    "aiohttp": Server(AIOHTTP, "app.py {port}", ("aiohttp",)),
    "tornado": Server(TORNADO, "app.py {port}", ("tornado",)),
}
WITHOUT_LOOP = {
    "gunicorn sync": Server(WSGI, GUNICORN + "sync", ("gunicorn",)),
    "gunicorn gthread": Server(WSGI, GUNICORN + "gthread --threads 4", ("gunicorn",)),
    "flask": Server(FLASK, "app.py {port}", ("flask",)),
    "celery": Server(CELERY, "app.py {port}", ("celery",)),
}
PLAIN = {
    "threads": Server(THREADS, "app.py {port}"),
    "pool that forks": Server(POOL.replace("WAY", "fork"), "app.py {port}"),
    "pool that spawns": Server(POOL.replace("WAY", "spawn"), "app.py {port}"),
}


class Running:
    """A server that runs, and the full reports of its processes since it was last asked."""

    def __init__(self, sock: socket.socket, port: int) -> None:
        self._sock = sock
        self._port = port
        self._since: dict[int, list[Report]] = {}

    def ask(self, path: str) -> tuple[int, float]:
        """Give which process answered and what it said; forget the reports before that."""
        url = f"http://127.0.0.1:{self._port}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            pid, value = json.loads(answer.read())
        self._since.clear()
        return pid, value

    def reports(self, pid: int, enough: Callable[[list[Report]], bool]) -> list[Report]:
        """Wait until the reports of a process are enough; give them."""

        def seen() -> list[Report]:
            with suppress(TimeoutError):
                report = json.loads(self._sock.recv(1 << 20))
                if "gc" in report:
                    self._since.setdefault(report["pid"], []).append(report)
            since = self._since.get(pid, [])
            return since if enough(since) else []

        return wait_until(seen, what=f"reports of {pid}", deadline_s=20)

    def used(self, pid: int) -> int:
        """Give the used heap after what a process was asked last."""
        return self.reports(pid, two_reports)[-1]["heap"]["used"]


@contextmanager
def _running(server: Server, folder: Path, interpreter: str) -> Iterator[Running]:
    (folder / "guest.py").write_text(GUEST)
    (folder / "app.py").write_text(server.source)
    port = free_port()
    with listening() as (sock, path), (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [interpreter, *server.words.format(port=port).split()],
            cwd=folder, env=environment(path, PYTHONDONTWRITEBYTECODE="1"),
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
        try:
            wait_until(lambda: is_listening(port), what=f"{server.words} listens")
            yield Running(sock, port)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _venv(server: Server) -> str:
    for package in server.needs:
        pytest.importorskip(package)
    return sys.executable


def _grown(running: Running) -> tuple[int, float]:
    """Have the server grow; give who did, and the error of the reading as a part of the truth."""
    errors: list[float] = []
    before: dict[int, int] = {}
    while not errors:
        pid, _ = running.ask("/")
        before[pid] = running.used(pid)
        pid, expected = running.ask("/grow")
        if pid in before:  # another worker may have come, whose heap was not known before
            errors.append((running.used(pid) - before[pid]) / expected - 1.0)
    return pid, errors[0]


def _blamed(reports: list[Report]) -> list[str]:
    """Give the kinds of the blocks that are over and whose culprit is the function that blocks."""
    blocks = [each for report in reports for each in report["blocked"] if each["count"]]
    return [each["kind"] for each in blocks if each["stack"][0][2] == "blocker"]


def _block_errors(running: Running) -> Iterator[float]:
    """Have the server block, again and again; give by how much each was read too long."""
    while True:
        pid, took = running.ask("/block")
        reports = running.reports(pid, lambda since: bool(_blamed(since)))
        assert _blamed(reports) == ["culprit"]
        yield max(loop["max"] for report in reports for loop in report["loops"]) - took


def _check_loop(server: Server, running: Running) -> None:
    """A busy machine stretches what the loop does around the block: the best of a few counts."""
    end = time.monotonic() + 30
    for error in _block_errors(running):
        if -server.short_s <= error <= 0.01:
            return
        assert time.monotonic() < end, f"a block of 0.3 s is read with an error of {error:+.3f} s"


@pytest.mark.parametrize("name", WITH_LOOP)
def test_a_server_with_a_loop(name: str, tmp_path: Path) -> None:
    """Its loop is found, a block of 0.3 s read and its culprit named, 80 MB of growth seen."""
    server = WITH_LOOP[name]
    with _running(server, tmp_path, _venv(server)) as running:
        _check_loop(server, running)
        pid, error = _grown(running)
        last = running.reports(pid, bool)[-1]

    assert abs(error) < 0.05
    assert [loop["running"] for loop in last["loops"]] == [True]
    assert last["fault"] == ""


@pytest.mark.parametrize("name", WITHOUT_LOOP)
def test_a_server_without_a_loop(name: str, tmp_path: Path) -> None:
    """Its workers tell their scheduling delay instead of a loop's, and 80 MB of growth."""
    server = WITHOUT_LOOP[name]
    with _running(server, tmp_path, _venv(server)) as running:
        _check_without_loop(running)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", PLAIN)
def test_threads_and_pools_of_every_python(name: str, version: str, tmp_path: Path) -> None:
    """A server of threads, and pools that fork and spawn: the process that works tells its own."""
    with _running(PLAIN[name], tmp_path, python(version)) as running:
        _check_without_loop(running)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_asyncio_server_of_every_python(version: str, tmp_path: Path) -> None:
    """The server that asyncio itself has, on each interpreter."""
    server = Server(ASYNCIO, "app.py {port}")
    with _running(server, tmp_path, python(version)) as running:
        _check_loop(server, running)
        _, error = _grown(running)

    assert abs(error) < 0.05


def _check_without_loop(running: Running) -> None:
    running.ask("/block")
    pid, error = _grown(running)
    last = running.reports(pid, bool)[-1]

    assert abs(error) < 0.05
    assert last["loops"] == []
    assert last["blocked"] == []
    assert last["sched"]
    assert last["fault"] == ""
