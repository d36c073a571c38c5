"""What the apps of the scenes print: a small tea shop on a Saturday.

Every function gives the same lines for the same arguments, in any order of calls, so that a
picture taken of a scene is the same tomorrow.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from monit_agent.wire.messages import Stream


class Line(NamedTuple):
    """One line (or piece of one) that a worker prints."""

    stream: Stream
    data: bytes


Chatter = Callable[[int, float], Iterator[Line]]
"""(instance, wall time) to what the instance prints within the half second that begins then."""

TEAS = ("sencha", "assam", "darjeeling", "rooibos", "gyokuro", "earl-grey", "oolong", "pu-erh")
TOWNS = ("Leipzig", "Aarhus", "Gent", "Porto", "Graz", "Tallinn", "København", "Łódź")
PATHS = ("/", "/tea/{}", "/tea/{}/reviews", "/basket", "/search?q={}", "/static/{}.webp")


def dice(*seeds: int) -> int:
    """Return a number of 32 bits that looks thrown and is always the same for the same seeds."""
    value = 0x9E3779B9
    for seed in seeds:
        value = ((value ^ seed) * 0x85EBCA6B) & 0xFFFFFFFF
        value = ((value ^ (value >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
        value ^= value >> 16
    return value


def clock(at: float, millis: int) -> str:
    """Return a time of day as programs log it (UTC)."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) + f".{millis:03d}"


def web(instance: int, at: float) -> Iterator[Line]:
    """The shop's front, Python behind uvicorn: access lines, a warning, seldom a traceback."""
    moment = int(at * 2)
    for turn in range(dice(instance, moment) % 3):
        throw = dice(instance, moment, turn)
        tea = TEAS[throw % len(TEAS)]
        path = PATHS[(throw >> 8) % len(PATHS)].format(tea)
        status = 404 if throw % 37 == 0 else 200
        line = f'INFO:     10.8.0.{throw % 200 + 2}:{throw % 20000 + 40000} - "GET {path} HTTP/1.1"'
        yield Line("out", f"{line} {status} {throw % 40 + 2}ms\n".encode())
    throw = dice(instance, moment, 77)
    if throw % 23 == 0:
        tea = TEAS[throw % len(TEAS)]
        slow = f"WARNING:  slow query {throw % 900 + 400} ms: stock of {tea}"
        yield Line("err", f"{slow}\n".encode())
    if throw % 97 == 5:
        yield Line("err", _payment_traceback(throw))
    if throw % 131 == 9:
        headers = "; ".join(f"x-shop-{number}={dice(throw, number):08x}" for number in range(40))
        yield Line("out", f"DEBUG:    request headers: {headers}\n".encode())


def _payment_traceback(throw: int) -> bytes:
    return (
        f"ERROR:    order {throw % 9000 + 1000}: payment failed\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/shop/checkout.py", line 118, in pay\n'
        "    receipt = await provider.charge(order.total, order.card)\n"
        '  File "/srv/shop/shop/provider.py", line 41, in charge\n'
        "    raise PaymentTimeout(f'no answer in {self.timeout_s:.0f} s')\n"
        "shop.provider.PaymentTimeout: no answer in 8 s\n"
    ).encode()


def api(instance: int, at: float) -> Iterator[Line]:
    """Stock and orders, Node with a JSON logger."""
    moment = int(at * 2)
    for turn in range(dice(instance, moment, 3) % 3):
        throw = dice(instance, moment, turn, 5)
        entry: dict[str, object] = {
            "level": "error" if throw % 61 == 0 else "warn" if throw % 19 == 0 else "info",
            "time": clock(at, turn * 311 + throw % 300).replace(" ", "T") + "Z",
            "pid": 5300 + instance,
            "msg": "order placed",
            "order": throw % 9000 + 1000,
            "town": TOWNS[throw % len(TOWNS)],
            "items": [{"tea": TEAS[throw % len(TEAS)], "grams": throw % 4 * 50 + 50}],
            "ms": throw % 30 + 1,
        }
        if entry["level"] == "warn":
            entry["msg"] = "stock is low"
        if entry["level"] == "error":
            entry["msg"] = "warehouse does not answer, order kept for later"
        stream: Stream = "err" if entry["level"] == "error" else "out"
        yield Line(stream, json.dumps(entry, ensure_ascii=False).encode() + b"\n")


COLOURS = {"INFO": "32", "DEBUG": "36", "WARNING": "33", "ERROR": "1;31"}


def worker(instance: int, at: float) -> Iterator[Line]:
    """Mails and invoices, a Python program that colours its levels."""
    moment = int(at * 2)
    throw = dice(instance, moment, 11)
    if throw % 2:
        return
    order = throw % 9000 + 1000
    town = TOWNS[throw % len(TOWNS)]
    said = (
        ("INFO", f"invoice {order}.pdf written, {throw % 90 + 20} kB"),
        ("INFO", f"mail to customer in {town} sent for order {order}"),
        ("DEBUG", f"queue mails: {throw % 7} waiting, queue invoices: {throw % 3} waiting"),
        ("WARNING", "mail server answers 451, again in 30 s"),
        ("ERROR", f"invoice {order}: customer has no address"),
    )
    level, text = said[(throw >> 4) % 3 if throw % 11 else 3 + throw % 2]
    stamp = clock(at, throw % 1000)
    line = f"\x1b[2m{stamp}\x1b[0m \x1b[{COLOURS[level]}m{level:<7}\x1b[0m {text}\n"
    yield Line("err" if level == "ERROR" else "out", line.encode())


def import_crash(instance: int) -> bytes:
    """What a Python program prints that dies of its configuration."""
    return (
        f"INFO: newsletter {instance} starts\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/newsletter.py", line 9, in <module>\n'
        '    KEY = os.environ["MAIL_API_KEY"]\n'
        '  File "<frozen os>", line 679, in __getitem__\n'
        "KeyError: 'MAIL_API_KEY'\n"
    ).encode()
