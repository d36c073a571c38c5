"""A bakery with an HTTP API: the small real app that ``monit demo`` shows.

    PORT=8100 MONIT_INSTANCE=0 python bakery.py

Written as a stranger would write it, with the standard library only. It knows two things of monit:
the instance number in the environment, and `monit_probe` for its metrics, which do nothing without
monit. All instances bind the same port; monit shares it between them. The bakery has what real apps
have: fast, slow and broken routes, warnings, tracebacks, orders as JSON lines, and memory that
grows and shrinks. The oven of instance 1 is cold, the one of instance 2 catches fire every 30
seconds.
"""

import asyncio
import hashlib
import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

try:
    import monit_probe  # pyright: ignore[reportMissingImports] - only there under monit
except ImportError:  # not under monit: the same calls, which do nothing

    class _Off:
        def __getattr__(self, _: str) -> Any:
            return self

        def __call__(self, *given: Any, **_: Any) -> Any:
            return given[0] if given and callable(given[0]) else self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    monit_probe: Any = _Off()

PRICES = {"baguette": 180, "brioche": 390, "pretzel": 110, "rye": 420, "sourdough": 560}
"""In cents. The croissant is on the menu but has no price: ordering one is the bug."""

MENU = (*PRICES, "croissant")
SLOW_MS = 400
BATCH_BYTES = 4 * 2**20
RACK_BATCHES = 12
"""Batches that fit on the cooling rack. A full rack is cleared, and memory falls."""
MAX_BODY = 16 * 1024
SHUTDOWN_TIMEOUT_S = 5.0
"""How long requests under way may take after SIGTERM."""

LOAVES = monit_probe.counter("loaves sold", unit="loaves")
BAKING = monit_probe.histogram("baking", unit="ms")

log = logging.getLogger("bakery")


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    body: bytes


class Reply(NamedTuple):
    """One HTTP response, its body as JSON-able values."""

    status: HTTPStatus
    value: Any


class BadRequestError(ValueError):
    """The request is not the HTTP that this server understands."""


class OvenFireError(RuntimeError):
    """The oven is on fire; only a new process helps."""


class Bakery:
    """The state of one instance and its routes."""

    def __init__(self, instance: int, chance: random.Random) -> None:
        self.instance = instance
        self.chance = chance
        self.orders: dict[int, dict[str, Any]] = {}
        self.rack: list[bytearray] = []
        self.oven_is_cold = instance % 3 == 1
        self.oven_is_faulty = instance % 3 == 2
        self.routes: dict[tuple[str, str], Callable[[Request], Awaitable[Reply]]] = {
            ("GET", ""): self.about,
            ("GET", "health"): self.about,
            ("GET", "breads"): self.breads,
            ("GET", "accounts"): self.accounts,
            ("GET", "orders"): self.order,
            ("POST", "orders"): self.create_order,
            ("POST", "bake"): self.bake,
        }

    async def answer(self, request: Request) -> Reply:
        """Return the reply of the route that ``request`` names; an error in it becomes a 500."""
        first = request.path.strip("/").partition("/")[0]
        route = self.routes.get((request.method, first))
        if route is None:
            return Reply(
                HTTPStatus.NOT_FOUND, {"error": f"no route {request.method} {request.path}"}
            )
        try:
            return await route(request)
        except Exception:
            log.exception("request failed: %s %s", request.method, request.path)
            return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "something went wrong"})

    async def about(self, _: Request) -> Reply:
        """Return which bakery this is."""
        return Reply(
            HTTPStatus.OK,
            {"bakery": self.instance, "pid": os.getpid(), "orders": len(self.orders)},
        )

    async def breads(self, request: Request) -> Reply:
        """Return the menu, or one bread of it."""
        name = request.path.strip("/").partition("/")[2]
        if not name:
            return Reply(HTTPStatus.OK, list(MENU))
        if name not in PRICES:
            return Reply(HTTPStatus.NOT_FOUND, {"error": f"no bread is called {name}"})
        return Reply(HTTPStatus.OK, {"bread": name, "cents": PRICES[name]})

    def register_metrics(self) -> None:
        """Register the gauge and the action that monit shows."""
        monit_probe.gauge("cooling", lambda: len(self.rack), unit="batches", agg="sum")
        monit_probe.action("clear rack", self.clear_rack, in_loop=True)

    def clear_rack(self) -> dict[str, int]:
        """Empty the cooling rack."""
        batches = len(self.rack)
        self.rack.clear()
        return {"batches": batches}

    async def create_order(self, request: Request) -> Reply:
        """Create an order, and print it as a line of JSON."""
        wanted = json.loads(request.body)
        order = {
            "level": "info",
            "event": "order",
            "id": len(self.orders) + 1,
            "bread": wanted["bread"],
            "count": wanted["count"],
            "cents": PRICES[wanted["bread"]] * wanted["count"],
        }
        self.orders[len(self.orders) + 1] = order
        LOAVES.inc(wanted["count"])
        print(json.dumps(order), flush=True)
        return Reply(HTTPStatus.CREATED, order)

    async def order(self, request: Request) -> Reply:
        """Return one order by its number."""
        number = request.path.strip("/").partition("/")[2]
        order = self.orders.get(int(number)) if number.isdecimal() else None
        if order is None:
            return Reply(HTTPStatus.NOT_FOUND, {"error": f"no order {number}"})
        return Reply(HTTPStatus.OK, order)

    async def bake(self, _: Request) -> Reply:
        """Bake a batch: it takes time, and space on the rack."""
        with BAKING.time():
            await asyncio.sleep(self.chance.uniform(0.3, 0.7) if self.oven_is_cold else 0.05)
        self.rack.append(bytearray(os.urandom(64) * (BATCH_BYTES // 64)))
        if len(self.rack) >= RACK_BATCHES:
            log.info("rack is full, %d batches go to the shop", self.clear_rack()["batches"])
        return Reply(HTTPStatus.OK, {"batches": len(self.rack)})

    async def accounts(self, _: Request) -> Reply:
        """Compute for a long time on the event loop, as one should not: it blocks all others."""
        rounds = self.chance.randrange(20_000, 400_000)
        seal = hashlib.pbkdf2_hmac("sha256", b"flour", b"salt", rounds)
        return Reply(HTTPStatus.OK, {"seal": seal.hex(), "rounds": rounds})

    async def watch_oven(self) -> None:
        """Watch the oven until the task is cancelled; raise `OvenFireError` if it is faulty."""
        minutes = 0
        while not self.oven_is_faulty:
            await asyncio.sleep(20)
            log.info("oven at %d °C, %d batches cooling", 228 + minutes % 7, len(self.rack))
            minutes += 1
        await asyncio.sleep(self.chance.uniform(14, 34))
        for degrees in (260, 310, 390):
            log.warning("oven at %d °C and rising", degrees)
            await asyncio.sleep(0.8)
        raise OvenFireError("oven at 480 °C, the croissants are burning")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Return one request, or None if the client disconnected; raise `BadRequestError`."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3:
        raise BadRequestError(f"not a request line: {first[:60]!r}")
    fields = {
        key.strip().lower(): value.strip() for key, _, value in (x.partition(":") for x in lines)
    }
    length = fields.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise BadRequestError(f"cannot accept a body of {length[:20]!r} bytes")
    return Request(parts[0], parts[1], await reader.readexactly(int(length)))


def encode(reply: Reply) -> bytes:
    """Return ``reply`` as bytes; every response closes its connection."""
    body = json.dumps(reply.value).encode() + b"\n"
    head = (
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body


async def serve_one(
    bakery: Bakery, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one connection and log it."""
    began = time.perf_counter()
    try:
        request = await read_request(reader)
        if request is None:
            return
        reply = await bakery.answer(request)
        writer.write(encode(reply))
        await writer.drain()
        if request.path == "/health":
            return
        took = (time.perf_counter() - began) * 1000
        level = logging.WARNING if took > SLOW_MS else logging.INFO
        prefix = "slow request " if took > SLOW_MS else ""
        log.log(
            level, "%s%s %s %d %.1f ms", prefix, request.method, request.path, reply.status, took
        )
    except BadRequestError as error:
        log.warning("%s", error)
        writer.write(encode(Reply(HTTPStatus.BAD_REQUEST, {"error": str(error)})))
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        log.warning("client disconnected: %s", error)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def finish_requests(server: asyncio.Server, served: set[asyncio.Task[None]]) -> None:
    """Accept no more connections, and wait `SHUTDOWN_TIMEOUT_S` at most for those under way."""
    for listener in server.sockets:
        # server.close() would drop connections that asyncio has accepted but not yet served
        asyncio.get_running_loop().remove_reader(listener.fileno())
    await asyncio.sleep(0.1)
    if served:
        await asyncio.wait(served, timeout=SHUTDOWN_TIMEOUT_S)


async def run(instance: int, port: int) -> None:
    """Serve on ``port`` until SIGTERM, then finish the requests under way; raise `OvenFireError`
    when the oven burns."""
    bakery = Bakery(instance, random.Random())  # noqa: S311 - a bakery needs no secrets
    bakery.register_metrics()
    served: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve_one(bakery, reader, writer))
        served.add(task)
        task.add_done_callback(served.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", port)
    closing = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, closing.set)
    log.info("bakery %d opens on http://127.0.0.1:%d", instance, port)
    oven = asyncio.create_task(bakery.watch_oven())
    waiting = asyncio.create_task(closing.wait())
    async with server:
        await asyncio.wait((oven, waiting), return_when=asyncio.FIRST_COMPLETED)
        if oven.done():
            oven.result()
        oven.cancel()
        await finish_requests(server, served)
    log.info("bakery %d closes, %d orders taken", instance, len(bakery.orders))


def set_up_logging() -> None:
    """Send warnings and errors to stderr, the rest to stdout."""
    out = logging.StreamHandler(sys.stdout)
    out.addFilter(lambda record: record.levelno < logging.WARNING)
    err = logging.StreamHandler(sys.stderr)
    err.setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", handlers=[out, err])


def main() -> None:
    """Serve on the port in ``PORT``."""
    set_up_logging()
    instance = int(os.environ.get("MONIT_INSTANCE", "0"))
    asyncio.run(run(instance, int(os.environ.get("PORT", "8100"))))


if __name__ == "__main__":
    main()
