"""What a request to a Node script with three instances on one port costs, flat out."""

from functools import partial

from cluster import load, pools, requests
from common import Figure, alternate, say


def measure(quick: bool) -> list[Figure]:
    """Give the microseconds from one answer to the next, seen by 32 connections."""
    rounds, seconds = (2, 3.0) if quick else (7, 6.0)
    say(f"  {rounds} times {seconds:.0f} s of wrk each")
    with pools() as served:
        samples = alternate(
            rounds, {who: partial(_cost, port, seconds) for who, (_, port) in served.items()}
        )
    return [Figure("Node script, -i 3, one request under wrk -c32 (keep-alive)", "µs", samples)]


def _cost(port: int, seconds: float) -> float:
    said = load(port, seconds).communicate()[0]
    return seconds * 1e6 / requests(said)
