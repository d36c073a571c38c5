"""What is inside a worker, seen from the command line: real apps under a real keeper and agent."""

import http.client
import json
import os
import shutil
import signal
import socket
import sys
import textwrap
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monit_agent.client.text.format import format_bytes
from support.command_line import monit, row, rows
from support.ports import free_port, is_listening
from support.waiting import wait_until

BLOCKS = """
    import asyncio, time
    def slow_thing():
        time.sleep(0.2)
    async def main():
        while True:
            await asyncio.sleep(0.3)
            slow_thing()
    asyncio.run(main())
"""


def _start(path: Path, program: str, *words: str, name: str = "web") -> None:
    path.write_text(textwrap.dedent(program))
    python = ("--interpreter", sys.executable) if path.suffix == ".py" else ()
    monit("start", str(path), "--name", name, *python, *words)


def _when(what: str, true: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Wait until the app's only row is so, and return it."""
    return wait_until(
        lambda: found if true(found := row("web")) else None, what=what, deadline_s=25
    )


def _described() -> dict[str, Any]:
    return json.loads(monit("describe", "web", "--json"))[0]


@pytest.mark.usefixtures("home")
def test_a_python_apps_heap_lag_and_blocking_frame_are_shown(tmp_path: Path) -> None:
    """Heap and lag stand in the list; what held the loop up is named, with a count."""
    _start(tmp_path / "app.py", BLOCKS)
    found = _when("lag", lambda now: (now["loop_blocks"] or 0) > 3)

    assert found["heap_src"] == "malloc"
    assert 1e6 < found["heap_used_bytes"] <= found["heap_size_bytes"]
    assert found["loop_type"] == "asyncio"
    assert 150 < found["loop_lag_max_ms"] < 2000
    assert 50 < found["loop_lag_p95_ms"] <= found["loop_lag_p99_ms"] <= found["loop_lag_max_ms"]
    assert 0 < found["loop_utilization"] <= 1
    (blocked,) = _described()["blocked"]
    assert (blocked["function"], blocked["kind"]) == ("slow_thing", "callback")
    assert blocked["file"].endswith("app.py")
    assert blocked["count"] >= 1
    assert 150 < blocked["max_ms"] < 2000
    assert "slow_thing app.py:4" in monit("describe", "web")


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
@pytest.mark.usefixtures("home")
def test_a_node_apps_lag_is_shown_where_pm2_shows_almost_none(tmp_path: Path) -> None:
    """A Node app that blocks 150 ms in every 550 ms: p95 says so (pm2 shows about 1 ms)."""
    _start(
        tmp_path / "app.js",
        "setInterval(() => { const e = Date.now() + 150; while (Date.now() < e); }, 550);",
    )
    found = _when("lag", lambda now: (now["loop_blocks"] or 0) > 6)

    assert found["heap_src"] == "v8"
    assert found["loop_type"] == "node"
    assert found["loop_lag_p95_ms"] > 50
    assert found["handles"] >= 1


WAITS = {
    "app.py": """
        import http.server, os, time
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                time.sleep(0.1)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
        http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
        """,
    "app.js": """
        const http = require("http");
        http.createServer((_, answer) => setTimeout(() => answer.end(), 101))
          .listen(process.env.PORT, "127.0.0.1");
        """,
}
"""Servers that take at least 100 ms for each answer; Node's timers may be a millisecond early."""


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.usefixtures("home")
def test_no_percentile_is_below_what_every_request_took(tmp_path: Path, name: str) -> None:
    """A handler that waits 100 ms is not shown with less than that, but for 3 %."""
    if name == "app.js" and shutil.which("node") is None:
        pytest.skip("there is no node here")
    port = free_port()
    _start(tmp_path / name, WAITS[name], "--env", f"PORT={port}")
    wait_until(lambda: is_listening(port), what="the server listens")

    def counted(now: dict[str, Any]) -> bool:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read()
        return now["http_p50_ms"] is not None

    found = _when("latency", counted)

    assert 97 <= found["http_p50_ms"] <= found["http_p95_ms"] <= found["http_max_ms"]
    assert found["http_p50_ms"] <= found["http_p99_ms"]


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
@pytest.mark.usefixtures("home")
def test_a_node_heap_is_compared_with_its_limit(tmp_path: Path) -> None:
    """An idle app uses most of what V8 has taken so far: the percentage is that of the limit."""
    _start(tmp_path / "app.js", "setInterval(() => {}, 1000);")
    found = _when("heap", lambda now: now["heap_used_bytes"])

    assert found["heap_usage_percent"] > 50
    assert found["heap_limit_percent"] < 20
    assert found["heap_size_bytes"] < found["heap_limit_bytes"]
    (line,) = (each for each in monit("describe", "web").splitlines() if "limit" in each)
    assert f"limit {format_bytes(found['heap_limit_bytes'])} (" in line
    assert "%" not in line.split(";")[0]


@pytest.mark.usefixtures("home")
def test_a_master_with_workers_is_one_sum(tmp_path: Path) -> None:
    """An instance of several processes: heaps add up, the worst lag counts."""
    _start(
        tmp_path / "app.py",
        """
        import asyncio, multiprocessing, time
        def work(block_s):
            held = bytearray(20_000_000)
            async def main():
                while True:
                    await asyncio.sleep(0.2)
                    time.sleep(block_s)
            asyncio.run(main())
        if __name__ == "__main__":
            for block_s in (0.0, 0.15):
                multiprocessing.Process(target=work, args=(block_s,)).start()
        """,
    )
    found = _when("both", lambda now: (now["heap_used_bytes"] or 0) > 40e6 and now["loop_blocks"])

    assert found["loop_lag_max_ms"] > 120


@pytest.mark.usefixtures("home")
def test_no_probe_is_null_and_reported(tmp_path: Path) -> None:
    """With --no-probe nothing is known of the inside, and nothing of ours is in the worker."""
    _start(
        tmp_path / "app.py",
        "import os; print(dict(os.environ), flush=True); import time; time.sleep(600)",
        "--no-probe",
    )
    found = _when("measured", lambda now: now["cpu_percent"] is not None)

    assert found["heap_size_bytes"] is None
    assert found["loop_lag_p95_ms"] is None
    assert "none reports" in monit("describe", "web")
    assert "MONIT_PROBE_SOCK" not in monit("logs", "web", "--no-follow")


def test_a_strangers_report_does_not_count(home: Path, tmp_path: Path) -> None:
    """Who is not below a worker can send what it likes; garbage of a worker changes nothing."""
    _start(
        tmp_path / "app.py",
        """
        import os, socket, time
        os.environ.pop("MONIT_PROBE", None)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        while not os.path.exists(os.environ["MONIT_PROBE_SOCK"]):
            time.sleep(0.1)
        while True:
            sock.sendto(b"\\xff garbage", os.environ["MONIT_PROBE_SOCK"])
            time.sleep(0.1)
        """,
    )
    _when("heap", lambda now: now["heap_size_bytes"])
    lie = {"v": 2, "rt": "python", "started": 1, "seq": 1, "loops": [],
           "heap": {"src": "lie", "size": 10**15, "used": 1}}  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        for _ in range(3):
            stranger.sendto(json.dumps(lie).encode(), str(home / "apps" / "web" / "probe.sock"))
    said = home / "apps" / "web" / "agent.log"
    wait_until(
        lambda: f"process {os.getpid()} reports" in said.read_text(), what="the stranger is refused"
    )

    assert row("web")["heap_src"] == "malloc"
    assert row("web")["heap_size_bytes"] < 10**12
    assert "cannot be read" in said.read_text()


@pytest.mark.usefixtures("home")
def test_the_figures_end_with_the_worker_and_begin_again(tmp_path: Path) -> None:
    """After a restart the new worker's figures stand there, and a stopped one has none."""
    _start(tmp_path / "app.py", BLOCKS)
    before = _when("lag", lambda now: now["loop_blocks"])
    monit("restart", "web")
    after = _when("again", lambda now: now["pid"] != before["pid"] and now["heap_used_bytes"])
    assert after["loop_blocks"] is None or after["loop_blocks"] <= before["loop_blocks"] + 3
    monit("stop", "web")

    assert row("web")["heap_size_bytes"] is None


@pytest.mark.usefixtures("home")
def test_an_agent_that_was_killed_has_the_figures_again(tmp_path: Path) -> None:
    """The next agent binds the socket again; the app, and its worker, notice nothing of it."""
    _start(tmp_path / "app.py", BLOCKS)
    before = _when("lag", lambda now: now["loop_blocks"])
    os.kill(_described()["agent_pid"], signal.SIGKILL)
    after = _when("more", lambda now: (now["loop_blocks"] or 0) > before["loop_blocks"] + 3)

    assert after["pid"] == before["pid"]
    assert after["heap_used_bytes"]


@pytest.mark.usefixtures("home")
def test_the_apps_own_python_path_and_node_options_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user had in these variables still works; a second start does not pile ours up."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "mine"))
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=123")
    program = """
        import os, sys, time
        print([p for p in sys.path if "mine" in p or "probe-" in p])
        print(os.environ["PYTHONPATH"].count("probe-"), os.environ["NODE_OPTIONS"], flush=True)
        time.sleep(600)
    """
    _start(tmp_path / "app.py", program)
    monit("restart", "web", "--update-env")
    said = wait_until(
        lambda: (
            text if (text := monit("logs", "web", "--no-follow")).count("--max-old") == 2 else ""
        ),
        what="both workers have said it",
    )

    assert said.count(f"['{tmp_path}/mine']") == 2
    assert said.count("1 --max-old-space-size=123 --require=") == 2
    assert said.count("--require=") == 2
    assert [each["app"] for each in rows()] == ["web"]


SERVER = """
    import http.server, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(500 if self.path == "/bad" else 200)
            self.end_headers()
        def log_message(self, *words):
            pass
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.usefixtures("home")
def test_requests_are_shown_with_no_change_to_the_app(tmp_path: Path) -> None:
    """Requests and errors per second and latency stand in the list, the sheet and its JSON; with
    --no-http nothing is known of them."""
    port = free_port()
    _start(tmp_path / "app.py", SERVER, "--", str(port))

    def counted(found: dict[str, Any]) -> bool:
        for path in ("/", "/", "/bad"):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            client.request("GET", path)
            client.getresponse().read()
            client.close()
        return bool(found["http_errors_per_s"] and found["http_p99_ms"])

    found = _when("requests", counted)
    assert found["http_rps"] > found["http_errors_per_s"] > 0
    assert 0 < found["http_p50_ms"] <= found["http_p95_ms"] <= found["http_p99_ms"]
    assert found["http_p99_ms"] <= found["http_max_ms"]
    _when("all requests are answered", lambda now: now["http_in_flight"] == 0)
    assert "http latency      p50" in monit("describe", "web")
    assert monit("list").splitlines()[1].split()[-1].endswith("/s")

    monit("delete", "web")
    _start(tmp_path / "app.py", SERVER, "--no-http", "--", str(port))
    found = _when("another probe", lambda now: now["heap_used_bytes"])
    assert found["http_rps"] is None
    assert "latency" not in monit("describe", "web")
