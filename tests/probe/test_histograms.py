"""What programs measure, as the agent reads it from their probes' reports: at most 3 % off."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from monit_agent.agent.probes.figures import ReportWindow, combine
from monit_agent.agent.probes.reports import read_report
from monit_agent.wire.messages import Metric
from support.buckets import bucket_of, unpacked
from support.probe import PROBE, Report, each_version, environment, listening, python, run
from support.waiting import wait_until

NODE = shutil.which("node") or ""
needs_node = pytest.mark.skipif(not NODE, reason="there is no node here")

OBSERVES = """
import time
import monit_probe
took = monit_probe.histogram("took", unit="ms")
degrees = monit_probe.histogram("degrees")
bytes_sent = monit_probe.histogram("bytes")
while not passed("started"):
    time.sleep(0.02)
for n in range(1000):
    took.observe(86.0 if n % 10 else 119.0)
    degrees.observe(-17.3 if n % 10 else 4.1)
    bytes_sent.observe(7_300_000_000_000)
while not passed("reported"):
    time.sleep(0.02)
"""

NODE_OBSERVES = """
const monit = globalThis[Symbol.for("monit")];
const took = monit.histogram("took", { unit: "ms" });
const degrees = monit.histogram("degrees");
const bytes = monit.histogram("bytes");
setTimeout(() => {
  for (let n = 0; n < 1000; n += 1) {
    took.observe(n % 10 ? 86.0 : 119.0);
    degrees.observe(n % 10 ? -17.3 : 4.1);
    bytes.observe(7300000000000);
  }
}, 700);
setInterval(() => {}, 1e6);
"""

MANY = """
import time
import monit_probe
histograms = [monit_probe.histogram("h%d" % n) for n in range(100)]
while not passed("started"):
    time.sleep(0.02)
for n, each in enumerate(histograms):
    for m in range(300):
        each.observe(1.05 ** (m + n))
while not passed("reported"):
    time.sleep(0.02)
"""

NODE_MANY = """
const monit = globalThis[Symbol.for("monit")];
for (let n = 0; n < 100; n += 1) {
  const each = monit.histogram(`h${n}`);
  for (let m = 0; m < 300; m += 1) each.observe(1.05 ** (m + n));
}
setInterval(() => {}, 1e6);
"""


def _metrics(reports: list[Report]) -> dict[str, Metric]:
    window = ReportWindow()
    for number, report in enumerate(reports):
        window.add(read_report(json.dumps(report).encode()), float(number))
    figures = window.figures(float(len(reports) - 1))
    return combine([figures] if figures else []).metrics


def _check(metrics: dict[str, Metric]) -> None:
    took, degrees, sent = (metrics[name] for name in ("took", "degrees", "bytes"))
    assert took.p50 == pytest.approx(86.0, rel=0.016)
    assert took.p95 == took.p99 == pytest.approx(119.0, rel=0.016)
    assert degrees.p50 == pytest.approx(-17.3, rel=0.016)
    assert degrees.p95 == pytest.approx(4.1, rel=0.016)
    assert sent.p95 == pytest.approx(7.3e12, rel=0.016)


def _has(name: str, count: int) -> Any:
    """Return a gate that opens when so many values of a metric were reported."""
    return lambda since: since[-1]["metrics"].get(name, {}).get("count", 0) >= count


@each_version
def test_what_a_python_program_observes(version: str) -> None:
    """Values of any size, also below zero: percentiles are those of the values."""
    gates = {"started": lambda since: len(since) >= 2, "reported": _has("took", 1000)}
    ran = run(OBSERVES, interpreter=python(version), gates=gates)

    assert ran.err == ""
    assert ran.last["faults"] == 0, ran.last["fault"]
    _check(_metrics(ran.full[:-1] if ran.full[-1].get("bye") else ran.full))


@contextmanager
def _node(program: str) -> Iterator[Iterator[Report]]:
    """Run a Node program and yield its reports as they come."""
    folder = tempfile.mkdtemp(prefix="m")
    plain = {key: value for key, value in os.environ.items() if not key.startswith("MONIT_")}
    path = os.path.join(folder, "node.sock")
    preload = f"--require={PROBE / 'node' / 'monit_probe.cjs'}"
    env = {**plain, "NODE_OPTIONS": preload, "MONIT_PROBE_NODE_SOCK": path}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(20)
        process = subprocess.Popen([NODE, "-e", program], env=env, stdin=subprocess.DEVNULL)
        try:
            connection, _ = listener.accept()
            with connection, connection.makefile() as lines:
                connection.settimeout(20)
                yield (json.loads(line) for line in lines)
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(folder)


@needs_node
def test_what_a_node_program_observes() -> None:
    """The same figures as in Python."""
    reports: list[Report] = []
    with _node(NODE_OBSERVES) as coming:
        for report in coming:
            reports.append(report)
            if report["metrics"]["took"]["count"] == 1000:
                break

    assert reports[-1]["faults"] == 0, reports[-1]["fault"]
    _check(_metrics(reports))


def _expected() -> dict[str, dict[int, int]]:
    """Return what a hundred histograms of three hundred values each add up to."""
    found: dict[str, dict[int, int]] = {}
    for n in range(100):
        counts = found.setdefault(f"h{n}", {})
        for m in range(300):
            bucket = bucket_of(1.05 ** (m + n))
            counts[bucket] = counts.get(bucket, 0) + 1
    return found


def _added(reports: list[Report]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for report in reports:
        for name, metric in report.get("metrics", {}).items():
            counts = found.setdefault(name, {})
            for bucket, number in unpacked(metric["buckets"]):
                counts[bucket] = counts.get(bucket, 0) + number
    return found


def test_a_report_stays_small_and_nothing_is_lost() -> None:
    """A hundred histograms with three hundred buckets each do not fit into one report: what is more
    comes in the next ones, until all is reported."""
    expected = _expected()
    reports: list[Report] = []

    def all_reported(since: list[Report]) -> bool:
        reports.append(since[-1])
        return _added(reports) == expected

    ran = run(MANY, gates={"started": lambda since: len(since) >= 2, "reported": all_reported})

    assert ran.last["faults"] == 0, ran.last["fault"]
    assert _added(ran.full) == expected
    assert max(len(json.dumps(each)) for each in ran.full) < 100_000


@needs_node
def test_a_report_of_node_stays_small_and_nothing_is_lost() -> None:
    """The same in Node."""
    expected = _expected()
    reports: list[Report] = []
    with _node(NODE_MANY) as coming:
        for report in coming:
            reports.append(report)
            if _added(reports) == expected:
                break

    assert reports[-1]["faults"] == 0, reports[-1]["fault"]
    assert max(len(json.dumps(each)) for each in reports) < 100_000


UNHEARD = """
import asyncio, os, sys, time
import monit_probe
took = monit_probe.histogram("took")
path = os.environ["MONIT_PROBE_SOCK"]
async def main():
    loop = asyncio.get_running_loop()
    for _ in range(40):
        await asyncio.sleep(0.05)
        time.sleep(0.01)
        took.observe(5.0)
    await asyncio.sleep(0)
    print("done", flush=True)
    sys.stdin.read(1)
asyncio.run(main())
"""


def test_what_nobody_received_is_in_a_later_report() -> None:
    """An agent that is gone for two seconds misses nothing of what was measured meanwhile."""
    with listening() as (sock, path):
        away = path + ".away"
        os.rename(path, away)
        process = subprocess.Popen(
            [sys.executable, "-c", UNHEARD], env=environment(path),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            os.rename(away, path)
            reports: list[Report] = []

            def all_is_reported() -> bool:
                with contextlib.suppress(TimeoutError):
                    reports.append(json.loads(sock.recv(1 << 20)))
                return _added(reports).get("took", {}) == {bucket_of(5.0): 40}

            wait_until(all_is_reported, what="all forty values are reported")
            process.kill()

    stretches = [
        each
        for report in reports
        for loop in report.get("loops", [])
        for each in unpacked(loop["lag"], 3)
    ]
    assert sum(n for bucket, n, _ in stretches if bucket >= bucket_of(0.0099)) >= 40
    assert sum(us for _, _, us in stretches) >= 400_000
    assert sum(n for report in reports for _, n in unpacked(report.get("sched", []))) >= 10
    assert max(report["seq"] for report in reports) > len(reports)


def test_a_process_of_prometheus_client_reports_its_growth() -> None:
    """What was counted before is not counted again: each value is in one report."""
    pytest.importorskip("prometheus_client")
    ran = run(
        """
        import time
        from prometheus_client import Histogram
        took = Histogram("took_seconds", "Took.")
        for _ in range(7):
            took.observe(0.03)
        while not passed("reported"):
            time.sleep(0.02)
        """,
        gates={"reported": lambda since: len(since) >= 3},
    )

    reports = [each for each in ran.full if "took_seconds" in each["metrics"]]
    assert len(reports) >= 3
    assert _added(reports)["took_seconds"] == {bucket_of(0.05): 7}
