"""What a request costs flat out: a Node script with three instances, uvicorn with two."""

from collections.abc import Mapping
from functools import partial

from cluster import load, pools, requests, uvicorns
from common import Figure, alternate, say


def measure(quick: bool) -> list[Figure]:
    """Give the microseconds from one answer to the next, seen by 32 connections."""
    rounds, seconds = (2, 3.0) if quick else (7, 6.0)
    say(f"  {rounds} times {seconds:.0f} s of wrk each")
    what = "one request under wrk -c32 (keep-alive)"
    with pools() as served:
        ports = {who: port for who, (_, port) in served.items()}
        node = Figure(f"Node script, -i 3, {what}", "µs", _costs(ports, rounds, seconds))
    with uvicorns(2) as ports:
        costs = _costs(ports, rounds, seconds)
    name = f"uvicorn, -i 2 against its own --workers 2, no probe, {what}"
    return [node, Figure(name, "µs", costs)]


def _costs(ports: Mapping[str, int], rounds: int, seconds: float) -> dict[str, list[float]]:
    turns = {who: partial(_cost, port, seconds) for who, port in ports.items()}
    return alternate(rounds, turns)


def _cost(port: int, seconds: float) -> float:
    said = load(port, seconds).communicate()[0]
    return seconds * 1e6 / requests(said)
