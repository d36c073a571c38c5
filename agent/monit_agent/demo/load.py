"""Load for the bakery: single requests at random times, and sometimes a burst of them.

    python load.py PORT

Checks every few seconds whether the bakery is open, and sends nothing while it is closed. Prints a
JSON summary every five seconds: ``failed`` counts requests without a response, ``errors`` counts
responses with a status of 500 or above.
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
"""Mean time between two single requests."""
BURST_EVERY_S = (9.0, 24.0)
BURST_REQUESTS = (25, 60)
CHECK_OPEN_EVERY_S = 3.0
CHECK_CLOSED_EVERY_S = 0.5
"""Time between two checks while the bakery is closed."""
REPORT_EVERY_S = 5.0
TIMEOUT_S = 5.0

log = logging.getLogger("customers")


class Load:
    """Whether the bakery is open, and what became of the requests since the last report."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.port = port
        self.chance = chance
        self.open = False
        self.took_ms: list[float] = []
        self.failed = 0
        self.errors = 0

    def choose_request(self) -> tuple[str, str, object]:
        """Return the next request: method, path, body."""
        bread = self.chance.choice(MENU)
        order = {"bread": bread, "count": self.chance.randint(1, 6)}
        weighted: list[tuple[int, tuple[str, str, object]]] = [
            (36, ("GET", "/breads", None)),
            (17, ("GET", f"/breads/{bread}", None)),
            (25, ("POST", "/orders", order)),
            (2, ("POST", "/orders", {"bread": "croissant", "count": 2})),
            (13, ("POST", "/bake", {})),
            (3, ("GET", "/orders/7", None)),
            (4, ("GET", "/accounts", None)),
        ]
        (_, chosen) = self.chance.choices(weighted, [weight for weight, _ in weighted])[0]
        return chosen

    async def send_one(self) -> None:
        """Send one request, if the bakery is open."""
        if not self.open:
            return
        method, path, body = self.choose_request()
        began = time.perf_counter()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, _ = await request(self.port, method, path, body)
        except (OSError, TimeoutError, ValueError) as error:
            self.failed += 1
            log.warning("no response to %s %s: %s", method, path, str(error) or "timeout")
            return
        self.took_ms.append((time.perf_counter() - began) * 1000)
        if status >= 500:
            self.errors += 1
            log.warning("%s %s failed: %d", method, path, status)

    async def send_singly(self) -> None:
        """Send single requests until cancelled."""
        async with asyncio.TaskGroup() as requests:
            while True:
                requests.create_task(self.send_one())
                await asyncio.sleep(self.chance.expovariate(1 / PAUSE_S))

    async def send_bursts(self) -> None:
        """Send a burst of requests from time to time until cancelled."""
        async with asyncio.TaskGroup() as requests:
            while True:
                await asyncio.sleep(self.chance.uniform(*BURST_EVERY_S))
                count = self.chance.randint(*BURST_REQUESTS)
                log.info("a bus stops: %d customers", count)
                for _ in range(count):
                    requests.create_task(self.send_one())
                    await asyncio.sleep(self.chance.expovariate(1 / 0.03))

    async def check_open(self) -> None:
        """Check whether the bakery is open until cancelled."""
        while True:
            found = await is_open(self.port)
            if found != self.open:
                log.info("%s: http://127.0.0.1:%d", "open" if found else "closed", self.port)
            self.open = found
            await asyncio.sleep(CHECK_OPEN_EVERY_S if found else CHECK_CLOSED_EVERY_S)

    async def report(self) -> None:
        """Print a summary every `REPORT_EVERY_S` seconds until cancelled."""
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
    """Return whether a bakery answers its health check on ``port``."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            status, body = await request(port, "GET", "/health", None)
    except (OSError, TimeoutError, ValueError):
        return False
    return status == 200 and b'"bakery"' in body


async def request(port: int, method: str, path: str, body: object) -> tuple[int, bytes]:
    """Send one request and return status and body; raise `OSError`, or `ValueError` for a
    response that is not HTTP."""
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
        raise ValueError("connection closed without a response")
    return int(words[1]), body_in


async def run(port: int) -> None:
    """Send load until SIGTERM."""
    load = Load(port, random.Random())  # noqa: S311 - no secrets
    together = asyncio.gather(
        load.check_open(), load.send_singly(), load.send_bursts(), load.report()
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, together.cancel)
    try:
        await together
    except asyncio.CancelledError:
        log.info("no more customers")


def main() -> None:
    """Read the port from the command line and send load to it."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout, force=True
    )
    asyncio.run(run(int(sys.argv[1])))


if __name__ == "__main__":
    main()
