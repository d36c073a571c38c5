"""Customers for a bakery: requests at a human rhythm, now and then a whole bus of them.

    python load.py PORT

Knocks now and then and sends nobody while the bakery is closed. Prints a line of JSON with what
it saw every five seconds: ``failed`` are requests without an answer, ``errors`` those whose
answer was that something went wrong.
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
OPEN_SOON_S = 0.5
"""Time between two knocks at a closed door."""
REPORT_EVERY_S = 5.0
PATIENCE_S = 5.0

log = logging.getLogger("customers")


class Street:
    """Whether the bakery is open and how the customers fared since the last report."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.port = port
        self.chance = chance
        self.open = False
        self.took_ms: list[float] = []
        self.failed = 0
        self.errors = 0

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
        """Send one customer, if the bakery is open."""
        if not self.open:
            return
        method, path, body = self.wish()
        began = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, _ = await request(self.port, method, path, body)
        except (OSError, TimeoutError, ValueError) as error:
            self.failed += 1
            log.warning("no answer to %s %s: %s", method, path, str(error) or "too late")
            return
        self.took_ms.append((time.perf_counter() - began) * 1000)
        if status >= 500:
            self.errors += 1
            log.warning("%s %s went wrong: %d", method, path, status)

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
        """Find out whether the bakery is open, for ever."""
        while True:
            found = await is_open(self.port)
            if found != self.open:
                log.info("%s: http://127.0.0.1:%d", "open" if found else "closed", self.port)
            self.open = found
            await asyncio.sleep(KNOCK_EVERY_S if found else OPEN_SOON_S)

    async def report(self) -> None:
        """Print how the customers fared, for ever."""
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            took = sorted(self.took_ms)
            summary: dict[str, object] = {
                "served": len(took),
                "failed": self.failed,
                "errors": self.errors,
            }
            if took:
                summary["median_ms"] = round(took[len(took) // 2], 1)
                summary["p95_ms"] = round(took[int(len(took) * 0.95)], 1)
            print(json.dumps(summary), flush=True)
            self.took_ms.clear()
            self.failed = self.errors = 0


async def is_open(port: int) -> bool:
    """Tell whether ``port`` is a bakery's and it says that it is well."""
    try:
        async with asyncio.timeout(PATIENCE_S):
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


async def run(port: int) -> None:
    """Send customers until SIGTERM."""
    street = Street(port, random.Random())  # noqa: S311 - a street needs no secrets
    habits = [street.knock(), street.walk(), street.ride(), street.report()]
    together = asyncio.gather(*habits)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, together.cancel)
    try:
        await together
    except asyncio.CancelledError:
        log.info("the street is empty")


def main() -> None:
    """Read the port from the command line and begin."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout, force=True
    )
    asyncio.run(run(int(sys.argv[1])))


if __name__ == "__main__":
    main()
