"""The job that every program of this folder runs: it says ``begun``, and is ``finished`` when it
was ``released``. What dies in between has lost it."""

import time
from pathlib import Path

BEGUN, RELEASED, FINISHED = Path("begun"), Path("released"), Path("finished")


def run() -> None:
    BEGUN.touch()
    while not RELEASED.exists():
        time.sleep(0.02)
    FINISHED.touch()
