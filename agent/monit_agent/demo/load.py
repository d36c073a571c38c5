"""Customers for the bakeries: requests at a human rhythm, now and then a whole bus of them.

    python load.py FIRST_PORT [HOW_MANY_PORTS]

Knocks at every port of the range now and then, so that bakeries which open later get
customers too. Prints a line of JSON with what it saw every five seconds.
"""

import asyncio
import json
import logging
import random
import signal
import sys
import time

MENU = ("baguette", "brioche", "pretzel", "rye", "sourdough")
PAUSE_S = 0.15
"""Mean time between two customers who come on foot."""
BUS_EVERY_S = (9.0, 24.0)
BUS_SEATS = (25, 60)
KNOCK_EVERY_S = 3.0
REPORT_EVERY_S = 5.0
PATIENCE_S = 5.0

log = logging.getLogger("customers")


class Street:
    """Which bakeries are open and how the customers fared since the last report."""

    def __init__(self, ports: range, chance: random.Random) -> None:
        self.ports = ports
        self.chance = chance
        self.open: set[int] = set()
        self.took_ms: list[float] = []
        self.failed = 0

    def wish(self) -> tuple[str, str, object]:
        """Give what the next customer wants: method, path, body."""
        bread = self.chance.choice(MENU)
        order = {"bread": bread, "count": self.chance.randint(1, 6)}
        wishes: list[tuple[int, tuple[str, str, object]]] = [
            (36, ("GET", "/breads", None)),
            (17, ("GET", f"/breads/{bread}", None)),
            (25, ("POST", "/orders", order)),
            (2, ("POST", "/orders", {"bread": "croissant", "count": 2})),
            (13, ("POST", "/bake", {})),
            (3, ("GET", "/orders/7", None)),
            (4, ("GET", "/accounts", None)),
        ]
        (_, chosen) = self.chance.choices(wishes, [weight for weight, _ in wishes])[0]
        return chosen

    async def visit(self) -> None:
        """Send one customer to one open bakery."""
        if not self.open:
            return
        port = self.chance.choice(sorted(self.open))
        method, path, body = self.wish()
        began = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, _ = await request(port, method, path, body)
        except (OSError, TimeoutError, ValueError) as error:
            self.failed += 1
            log.warning("nobody serves at port %d: %s", port, error or "no answer")
            return
        self.took_ms.append((time.perf_counter() - began) * 1000)
        if status >= 500:
            self.failed += 1
            log.warning("%s %s at port %d went wrong: %d", method, path, port, status)

    async def walk(self) -> None:
        """Let customers come one by one, for ever."""
        async with asyncio.TaskGroup() as visits:
            while True:
                visits.create_task(self.visit())
                await asyncio.sleep(self.chance.expovariate(1 / PAUSE_S))

    async def ride(self) -> None:
        """Let a bus full of customers stop now and then, for ever."""
        async with asyncio.TaskGroup() as visits:
            while True:
                await asyncio.sleep(self.chance.uniform(*BUS_EVERY_S))
                seats = self.chance.randint(*BUS_SEATS)
                log.info("a bus stops: %d customers", seats)
                for _ in range(seats):
                    visits.create_task(self.visit())
                    await asyncio.sleep(self.chance.expovariate(1 / 0.03))

    async def knock(self) -> None:
        """Find out which bakeries are open, for ever."""
        while True:
            found = {port for port in self.ports if await is_open(port)}
            for port in sorted(found - self.open):
                log.info("open: http://127.0.0.1:%d", port)
            for port in sorted(self.open - found):
                log.info("closed: http://127.0.0.1:%d", port)
            self.open = found
            await asyncio.sleep(KNOCK_EVERY_S)

    async def report(self) -> None:
        """Print how the customers fared, for ever."""
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            took = sorted(self.took_ms)
            summary: dict[str, object] = {"served": len(took), "failed": self.failed}
            if took:
                summary["median_ms"] = round(took[len(took) // 2], 1)
                summary["p95_ms"] = round(took[int(len(took) * 0.95)], 1)
            print(json.dumps(summary), flush=True)
            self.took_ms.clear()
            self.failed = 0


async def is_open(port: int) -> bool:
    """Tell whether ``port`` is a bakery's and it says that it is well."""
    try:
        async with asyncio.timeout(1.0):
            status, body = await request(port, "GET", "/health", None)
    except (OSError, TimeoutError, ValueError):
        return False
    return status == 200 and b'"bakery"' in body


async def request(port: int, method: str, path: str, body: object) -> tuple[int, bytes]:
    """Send one request, give status and body. Raises `OSError`, or `ValueError` for nonsense."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        answer = await reader.read()
    finally:
        writer.close()
    head_in, _, body_in = answer.partition(b"\r\n\r\n")
    words = head_in.split(b" ", 2)
    if len(words) < 3:
        raise ValueError("hung up without an answer")
    return int(words[1]), body_in


async def run(ports: range) -> None:
    """Send customers until SIGTERM."""
    street = Street(ports, random.Random())  # noqa: S311 - a street needs no secrets
    habits = [street.knock(), street.walk(), street.ride(), street.report()]
    together = asyncio.gather(*habits)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, together.cancel)
    try:
        await together
    except asyncio.CancelledError:
        log.info("the street is empty")


def main() -> None:
    """Read the ports from the command line and begin."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout, force=True
    )
    first = int(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    asyncio.run(run(range(first, first + count)))


if __name__ == "__main__":
    main()
