"""The cost of a request at full load: a Node script with three instances, uvicorn with two."""

from collections.abc import Mapping
from functools import partial

from cluster import CLOSE, load, pools, requests, uvicorns
from common import Figure, alternate, say


def measure(quick: bool) -> list[Figure]:
    """Return the microseconds from one answer to the next, seen by 32 clients with new connections
    and with kept ones."""
    # short rounds, because kept connections are distributed again in each
    rounds, seconds = (4, 1.0) if quick else (60, 1.0)
    say(f"  {rounds} times {seconds:.0f} s of wrk each, four times")
    with pools() as served:
        ports = {who: port for who, (_, port) in served.items()}
        node = _of("Node script, -i 3", ports, rounds, seconds)
    with uvicorns(2) as ports:
        name = "uvicorn, -i 2 against its own --workers 2, no probe"
        return [*node, *_of(name, ports, rounds, seconds)]


def _of(what: str, ports: Mapping[str, int], rounds: int, seconds: float) -> list[Figure]:
    figures: list[Figure] = []
    for how, headers in (("Connection: close", CLOSE), ("keep-alive", ())):
        turns = {who: partial(_cost, port, seconds, headers) for who, port in ports.items()}
        name = f"{what}, one request under wrk -c32, {how}"
        figures.append(Figure(name, "µs", alternate(rounds, turns)))
    return figures


def _cost(port: int, seconds: float, headers: tuple[str, ...]) -> float:
    output = load(port, seconds, headers).communicate()[0]
    return seconds * 1e6 / requests(output)
