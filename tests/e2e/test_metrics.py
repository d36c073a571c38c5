"""`monit metrics` and `monit serve-metrics`: what Prometheus reads of running apps."""

import contextlib
import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics import parser as openmetrics_parser

from monit_agent.metrics.families import FAMILIES
from support.command_line import (
    MONIT,
    command,
    keeper_pid,
    listed,
    measured,
    monit,
    monit_error,
    row,
    script,
)
from support.managers import give_own_process
from support.ports import free_port, is_listening
from support.processes import kill
from support.prometheus import EXAMPLES, NAME, dashboard_queries, parse, scraped, value
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

ORDERS = """
import monit_probe, signal
monit_probe.counter("orders", unit="loaves").inc(10)
monit_probe.histogram("baking").observe(2.0)
monit_probe.gauge("queue", unit="jobs").set(3)
signal.pause()
"""

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

HISTORY = "monit_instance_http_request_duration_seconds"


def _agent_pid(app: str) -> int | None:
    return json.loads(monit("describe", app, "--json"))[0]["agent_pid"]


def _get(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path)
        connection.getresponse().read()


def _figures_of(series: Any, each: dict[str, Any]) -> dict[str, float | None]:
    labels = {"app": each["app"], "app_instance": str(each["instance"])}
    names = {
        "threads": "monit_instance_threads",
        "fds": "monit_instance_open_fds",
        "rss_bytes": "monit_instance_resident_memory_bytes",
        "restarts": "monit_instance_restarts_total",
        "started_at": "monit_instance_start_time_seconds",
        "queue": "monit_app_queue",
    }
    return {ours: value(series, name, **labels) for ours, name in names.items()}


def test_a_scrape_says_what_the_list_says(tmp_path: Path) -> None:
    """State, restarts, memory, threads, descriptors and own metrics equal `list --json`."""
    monit("start", str(script(tmp_path, text=ORDERS)), "-i", "2")
    monit("restart", "app/1")

    def same() -> bool:
        rows = listed("app")
        series = scraped()
        ours = [
            {**{name: each[name] for name in ("threads", "fds", "rss_bytes", "restarts",
             "started_at")}, "queue": each["metrics"].get("queue", {}).get("value")}
            for each in rows
        ]  # fmt: skip
        theirs = [_figures_of(series, each) for each in rows]
        return ours == theirs and all(None not in each.values() for each in ours)

    wait_until(same, deadline_s=30, what="list and scrape have the same figures")
    series = scraped()
    assert value(series, "monit_instance_state", app="app", state="online") == 2
    assert value(series, "monit_instance_state", app="app", state="errored") == 0
    monit("stop", "app/0")
    series = scraped()
    stopped = {"app": "app", "app_instance": "0"}
    assert value(series, "monit_instance_state", state="stopped", **stopped) == 1
    assert value(series, "monit_instance_resident_memory_bytes", **stopped) is None


def test_counters_go_on_over_workers_keepers_and_agents(tmp_path: Path) -> None:
    """Each life of the worker adds ten; killing whatever belongs to monit takes nothing away."""
    monit("start", str(script(tmp_path, text=ORDERS)))

    def orders() -> float | None:
        return value(scraped(), "monit_app_orders_total")

    wait_until(lambda: orders() == 10, what="the first worker's orders")
    cpu = value(scraped(), "monit_instance_cpu_seconds_total") or 0.0
    monit("restart", "app")
    wait_until(lambda: orders() == 20, what="the second worker's orders")
    before = scraped()
    agent, keeper = _agent_pid("app"), keeper_pid("app")
    kill(agent)
    wait_until(lambda: _agent_pid("app") not in (None, agent), what="a new agent runs")
    wait_until(lambda: orders() == 20, what="the same orders, from the new agent")
    kill(keeper)
    wait_until(lambda: keeper_pid("app") != keeper and row("app")["pid"], what="a new keeper runs")
    os.kill(row("app")["pid"], signal.SIGKILL)
    wait_until(lambda: orders() == 30, what="the third worker's orders")
    after = scraped()
    counters = [key for key in before if key[0].endswith(("_total", "_count", "_sum"))]
    assert len(counters) > 10
    assert [key for key in counters if after.get(key, -1) < before[key]] == []
    assert (value(after, "monit_instance_cpu_seconds_total") or 0.0) > cpu
    assert value(after, "monit_app_baking_count") == 3
    assert value(after, "monit_app_baking_sum") == 6
    assert value(after, "monit_instance_restarts_total", reason="exit") == 1
    assert value(after, "monit_instance_restarts_total", reason="request") == 1
    assert value(after, "monit_instance_exits_total", requested="false") == 1


LIVES = """\
printf x >> "$1/lives"
life=$(wc -c < "$1/lives")
while [ "$life" -gt 1 ] && [ ! -e "$1/go" ]; do sleep 0.05; done
[ "$life" -gt 101 ] && exec sleep 1000
exit 3
"""
"""Exits once, and a hundred times more when it may."""


def test_a_hundred_restarts_make_no_new_series(tmp_path: Path) -> None:
    """No label has a pid, a number of a restart or a time in it."""
    path = str(script(tmp_path, "app.sh", LIVES))
    often = "--min-uptime", "1ms", "--max-restarts", "1000", "--backoff-max", "0.1s"
    monit("start", path, *often, "--", str(tmp_path))

    def restarts() -> float | None:
        return value(scraped(), "monit_instance_restarts_total", reason="exit")

    wait_until(lambda: restarts() == 1, what="it has exited once")
    wait_until(lambda: value(scraped(), "monit_instance_resident_memory_bytes"), what="a sample")

    def ours() -> set[object]:
        return {key for key in scraped() if key[0].startswith("monit_")}

    before = ours()
    (tmp_path / "go").touch()
    wait_until(lambda: restarts() == 101, what="a hundred exits more", deadline_s=110)
    wait_until(lambda: ours() == before, what="the same series")


def test_requests_are_counted_by_result_and_duration(tmp_path: Path) -> None:
    """Failed and other requests, and a histogram that has them all, also over a restart."""
    port = free_port()
    monit("start", str(script(tmp_path, text=SERVER)), "--env", f"PORT={port}")
    done = 0
    for _ in range(2):
        wait_until(lambda: is_listening(port), what="it listens")
        _get(port, "/bad")
        for _ in range(3):
            _get(port, "/")
        done += 4
        wait_until(
            lambda done=done: value(scraped(), f"{HISTORY}_count") == done,
            what=f"{done} requests are counted",
        )
        monit("restart", "app")
    series = scraped()
    assert value(series, "monit_instance_http_requests_total", code_class="5xx") == 2
    assert value(series, "monit_instance_http_requests_total", code_class="other") == 6
    assert value(series, f"{HISTORY}_bucket", le="+Inf") == 8
    assert 0 < (value(series, f"{HISTORY}_sum") or 0) < 8


def test_a_silent_agent_is_down_and_delays_nothing_else(tmp_path: Path) -> None:
    """The others are scraped, its series are absent, and the command names it and exits with 4."""
    script(tmp_path)
    monit("start", "app.py", "--name", "deaf", cwd=tmp_path)
    monit("start", "app.py", "--name", "well", cwd=tmp_path)
    measured("well")
    give_own_process(os.environ["MONIT_HOME"], "deaf")
    agent = _agent_pid("deaf")
    assert agent is not None
    os.kill(agent, signal.SIGSTOP)
    try:
        done = command("metrics")
    finally:
        os.kill(agent, signal.SIGCONT)
    series = parse(done.stdout)
    assert (done.returncode, "deaf" in done.stderr) == (4, True)
    assert value(series, "monit_agent_up", app="deaf") == 0
    assert value(series, "monit_agent_up", app="well") == 1
    assert value(series, "monit_instance_ready", app="deaf") is None
    assert value(series, "monit_instance_ready", app="well") == 1


@contextlib.contextmanager
def _served(*words: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([*MONIT, "serve-metrics", *words], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert "serving metrics" in process.stderr.readline()
        yield process
    finally:
        process.terminate()
        process.communicate()


def _ask(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str
) -> Any:
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer, answer.read()


def test_the_endpoint_speaks_what_prometheus_asks_for(tmp_path: Path) -> None:
    """Plain text, OpenMetrics, gzip and HEAD on one kept connection; SIGTERM ends it with 0."""
    monit("start", str(script(tmp_path)))
    port = free_port()
    with _served("--listen", str(port)) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        answer, body = _ask(connection, "/metrics")
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert value(parse(body.decode()), "monit_agent_up", app="app") == 1
        answer, packed = _ask(
            connection, "/metrics", Accept="application/openmetrics-text; version=1.0.0",
            Accept_Encoding="gzip",
        )  # fmt: skip
        assert answer.headers["Content-Encoding"] == "gzip"
        text = gzip.decompress(packed).decode()
        assert "monit_instance" in {
            family.name for family in openmetrics_parser.text_string_to_metric_families(text)
        }
        answer, body = _ask(connection, "/metrics", "HEAD")
        assert (answer.status, body, int(answer.headers["Content-Length"]) > 1000) == (
            200,
            b"",
            True,
        )
        assert _ask(connection, "/other")[0].status == 404
        connection.close()
        process.terminate()
        assert process.wait(20) == 0


def test_it_runs_as_an_app_at_a_unix_socket_and_again_after_a_crash(tmp_path: Path) -> None:
    """The socket that a killed one left is replaced, one in use and a plain file are not."""
    path = tmp_path / "m.sock"
    words = ("--", *MONIT, "serve-metrics", "--listen", f"unix:{path}")
    monit("start", "--name", "metrics", *words)

    def text() -> str:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode()
        return ""

    wait_until(lambda: 'monit_agent_up{app="metrics"} 1' in text(), what="it answers")
    assert path.stat().st_mode & 0o777 == 0o660
    assert "listens on" in monit_error("serve-metrics", "--listen", f"unix:{path}")
    os.kill(row("metrics")["pid"], signal.SIGKILL)
    wait_until(
        lambda: row("metrics")["restarts"] == 1 and "monit_build_info" in text(),
        what="the next one answers",
    )
    (tmp_path / "file").write_text("mine")
    assert "is not a socket" in monit_error("serve-metrics", "--listen", f"unix:{tmp_path}/file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("serve-metrics", "--listen", "0.0.0.0:9209"), 2, "--expose"),
        (("serve-metrics", "--listen", ":9209"), 2, "every address can be reached"),
        (("serve-metrics", "--listen", "[::]:9209"), 2, "other machines"),
        (("serve-metrics", "--listen", "0"), 2, "port"),
        (("metrics", "--openmetrics", "--textfile", "."), 2, "does not read OpenMetrics"),
        (("metrics", "--textfile", "/no/such/folder"), 1, "cannot write"),
    ],
)
def test_bad_words_are_refused(words: tuple[str, ...], code: int, why: str) -> None:
    """What would open the metrics to the world, or cannot be done, is an error that says so."""
    assert why in monit_error(*words, code=code)


def test_the_textfile_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Another user can read monit.prom, and no other file is left beside it."""
    monit("start", str(script(tmp_path)))
    folder = tmp_path / "textfile"
    folder.mkdir()
    for _ in range(2):
        monit("metrics", "--textfile", str(folder))
    assert [each.name for each in folder.iterdir()] == ["monit.prom"]
    file = folder / "monit.prom"
    assert file.stat().st_mode & 0o777 == 0o644
    assert value(parse(file.read_text()), "monit_agent_up", app="app") == 1


def test_dashboard_and_alert_rules_name_metrics_that_exist() -> None:
    """Each metric in the files for Grafana and Prometheus, and in the page, is one of monit's."""
    known = {
        family.name + ending
        for family in FAMILIES
        for ending in {
            "counter": ("_total",), "info": ("_info",), "gauge": ("",), "summary": ("",),
            "histogram": ("_bucket", "_sum", "_count", ""),
        }[family.kind]
    }  # fmt: skip
    used = set(NAME.findall(" ".join(dashboard_queries())))
    used |= set(NAME.findall((EXAMPLES / "alerts.yml").read_text()))
    page = (EXAMPLES.parent.parent / "docs" / "prometheus.md").read_text()
    documented = set(NAME.findall(page))
    assert len(used) > 15
    assert used - known == set()
    assert {each for each in documented if not each.startswith("monit_app_")} - known == {
        "monit_probe", "monit_agent",
    } & documented  # fmt: skip
    assert {family.name + {"counter": "_total", "info": "_info"}.get(family.kind, "")
            for family in FAMILIES} - documented == set()  # fmt: skip


# ------------------------------------------------------------ the real Prometheus


@pytest.mark.full
@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
def test_promtool_accepts_text_and_rules(tmp_path: Path) -> None:
    """Prometheus's own linter has nothing to object to."""
    monit("start", str(script(tmp_path, text=ORDERS)))
    wait_until(lambda: value(scraped(), "monit_app_orders_total"), what="there are own metrics")
    for words, text in (
        (("check", "metrics"), monit("metrics")),
        (("check", "rules", str(EXAMPLES / "alerts.yml")), ""),
        (("check", "config", str(EXAMPLES / "prometheus.yml")), ""),
    ):
        done = subprocess.run(["promtool", *words], input=text, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), (words, done.stdout)


class _Prometheus:
    """A real Prometheus that scrapes one target each second."""

    def __init__(self, folder: Path, target: int, config: str | None = None) -> None:
        """``config`` is another one than that of the examples."""
        self.port = free_port()
        shutil.copy(EXAMPLES / "alerts.yml", folder / "alerts.yml")
        config = config or (EXAMPLES / "prometheus.yml").read_text()
        config = config.replace("15s", "1s").replace("9209", str(target))
        (folder / "prometheus.yml").write_text(config)
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def query(self, text: str) -> list[dict[str, Any]]:
        """Return the result of an instant query; nothing while it does not answer."""
        words = urllib.parse.urlencode({"query": text})
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{self.port}/api/v1/query?{words}"
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]["result"]
        return []


@pytest.mark.full
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no Prometheus here")
def test_a_real_prometheus_scrapes_and_the_dashboard_has_data(tmp_path: Path) -> None:
    """Its series stay the same over restarts, rates never fall below 0, every panel has data."""
    port, web = free_port(), free_port()
    monit("start", str(script(tmp_path, "web.py", SERVER)), "--env", f"PORT={web}")
    monit("start", str(script(tmp_path, "own.py", ORDERS)))
    with _served("--listen", str(port)):
        prometheus = _Prometheus(tmp_path, port)
        try:
            wait_until(lambda: prometheus.query("monit_build_info"), what="it has scraped")
            series = 'count({__name__=~"monit_instance_.*",__name__!~".*exits.*",app="own"})'
            wait_until(lambda: prometheus.query("monit_app_orders_total"), what="own metrics")
            before = prometheus.query(series)[0]["value"][1]
            for life in range(2, 5):
                monit("restart", "own")
                _get(web, "/")
                wait_until(
                    lambda life=life: prometheus.query(f"monit_app_orders_total == {10 * life}"),
                    what="the orders of the next worker",
                )
            wait_until(
                lambda: prometheus.query(series)[0]["value"][1] == before, what="the same series"
            )
            assert prometheus.query("resets(monit_app_orders_total[1h]) > 0") == []
            assert prometheus.query("resets(monit_instance_cpu_seconds_total[1h]) > 0") == []
            for query in dashboard_queries():
                if not query.startswith("label_values"):
                    wait_until(lambda query=query: _has_data(prometheus, query), what=query)
        finally:
            prometheus.close()


@pytest.mark.full
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no Prometheus here")
def test_the_scraper_in_the_collector_reads_the_endpoint(tmp_path: Path) -> None:
    """The collector's receiver contains Prometheus's scraper and takes its configuration: a real
    Prometheus runs that of the recipe."""
    recipe = yaml.safe_load((EXAMPLES / "otel-collector.yaml").read_text())
    config = yaml.safe_dump(recipe["receivers"]["prometheus"]["config"])
    port = free_port()
    monit("start", str(script(tmp_path, "own.py", ORDERS)))
    with _served("--listen", str(port)):
        prometheus = _Prometheus(tmp_path, port, config)
        try:
            wait_until(lambda: prometheus.query("monit_app_orders_total"), what="it has scraped")
            (found,) = prometheus.query('monit_instance_info{job="monit"}')
            assert found["metric"]["app"] == "own"
            assert found["metric"]["service_instance_id"]
        finally:
            prometheus.close()


def _has_data(prometheus: _Prometheus, query: str) -> bool:
    """Return whether a query has data, or one that looks for faults has the metric it needs."""
    for name in ("job", "instance", "namespace", "app"):
        query = query.replace(f"${name}", ".*")
    query = query.replace("$__rate_interval", "1m").removesuffix(" > 0")
    nothing_here = ("event_loop", "heap_limit")  # of asyncio and Node, which do not run here
    return any(name in query for name in nothing_here) or bool(prometheus.query(query))
