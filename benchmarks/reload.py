"""How many requests fail while a Node script with three instances is reloaded under load."""

import time
from functools import partial

from cluster import CLOSE, failed, load, pools
from common import Figure, Manager, alternate, say

SETTLE_S = 1.0


def measure(quick: bool) -> list[Figure]:
    """Give the failed requests of one reload, with new connections and with kept ones."""
    rounds = 2 if quick else 5
    say(f"  {rounds} reloads each, twice")
    figures: list[Figure] = []
    with pools() as served:
        for what, headers in (("Connection: close", CLOSE), ("keep-alive", ())):
            turns = {
                who: partial(_lost, manager, port, headers)
                for who, (manager, port) in served.items()
            }
            samples = alternate(rounds, turns)
            name = f"failed requests, reload of a Node script, -i 3, wrk -c32, {what}"
            figures.append(Figure(name, "", samples))
    return figures


def _lost(manager: Manager, port: int, headers: tuple[str, ...]) -> float:
    running = load(port, 8.0, headers)
    time.sleep(SETTLE_S)
    manager.run("reload", "pool")
    return float(failed(running.communicate()[0]))
