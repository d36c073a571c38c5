"""Servers as people run them: the loop is found, a block is read, the culprit named."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from probing import Report, environment, listening
from running import free_port, is_listening
from waiting import wait_until

ASGI = """
import time
def blocker():
    time.sleep(0.3)
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/block":
        blocker()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""
WSGI = """
import time
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
AIOHTTP = """
import sys, time
from aiohttp import web
def blocker():
    time.sleep(0.3)
async def handle(request):
    if request.path == "/block":
        blocker()
    return web.Response(text="ok")
app = web.Application()
app.router.add_get("/{tail:.*}", handle)
web.run_app(app, port=int(sys.argv[1]), print=None)
"""
ASYNC_SERVERS = {
    "uvicorn asyncio": (ASGI, "-m uvicorn app:app --loop asyncio --port {port}"),
    "uvicorn uvloop": (ASGI, "-m uvicorn app:app --loop uvloop --port {port}"),
    "uvicorn workers": (ASGI, "-m uvicorn app:app --workers 2 --port {port}"),
    "gunicorn asgi": (ASGI, "-m gunicorn app:app -w 2 -k asgi -b 127.0.0.1:{port}"),
    "aiohttp": (AIOHTTP, "app.py {port}"),
}


def _serve(
    folder: Path, source: str, words: str, seen: Callable[[dict[int, list[Report]]], bool],
    path: str,
) -> dict[int, list[Report]]:  # fmt: skip
    """Run a server, ask it once for ``path``, gather reports by pid until ``seen``."""
    (folder / "app.py").write_text(source)
    port = free_port()
    by_pid: dict[int, list[Report]] = {}
    with listening() as (sock, sockname):

        def gathered() -> bool:
            try:
                report = json.loads(sock.recv(1 << 20))
            except TimeoutError:
                return False
            if "gc" in report:
                by_pid.setdefault(report["pid"], []).append(report)
            return seen(by_pid)

        process = subprocess.Popen(
            [sys.executable, *words.format(port=port).split()],
            cwd=folder, env=environment(sockname), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_until(lambda: is_listening(port), what=f"{words} listens")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                assert answer.read() == b"ok"
            wait_until(gathered, what="the reports tell it", deadline_s=20)
        finally:
            process.terminate()
            process.wait(20)
    return by_pid


@pytest.mark.parametrize("server", ASYNC_SERVERS)
def test_a_request_that_blocks_is_found_in_every_server(server: str, tmp_path: Path) -> None:
    """One request blocks its worker 300 ms: that worker's lag says so, and who it was."""
    package = server.split(maxsplit=1)[0]
    pytest.importorskip(package)
    if "uvloop" in server:
        pytest.importorskip("uvloop")

    def blocks(by_pid: dict[int, list[Report]]) -> list[dict]:
        reports = [report for each in by_pid.values() for report in each]
        return [block for report in reports for block in report["blocked"]]

    def seen(by_pid: dict[int, list[Report]]) -> bool:
        return any(block["count"] and block["stack"][0][2] == "blocker" for block in blocks(by_pid))

    by_pid = _serve(tmp_path, *ASYNC_SERVERS[server], seen, "/block")
    longest = max(loop["max"] for each in by_pid.values() for report in each
                  for loop in report["loops"])  # fmt: skip

    assert longest > 0.26  # a busy machine stretches it; the exact figure is tested elsewhere
    assert {report["fault"] for each in by_pid.values() for report in each} == {""}


@pytest.mark.parametrize("more", ["", "--preload", "-k gthread --threads 4"])
def test_workers_of_a_forking_server_report_each(more: str, tmp_path: Path) -> None:
    """A master that forks: heap and scheduling delay come from it and from both workers."""
    pytest.importorskip("gunicorn")
    words = "-m gunicorn app:app -w 2 -b 127.0.0.1:{port} " + more
    by_pid = _serve(tmp_path, WSGI, words, lambda by_pid: len(by_pid) >= 3, "/")

    for each in by_pid.values():
        assert each[-1]["heap"]["used"] > 1e6
        assert each[-1]["fault"] == ""
        assert each[-1]["sched"]
