"""HTTP requests: real servers, real requests, counted exactly, and nothing of it shows."""

import asyncio
import contextlib
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from probing import environment, listening, python
from running import free_port, is_listening
from waiting import wait_until

ASGI = """
import asyncio
def fails(path):
    raise ValueError(path)
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/raise":
        fails(path)
    if path == "/slow":
        await asyncio.sleep(0.2)
    status = {"/none": 404, "/503": 503}.get(path, 200)
    headers = [(b"x-b", b"2"), (b"content-length", b"4"), (b"x-a", b"1")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok", "more_body": True})
    if path == "/half":
        fails(path)
    if path == "/hang":
        await asyncio.sleep(60)
    await send({"type": "http.response.body", "body": b"ok"})
"""
WSGI = """
import sys, time
def fails(path):
    raise ValueError(path)
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        fails(path)
    if path == "/slow":
        time.sleep(0.2)
    status = {"/none": "404 None", "/503": "503 Not now"}.get(path, "200 OK")
    start_response(status, [("X-B", "2"), ("Content-Length", "4"), ("X-A", "1")])
    return body(path)
def body(path):
    yield b"ok"
    if path == "/half":
        fails(path)
    if path == "/hang":
        time.sleep(60)
    yield b"ok"
"""
WSGIREF = (
    WSGI
    + """
from wsgiref.simple_server import make_server
make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
"""
)
WERKZEUG = (
    WSGI
    + """
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
"""
)
HANDLER = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
def fails(path):
    raise ValueError(path)
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/raise":
            fails(self.path)
        if self.path == "/slow":
            time.sleep(0.2)
        self.send_response({"/none": 404, "/503": 503}.get(self.path, 200))
        for name, value in (("X-B", "2"), ("Content-Length", "4"), ("X-A", "1")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")
        if self.path == "/half":
            fails(self.path)
        if self.path == "/hang":
            time.sleep(60)
        self.wfile.write(b"ok")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
AIOHTTP = """
import asyncio, logging, sys
from aiohttp import web
logging.basicConfig()
def fails(path):
    raise ValueError(path)
async def handle(request):
    path = request.path
    if path == "/ws":
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for _ in answer:
            break
        return answer
    if path == "/raise":
        fails(path)
    if path == "/slow":
        await asyncio.sleep(0.2)
    status = {"/none": 404, "/503": 503}.get(path, 200)
    answer = web.StreamResponse(status=status, headers={"X-B": "2", "X-A": "1"})
    answer.content_length = 4
    await answer.prepare(request)
    await answer.write(b"ok")
    if path == "/half":
        fails(path)
    if path == "/hang":
        await asyncio.sleep(60)
    await answer.write(b"ok")
    return answer
app = web.Application()
app.router.add_get("/{tail:.*}", handle)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""
TORNADO = """
import asyncio, logging, sys
import tornado.web, tornado.websocket
logging.basicConfig(level=logging.ERROR)
def fails(path):
    raise ValueError(path)
class Handler(tornado.web.RequestHandler):
    async def get(self):
        path = self.request.path
        if path == "/raise":
            fails(path)
        if path == "/slow":
            await asyncio.sleep(0.2)
        self.set_status({"/none": 404, "/503": 503}.get(path, 200))
        self.set_header("X-B", "2"), self.set_header("Content-Length", "4")
        self.set_header("X-A", "1")
        self.write("ok")
        await self.flush()
        if path == "/half":
            fails(path)
        if path == "/hang":
            await asyncio.sleep(60)
        self.write("ok")
class Socket(tornado.websocket.WebSocketHandler):
    pass
async def main():
    rules = [("/ws", Socket), (".*", Handler)]
    tornado.web.Application(rules).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
"""
LATE = """
import asyncio, importlib, inspect, sys, uvicorn
name = "uvicorn.protocols.http." + sys.argv[2] + "_impl"
sys.meta_path[:] = [each for each in sys.meta_path if not hasattr(each, "hooks")]
hidden = importlib.import_module(name)
del sys.modules[name]
protocol = {"h11": "H11Protocol", "httptools": "HttpToolsProtocol"}[sys.argv[2]]
protocol = getattr(hidden, protocol)
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if name not in sys.modules:
        sys.modules[name] = hidden
        while inspect.isfunction(protocol.__dict__["connection_lost"]):
            await asyncio.sleep(0.01)
    status = 503 if scope["path"] == "/503" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
uvicorn.run(app, port=int(sys.argv[1]), http=protocol, access_log=False)
"""
UVICORN = "-m uvicorn app:app --no-access-log --port {port}"
# all gunicorns of a user have one and the same control socket
GUNICORN = "-m gunicorn app:app --no-control-socket -b 127.0.0.1:{port} "
SERVERS = {
    "uvicorn h11": (ASGI, UVICORN + " --http h11"),
    "uvicorn httptools": (ASGI, UVICORN + " --http httptools"),
    "uvicorn uvloop": (ASGI, UVICORN + " --loop uvloop"),
    "uvicorn workers": (ASGI, UVICORN + " --workers 2"),
    "hypercorn": (ASGI, "-m hypercorn app:app -b 127.0.0.1:{port}"),
    "gunicorn asgi": (ASGI, GUNICORN + "-k asgi"),
    "gunicorn uvicorn": (ASGI, GUNICORN + "-k uvicorn.workers.UvicornWorker"),
    "gunicorn sync": (WSGI, GUNICORN + "-w 2"),
    "gunicorn gthread": (WSGI, GUNICORN + "-k gthread --threads 3"),
    "gunicorn preload": (WSGI, GUNICORN + "-w 2 --preload"),
    "gunicorn gevent": (WSGI, GUNICORN + "-k gevent"),
    "waitress": (WSGI, "-m waitress --listen 127.0.0.1:{port} app:app"),
    "wsgiref": (WSGIREF, "app.py {port}"),
    "werkzeug": (WERKZEUG, "app.py {port}"),
    "http.server": (HANDLER, "app.py {port}"),
    "aiohttp": (AIOHTTP, "app.py {port}"),
    "tornado": (TORNADO, "app.py {port}"),
}
ODD = {
    "uvicorn late h11": (LATE, "app.py {port} h11"),
    "uvicorn late httptools": (LATE, "app.py {port} httptools"),
}
"""Servers for one test each."""
SOCKETS = ("uvicorn h11", "hypercorn", "gunicorn asgi", "aiohttp", "tornado")
"""Servers that are asked for a WebSocket."""


class Served(NamedTuple):
    """A server under way; `counted` sums over the newest reports of its processes."""

    port: int
    by_pid: dict[int, dict[str, Any]]
    longest: list[float]
    faults: set[str]

    def ask(self, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask on a connection of its own, give (status, headers, body); 0: broken off."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (http.client.HTTPException, ConnectionError):
            return 0, [], b""
        finally:
            client.close()

    def counted(self) -> dict[str, int]:
        """Give how many requests there were, and how many failed and are open."""
        return {key: sum(each[key] for each in self.by_pid.values())
                for key in ("requests", "errors", "now")}  # fmt: skip

    def buckets(self) -> int:
        """Give how many requests stand in the histograms."""
        return sum(n for each in self.by_pid.values() for _, n in each["hist"])


@contextmanager
def _serving(
    folder: Path, server: str, *, interpreter: str = sys.executable, **env: str
) -> Iterator[tuple[Served, Any]]:
    """Run a server with the probe; also give what waits until its reports fulfil a condition."""
    for package in server.split():
        if package in {"httptools", "uvloop", "gevent"}:
            pytest.importorskip(package)
    if server not in {"http.server", "wsgiref"}:
        pytest.importorskip(server.split(maxsplit=1)[0])
    source, words = (SERVERS | ODD)[server]
    (folder / "app.py").write_text(source)
    served = Served(free_port(), {}, [0.0], set())
    with listening() as (sock, name), (folder / "said").open("wb") as said:

        def seen(condition) -> bool:
            try:
                report = json.loads(sock.recv(1 << 20))
            except TimeoutError:
                return False
            served.faults.add(report["fault"])
            if report.get("http"):
                served.by_pid[report["pid"]] = report["http"]
                served.longest[0] = max(served.longest[0], report["http"]["max"])
            return condition()

        process = subprocess.Popen(
            [interpreter, *words.format(port=served.port).split()],
            cwd=folder, env=environment(name, PYTHONUNBUFFERED="1", **env),
            stdout=said, stderr=said,
        )  # fmt: skip
        try:
            wait_until(lambda: is_listening(served.port), what=f"{server} listens", deadline_s=30)
            yield (
                served,
                lambda what, condition: wait_until(
                    lambda: seen(condition), what=what, deadline_s=30
                ),
            )
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


ROUND = ["/"] * 6 + ["/none"] * 2 + ["/slow", "/503", "/raise", "/half"]


def _round(folder: Path, server: str, interpreter: str = sys.executable) -> Served:
    with _serving(folder, server, interpreter=interpreter) as (served, until):
        for path in ROUND:
            served.ask(path)
        keep = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        for _ in range(3):
            keep.request("GET", "/")
            keep.getresponse().read()
        keep.close()
        until(
            "all requests are counted",
            lambda: served.counted()["requests"] >= len(ROUND) + 3 and served.longest[0] > 0,
        )
        served.ask("/")  # what would be counted twice, or late, would show now
        until("one more is", lambda: served.counted()["requests"] > len(ROUND) + 3)
    return served


@pytest.mark.parametrize("server", SERVERS)
def test_every_request_is_counted_once(server: str, tmp_path: Path) -> None:
    """So many requests are counted as were made, three as failed: one of status 503, one whose
    handler raised, one that was broken off in its body; 404 is no failure. None stays open."""
    served = _round(tmp_path, server)

    assert served.counted() == {"requests": len(ROUND) + 4, "errors": 3, "now": 0}
    assert served.buckets() == len(ROUND) + 4
    assert 0.19 < served.longest[0] < 5.0
    assert served.faults == {""}


@pytest.mark.parametrize("version", ["3.8", "3.13"])
@pytest.mark.parametrize("server", ["http.server", "wsgiref"])
def test_older_and_newer_interpreters_count_too(server: str, version: str, tmp_path: Path) -> None:
    """The standard library's servers of the oldest and the newest Python are read alike."""
    served = _round(tmp_path, server, python(version))

    assert served.counted() == {"requests": len(ROUND) + 4, "errors": 3, "now": 0}
    assert served.faults == {""}


@pytest.mark.parametrize("server", SERVERS)
def test_a_request_that_hangs_is_in_flight(server: str, tmp_path: Path) -> None:
    """One that streams and never ends is seen as open and not as answered."""
    if server == "wsgiref":
        pytest.skip("answers one at a time and buffers nothing: its own report says the same")
    with _serving(tmp_path, server) as (served, until):
        client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        client.request("GET", "/hang")
        until("the request is seen", lambda: served.counted()["now"] == 1)

        assert served.counted() == {"requests": 0, "errors": 0, "now": 1}
        client.close()


@pytest.mark.parametrize("server", SOCKETS)
def test_a_websocket_is_no_request(server: str, tmp_path: Path) -> None:
    """A connection that becomes a WebSocket counts neither as answered nor as open."""
    if server.startswith("uvicorn"):
        pytest.importorskip("wsproto")
    with _serving(tmp_path, server) as (served, until):
        client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        client.request("GET", "/ws", headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": f"http://127.0.0.1:{served.port}",
        })  # fmt: skip
        assert client.sock.recv(1024).startswith(b"HTTP/1.1 101")
        served.ask("/")
        until("the plain one is counted", lambda: served.counted()["requests"] == 1)

        assert served.counted() == {"requests": 1, "errors": 0, "now": 0}
        client.close()


def _answers(served: Served) -> list[Any]:
    """Give what a server answers, without the date."""
    pages = [served.ask(path) for path in ("/", "/none", "/503", "/raise", "/half")]
    return [(s, [h for h in headers if h[0].lower() != "date"], body) for s, headers, body in pages]


def _said(folder: Path) -> str:
    """Give what a server printed, without what differs from run to run."""
    text = (folder / "said").read_text().replace(str(folder), "")
    text = re.sub(r"\[?\d{4}-\d\d-\d\d [\d:,.]+( [+-]\d+)?\]?", "", text)
    text = re.sub(r"\[[^]]*\d\d:\d\d:\d\d[^]]*\]", "", text)
    text = re.sub(r"0x[0-9a-f]+|\b\d+(\.\d+)?ms\b", "", text)
    text = re.sub(r"\b\d{3,}\b(?<!\b500)(?<!\b503)", "", text)
    return "\n".join(sorted(text.splitlines()))


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_answers_and_complains_as_without_us(server: str, tmp_path: Path) -> None:
    """Answers with the order of their headers, and tracebacks word for word, are those of the
    same server without the probe."""
    probed, bare = tmp_path / "probed", tmp_path / "bare"
    for folder in (probed, bare):
        folder.mkdir()
    with _serving(probed, server) as (ours, _), _serving(bare, server, MONIT_PROBE="0") as (own, _):
        assert _answers(ours) == _answers(own)
        with contextlib.suppress(AssertionError):  # pytest shows more of what differs
            wait_until(lambda: _said(probed) == _said(bare) != "", what="both have said all")
        assert _said(probed) == _said(bare)
        assert server == "waitress" or _said(probed).count("in fails") >= 2
        assert "_monit" not in _said(probed)


BUSY = ("uvicorn h11", "uvicorn httptools")
"""Servers that have more requests than the probe measures the time of."""


@pytest.mark.parametrize("server", BUSY)
def test_a_busy_server_has_every_request_counted(server: str, tmp_path: Path) -> None:
    """On kept connections and on new ones, failed ones too; and as many stand in the histogram."""
    paths = ["/", "/503", "/raise", "/half", "/none"] * 80
    with _serving(tmp_path, server) as (served, until):
        keep = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        for _ in range(1600):
            keep.request("GET", "/")
            keep.getresponse().read()
        for path in paths:
            served.ask(path)
        until("all are counted", lambda: served.counted()["requests"] >= 1600 + len(paths))
        keep.request("GET", "/")  # what would be counted twice, or late, would show now
        keep.getresponse().read()
        until("one more is", lambda: served.counted()["requests"] > 1600 + len(paths))
        keep.close()

    failed = len(paths) * 3 // 5
    assert served.counted() == {"requests": 1601 + len(paths), "errors": failed, "now": 0}
    assert served.buckets() == 1601 + len(paths)
    assert served.faults == {""}


async def _alternate(port: int, times: int) -> None:
    """Ask for what is quick and what is slow, again and again, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in ("/", "/slow") * times:
        writer.write(b"GET %s HTTP/1.1\r\nHost: here\r\n\r\n" % path.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        await reader.readexactly(4)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("server", BUSY)
def test_what_a_busy_server_has_measured_is_like_the_rest(server: str, tmp_path: Path) -> None:
    """Every other request of many clients takes 0.2 s, and so about half of them are said to."""
    clients, times = 200, 12

    async def load(port: int) -> None:
        await asyncio.gather(*[_alternate(port, times) for _ in range(clients)])

    with _serving(tmp_path, server) as (served, until):
        asyncio.run(load(served.port))
        until("all are counted", lambda: served.counted()["requests"] >= clients * times * 2)

    hist = [tuple(each) for report in served.by_pid.values() for each in report["hist"]]
    # bucket 22 begins where 0.1 ms was doubled 10.5 times
    slow = sum(number for bucket, number in hist if bucket >= 22)
    assert 0.4 < slow / sum(number for _, number in hist) < 0.6
    assert served.longest[0] < 5.0


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/503", 503)])
@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_a_request_that_was_open_before_we_came_is_answered(
    parser: str, path: str, status: int, tmp_path: Path
) -> None:
    """A program that threw the import hook away has its server found later, in the middle of a
    request: that one goes on as if nothing were, and those after it are counted."""
    with _serving(tmp_path, f"uvicorn late {parser}") as (served, until):
        first, second = served.ask(path), served.ask(path)
        until("the second is counted", lambda: served.counted()["requests"] == 1)

    assert (first[0], first[2]) == (second[0], second[2]) == (status, b"ok")
    assert served.counted() == {"requests": 1, "errors": int(status == 503), "now": 0}
    assert served.faults == {""}


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """MONIT_PROBE_HTTP=0: the probe reports, and nothing of HTTP is loaded."""
    with _serving(tmp_path, "http.server", MONIT_PROBE_HTTP="0") as (served, until):
        served.ask("/")
        full: list[int] = []
        until("it reports", lambda: full.append(1) or len(full) > 2)

        assert served.by_pid == {}
