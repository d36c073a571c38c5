"""How evenly several workers share the load of a port, and the latency of the slowest requests.

Under monit whoever is idle takes the next connection, as under uvicorn's and gunicorn's own
workers; pm2's daemon accepts all and hands them out in turn. Connections that are kept stay where
they went first; new ones are spread again.
"""

import os
import re
from collections.abc import Mapping
from functools import partial

from cluster import CLOSE, load, pools, uvicorns
from common import PROGRAMS, BenchmarkError, Figure, alternate, say

COUNT = ("--latency", "-s", os.path.join(PROGRAMS, "spread.lua"))


def measure(quick: bool) -> list[Figure]:
    """Return the 99th percentile of the latency, and the share of the busiest worker, with kept
    connections and with new ones."""
    rounds, seconds = (2, 2.0) if quick else (10, 2.0)
    say(f"  {rounds} times {seconds:.0f} s of wrk each, four times")
    figures: list[Figure] = []
    with pools() as served:
        ports = {who: port for who, (_, port) in served.items()}
        figures += _of("Node script, -i 3", ports, rounds, seconds)
    with uvicorns(2) as ports:
        figures += _of("uvicorn, -i 2 against its own --workers 2", ports, rounds, seconds)
    return figures


def _of(what: str, ports: Mapping[str, int], rounds: int, seconds: float) -> list[Figure]:
    figures: list[Figure] = []
    for how, headers in (("keep-alive", ()), ("Connection: close", CLOSE)):
        shares: dict[str, list[float]] = {who: [] for who in ports}
        turns = {
            who: partial(_p99, port, seconds, headers, shares[who]) for who, port in ports.items()
        }
        latencies = alternate(rounds, turns)
        name = f"{what}, wrk -c32, {how}"
        figures.append(Figure(f"{name}: latency, 99th percentile", "ms", latencies))
        figures.append(Figure(f"{name}: requests of the busiest worker", "%", shares))
    return figures


def _p99(port: int, seconds: float, headers: tuple[str, ...], shares: list[float]) -> float:
    """Return the milliseconds; note the share of the busiest."""
    output = load(port, seconds, (*headers, *COUNT)).communicate()[0]
    latency = re.search(r"p99 (\d+) us", output)
    counts = [int(number) for number in re.findall(r"answered (\d+)", output)]
    if latency is None or not counts:
        raise BenchmarkError(f"cannot read the output of wrk:\n{output}")
    shares.append(100.0 * max(counts) / sum(counts))
    return int(latency[1]) / 1000
