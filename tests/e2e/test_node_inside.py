"""What is inside Node programs, seen from the command line: requests, metrics, actions, blocks."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.command_line import monit, row
from support.ports import free_port, is_listening
from support.waiting import wait_until

MODULES = Path(__file__).parent.parent / "node" / "node_modules"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here"),
    pytest.mark.usefixtures("home"),
]


def needs(module: str) -> None:
    """Skip the test where a package of the npm registry was not installed."""
    if not (MODULES / module).is_dir():
        pytest.skip(f"{module} is not installed: there is no npm here")


def start(folder: Path, code: str, *words: str) -> None:
    """Start ``code`` as the app ``web``; it finds the packages of ``tests/node``."""
    (folder / "web.js").write_text(code)
    (folder / "node_modules").symlink_to(MODULES)
    monit("start", str(folder / "web.js"), *words)


def when(
    what: str, predicate: Callable[[dict[str, Any]], Any], instance: int = 0
) -> dict[str, Any]:
    """Wait until the row of an instance is as expected; return it."""

    def seen() -> dict[str, Any] | None:
        now = row("web", instance)
        return now if predicate(now) else None

    found = wait_until(seen, what=what, deadline_s=30)
    assert found is not None
    return found


SERVER = """
const server = require("http").createServer((request, response) => {
  if (request.url === "/bad") response.statusCode = 500;
  if (request.url === "/slow") setTimeout(() => response.end("late"), 200);
  else if (request.url !== "/never") response.end("x");
});
server.listen(Number(process.argv[2]), "127.0.0.1");
"""


def ask(port: int, path: str) -> None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        error.read()


def test_requests_are_counted(tmp_path: Path) -> None:
    """Requests and errors per second and latency, of an unchanged server."""
    port = free_port()
    start(tmp_path, SERVER, "--", str(port))
    wait_until(lambda: is_listening(port), what="the server listens")

    def counted(now: dict[str, Any]) -> bool:
        for path in ("/", "/bad", "/slow"):
            ask(port, path)
        return bool(now["http_errors_per_s"] and now["http_max_ms"] > 190)

    found = when("requests", counted)
    assert found["http_rps"] > found["http_errors_per_s"]
    assert found["http_p50_ms"] < 100 < found["http_p99_ms"]
    when("no request in flight", lambda now: now["http_in_flight"] == 0)


def test_requests_are_not_counted_where_that_is_switched_off(tmp_path: Path) -> None:
    """With --no-http nothing is known of them, while the rest is."""
    port = free_port()
    start(tmp_path, SERVER, "--no-http", "--", str(port))
    wait_until(lambda: is_listening(port), what="the server listens")
    ask(port, "/")
    found = when("a report", lambda now: now["heap_used_bytes"])
    assert found["http_rps"] is None


OWN = """
const monit = globalThis[Symbol.for("monit")];
const orders = monit.counter("orders");
monit.gauge("queue", () => 7, { unit: "jobs" });
monit.gauge("mood", "cheerful");
const baking = monit.histogram("baking", { unit: "ms" });
monit.action("clear", (...words) => ({ cleared: words }), { help: "Empty the cache." });
monit.action("later", async () => new Promise((done) => setTimeout(done, 100, 42)));
monit.action("bad", () => { throw new RangeError("too much"); });
monit.counter("");
monit.counter("orders").inc(-1);
setInterval(() => { orders.inc(); baking.observe(3); }, 50);
"""


def test_own_metrics_and_actions(tmp_path: Path) -> None:
    """Counter, gauge, text and histogram; actions answer, also later, also by an error."""
    start(tmp_path, OWN)
    found = when("rates", lambda now: now["metrics"].get("orders", {}).get("rate"))["metrics"]
    assert found["orders"]["kind"] == "counter"
    assert found["orders"]["value"] > 0
    assert (found["queue"]["value"], found["queue"]["unit"]) == (7.0, "jobs")
    assert found["mood"]["text"] == "cheerful"
    assert found["baking"]["value"] == 3.0
    assert 2.5 < found["baking"]["p95"] < 3.5

    def answer(*words: str, code: int = 0) -> dict[str, Any]:
        (only,) = json.loads(monit("trigger", "web", *words, "--json", code=code))
        return only

    assert answer("clear", "a", "b")["value"] == {"cleared": ["a", "b"]}
    assert answer("later")["value"] == 42
    assert answer("bad", code=1)["error"] == "RangeError: too much"
    said = monit("describe", "web")
    assert "Empty the cache." in said
    assert "no output yet" in said


PM2 = """
const io = require("@pm2/io");
const processed = io.counter({ name: "Processed" });
io.metric({ name: "Users", unit: "people" }).set(12);
io.action("db:clean", (reply) => { processed.inc(); reply({ success: true }); });
io.action("echo", (word, reply) => reply({ word }));
setInterval(() => processed.inc(), 100);
"""


@pytest.mark.parametrize("instances", [1, 2])
def test_pm2_io_is_understood(tmp_path: Path, instances: int) -> None:
    """A program made for pm2, unchanged: its metrics without pm2's own ones, and its actions."""
    needs("@pm2/io")
    start(tmp_path, PM2, "-i", str(instances))
    for number in range(instances):
        found = when("metrics", lambda now: "Users" in now["metrics"], number)["metrics"]
        assert set(found) == {"Processed", "Users"}
        assert (found["Users"]["value"], found["Users"]["unit"]) == (12.0, "people")
    for words, value in (
        (("db:clean",), {"success": True}),
        (("echo", "hello"), {"word": "hello"}),
    ):
        values = json.loads(monit("trigger", "web", *words, "--json"))
        assert [each["value"] for each in values] == [value] * instances


PROMETHEUS = """
const client = require("prom-client");
const jobs = new client.Counter({ name: "jobs_total", help: "x", labelNames: ["kind"] });
jobs.inc({ kind: "a" }, 2);
jobs.inc({ kind: "b" }, 3);
new client.Gauge({ name: "waiting", help: "x" }).set(4);
client.collectDefaultMetrics();
setInterval(() => {}, 1000);
"""


def test_prom_client_is_found(tmp_path: Path) -> None:
    """Counters and gauges of its default registry, labels added up; not those of the process."""
    needs("prom-client")
    start(tmp_path, PROMETHEUS)
    found = when("metrics", lambda now: now["metrics"])["metrics"]
    assert {name: each["value"] for name, each in found.items()} == {"jobs_total": 5, "waiting": 4}


BLOCKS = """
function hold_up() {
  const until = Date.now() + 250;
  while (Date.now() < until);
}
setTimeout(() => setInterval(hold_up, 700), 2200);
"""


def test_what_blocks_the_loop_is_named(tmp_path: Path) -> None:
    """Function, file and line of a callback that holds the event loop up again and again."""
    start(tmp_path, BLOCKS)

    def named() -> dict[str, Any] | None:
        values = json.loads(monit("describe", "web", "--json"))[0]["blocked"]
        return values[0] if values and values[0]["count"] else None

    block = wait_until(named, what="a block is named", deadline_s=40)
    assert block is not None
    assert (block["function"], block["kind"]) == ("hold_up", "callback")
    assert block["file"].endswith("/web.js")
    assert block["line"] in (3, 4, 5)
    assert block["max_ms"] > 200
    assert "no output yet" in monit("describe", "web")
