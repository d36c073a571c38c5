"""HTTP requests: real servers, real requests, counted exactly, and nothing of it shows."""

import asyncio
import contextlib
import http.client
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.buckets import bucket_of, unpacked
from support.matrix import diagonal, matrix
from support.ports import free_port, is_listening
from support.probe import environment, listening, python
from support.processes import end_group
from support.programs import PROGRAMS
from support.waiting import wait_until

UVICORN = "-m uvicorn app:app --no-access-log --port {port}"
# all gunicorns of a user have one and the same control socket
GUNICORN = "-m gunicorn app:app --no-control-socket -b 127.0.0.1:{port} "
SERVERS = {
    "uvicorn h11": ("asgi.py", UVICORN + " --http h11"),
    "uvicorn httptools": ("asgi.py", UVICORN + " --http httptools"),
    "uvicorn uvloop": ("asgi.py", UVICORN + " --loop uvloop"),
    "uvicorn workers": ("asgi.py", UVICORN + " --workers 2"),
    "hypercorn": ("asgi.py", "-m hypercorn app:app -b 127.0.0.1:{port}"),
    "gunicorn asgi": ("asgi.py", GUNICORN + "-k asgi"),
    "gunicorn uvicorn": ("asgi.py", GUNICORN + "-k uvicorn.workers.UvicornWorker"),
    "gunicorn sync": ("wsgi.py", GUNICORN + "-w 2"),
    "gunicorn gthread": ("wsgi.py", GUNICORN + "-k gthread --threads 3"),
    "gunicorn preload": ("wsgi.py", GUNICORN + "-w 2 --preload"),
    "gunicorn gevent": ("wsgi.py", GUNICORN + "-k gevent"),
    "waitress": ("wsgi.py", "-m waitress --listen 127.0.0.1:{port} app:app"),
    "wsgiref": ("wsgi.py", "app.py {port} wsgiref"),
    "werkzeug": ("wsgi.py", "app.py {port} werkzeug"),
    "http.server": ("http_server.py", "app.py {port}"),
    "aiohttp": ("aiohttp_app.py", "app.py {port}"),
    "tornado": ("tornado_app.py", "app.py {port}"),
}
"""The file in ``programs/probe_http``, and how it is started."""
EACH_HOOK = (
    "uvicorn h11", "uvicorn httptools", "hypercorn", "gunicorn asgi", "gunicorn sync", "werkzeug",
    "http.server", "aiohttp", "tornado",
)  # fmt: skip
"""Servers of which no two are read by the same lines of the probe."""
A_FEW = ("uvicorn httptools", "gunicorn sync", "http.server", "aiohttp", "tornado")
ODD = {
    "uvicorn late h11": ("uvicorn_late.py", "app.py {port} h11"),
    "uvicorn late httptools": ("uvicorn_late.py", "app.py {port} httptools"),
}
"""Servers for one test each."""
SOCKETS = ("uvicorn h11", "hypercorn", "gunicorn asgi", "aiohttp", "tornado")
"""Servers to which a WebSocket is opened."""


class Served(NamedTuple):
    """A server under way; `counted` sums over the newest reports of its processes."""

    port: int
    by_pid: dict[int, dict[str, Any]]
    durations: Counter[int]
    longest: list[float]
    faults: set[str]

    def ask(self, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask on a connection of its own, return (status, headers, body); 0: broken off."""
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
        """Return how many requests there were, and how many failed and are open."""
        return {key: sum(each[key] for each in self.by_pid.values())
                for key in ("requests", "errors", "now")}  # fmt: skip

    def buckets(self) -> int:
        """Return how many requests stand in the histograms."""
        return sum(self.durations.values())


@contextmanager
def _serving(
    folder: Path, server: str, *, interpreter: str = sys.executable, **env: str
) -> Iterator[tuple[Served, Any]]:
    """Run a server with the probe; also return what waits until its reports fulfil a condition."""
    for package in server.split():
        if package in {"httptools", "uvloop", "gevent"}:
            pytest.importorskip(package)
    if server not in {"http.server", "wsgiref"}:
        pytest.importorskip(server.split(maxsplit=1)[0])
    source, words = (SERVERS | ODD)[server]
    shutil.copy(PROGRAMS / "probe_http" / source, folder / "app.py")
    served = Served(free_port(), {}, Counter(), [0.0], set())
    with listening() as (sock, name), (folder / "printed").open("wb") as printed:

        def seen(condition) -> bool:
            try:
                report = json.loads(sock.recv(1 << 20))
            except TimeoutError:
                return False
            served.faults.add(report["fault"])
            if report.get("http"):
                served.by_pid[report["pid"]] = report["http"]
                for bucket, number in unpacked(report["http"]["hist"]):
                    served.durations[bucket] += number
                served.longest[0] = max(served.longest[0], report["http"]["max"])
            return condition()

        process = subprocess.Popen(
            [interpreter, *words.format(port=served.port).split()],
            cwd=folder, env=environment(name, PYTHONUNBUFFERED="1", **env),
            stdout=printed, stderr=printed, start_new_session=True,
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
            end_group(process)


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


@pytest.mark.parametrize("server", matrix(SERVERS, EACH_HOOK))
def test_every_request_is_counted_once(server: str, tmp_path: Path) -> None:
    """So many requests are counted as were made, three as failed: one of status 503, one whose
    handler raised, one that was broken off in its body; 404 is no failure. None stays open."""
    served = _round(tmp_path, server)

    assert served.counted() == {"requests": len(ROUND) + 4, "errors": 3, "now": 0}
    assert served.buckets() == len(ROUND) + 4
    assert 0.19 < served.longest[0] < 5.0
    assert served.faults == {""}


@pytest.mark.parametrize(
    ("server", "version"), diagonal(["http.server", "wsgiref"], ["3.8", "3.13"], ["3.8", "3.13"])
)
def test_older_and_newer_interpreters_count_too(server: str, version: str, tmp_path: Path) -> None:
    """The standard library's servers of the oldest and the newest Python are read alike."""
    served = _round(tmp_path, server, python(version))

    assert served.counted() == {"requests": len(ROUND) + 4, "errors": 3, "now": 0}
    assert served.faults == {""}


@pytest.mark.parametrize("server", matrix(SERVERS, A_FEW))
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


@pytest.mark.parametrize("server", matrix(SOCKETS, ["hypercorn", "tornado"]))
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
    """Return what a server answers, without the date."""
    pages = [served.ask(path) for path in ("/", "/none", "/503", "/raise", "/half")]
    return [(s, [h for h in headers if h[0].lower() != "date"], body) for s, headers, body in pages]


def _printed(folder: Path) -> str:
    """Return what a server printed, without what differs from run to run."""
    text = (folder / "printed").read_text().replace(str(folder), "")
    text = re.sub(r"\[?\d{4}-\d\d-\d\d [\d:,.]+( [+-]\d+)?\]?", "", text)
    text = re.sub(r"\x1b\[[\d;]*m", "", text)
    text = re.sub(r"\[[^]\n]*\d\d:\d\d:\d\d[^]\n]*\]", "", text)
    text = re.sub(r"0x[0-9a-f]+|\b\d+(\.\d+)?ms\b", "", text)
    text = re.sub(r"\b\d{3,}\b(?<!\b500)(?<!\b503)", "", text)
    return "\n".join(sorted(text.splitlines()))


@pytest.mark.parametrize("server", matrix(SERVERS, A_FEW))
def test_a_server_answers_and_logs_as_without_the_probe(server: str, tmp_path: Path) -> None:
    """Answers with the order of their headers, and tracebacks word for word, are those of the
    same server without the probe."""
    probed, bare = tmp_path / "probed", tmp_path / "bare"
    for folder in (probed, bare):
        folder.mkdir()
    with _serving(probed, server) as (ours, _), _serving(bare, server, MONIT_PROBE="0") as (own, _):
        assert _answers(ours) == _answers(own)
        tracebacks = 0 if server == "waitress" else 2

        def have_printed_all() -> bool:
            printed = _printed(probed)
            return printed == _printed(bare) != "" and printed.count("in fails") >= tracebacks

        with contextlib.suppress(AssertionError):  # pytest shows more of what differs
            wait_until(have_printed_all, what="both have printed all")
        assert _printed(probed) == _printed(bare)
        assert _printed(probed).count("in fails") >= tracebacks
        assert "_monit" not in _printed(probed)


BUSY = ("uvicorn h11", "uvicorn httptools")
"""Servers that have more requests than the probe measures the time of."""


@pytest.mark.parametrize("server", matrix(BUSY, BUSY[1:]))
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


@pytest.mark.parametrize("server", matrix(BUSY, BUSY[1:]))
def test_what_a_busy_server_has_measured_is_like_the_rest(server: str, tmp_path: Path) -> None:
    """Every other request of many clients takes 0.2 s, and about half of them are reported so."""
    clients, times = 200, 12

    async def load(port: int) -> None:
        await asyncio.gather(*[_alternate(port, times) for _ in range(clients)])

    with _serving(tmp_path, server) as (served, until):
        asyncio.run(load(served.port))
        until("all are counted", lambda: served.counted()["requests"] >= clients * times * 2)

    slow = sum(n for bucket, n in served.durations.items() if bucket >= bucket_of(0.15))
    assert 0.4 < slow / served.buckets() < 0.6
    assert served.longest[0] < 5.0


@pytest.mark.parametrize("parser", ["h11", "httptools"])
@pytest.mark.parametrize(("path", "status"), matrix([("/", 200), ("/503", 503)], [("/503", 503)]))
def test_a_request_that_was_open_before_we_came_is_answered(
    parser: str, path: str, status: int, tmp_path: Path
) -> None:
    """A program that threw the import hook away has its server found later, in the middle of a
    request: that one is answered as always, and those after it are counted."""
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
