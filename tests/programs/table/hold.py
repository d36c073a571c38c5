"""Lets a test decide how long a program imports, and when it answers a slow request."""

import os
import time


def importing() -> None:
    """Leave a mark, and wait as long as there is a file called ``hold``."""
    _wait_while("importing", "hold")


def working() -> None:
    """Leave a mark, and wait as long as there is a file called ``work``."""
    _wait_while("working", "work")


def _wait_while(mark: str, name: str) -> None:
    with open(f"{mark}-{os.getpid()}", "w"):
        pass
    while os.path.exists(name):
        time.sleep(0.01)
