"""Prints so many megabytes of log lines, with a rare text in the first and another one in each
megabyte, and then waits."""

import os
import random
import sys
import time

MEGABYTE = 1 << 20


def block(often: str) -> bytes:
    """Return a megabyte of lines as a web app prints them."""
    lines: list[str] = []
    chance = random.Random(1)
    size = 0
    while size < MEGABYTE - 300:
        number = len(lines)
        took, session = chance.randrange(500), chance.getrandbits(64)
        lines.append(
            f"2026-11-30 04:{number // 60 % 60:02}:{number % 60:02},{chance.randrange(1000):03} "
            f"INFO app.views: GET /api/items/{number}?session={session:016x} status=200 {took} ms\n"
        )
        size += len(lines[-1])
    lines.append(f"2026-11-30 05:00:00,000 ERROR app.views: {often}\n")
    size += len(lines[-1])
    lines.append("x" * (MEGABYTE - size - 1) + "\n")
    return "".join(lines).encode()


def main() -> None:
    """Print and wait."""
    megabytes, rare, often = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    data = block(often)
    for number in range(megabytes):
        part = data if number else data.replace(b"INFO app.views", rare.encode(), 1)
        at = 0
        while at < len(part):
            at += os.write(1, part[at : at + 65536])
    while True:
        time.sleep(60)


main()
