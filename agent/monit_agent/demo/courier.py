"""Delivers bread by bicycle and gets a flat tyre every time: a slow crash loop to look at."""

import random
import sys
import time

TOWNS = ("Ahrensfelde", "Bernau", "Erkner", "Nauen", "Velten")


def main() -> int:
    """Ride for some seconds, then return exit code 3."""
    town = random.choice(TOWNS)  # noqa: S311 - no secret
    print(f"INFO leaves for {town}", flush=True)
    for kilometre in range(1, random.randint(3, 9)):  # noqa: S311
        time.sleep(1.2)
        print(f"INFO kilometre {kilometre}", flush=True)
    print(f"ERROR flat tyre on the way to {town}", file=sys.stderr, flush=True)
    return 3


if __name__ == "__main__":
    sys.exit(main())
