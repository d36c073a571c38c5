"""Servers that fork: who reports."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from support.ports import free_port, is_listening
from support.probe import Report, environment, listening
from support.waiting import wait_until

WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def _serve(
    folder: Path, words: str, seen: Callable[[dict[int, list[Report]]], bool]
) -> dict[int, list[Report]]:
    """Run a server, ask it once, gather reports by pid until ``seen``."""
    (folder / "app.py").write_text(WSGI)
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
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                assert answer.read() == b"ok"
            wait_until(gathered, what="the reports have it")
        finally:
            process.terminate()
            process.wait(20)
    return by_pid


@pytest.mark.parametrize("more", ["", "--preload", "-k gthread --threads 4"])
def test_workers_of_a_forking_server_report_each(more: str, tmp_path: Path) -> None:
    """A master that forks: heap and scheduling delay come from it and from both workers."""
    pytest.importorskip("gunicorn")
    words = "-m gunicorn app:app -w 2 -b 127.0.0.1:{port} " + more
    by_pid = _serve(tmp_path, words, lambda by_pid: len(by_pid) >= 3)

    for each in by_pid.values():
        assert each[-1]["heap"]["used"] > 1e6
        assert each[-1]["fault"] == ""
        assert each[-1]["sched"]
