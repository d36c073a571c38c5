"""Prints LINES lines flat out whenever told to: ``flood.py FOLDER LINES MODE``.

Waits for ``FOLDER/go.N`` (N = 0, 1, …), prints, and writes to ``FOLDER/done.N`` how many seconds
its own printing took. ``print`` and ``unbuffered`` print as any script does, so that
``PYTHONUNBUFFERED``, if it is set, has its effect. The others do the same whatever the
environment: ``buffered`` writes through 8 KiB as Python does into a pipe or a file, ``each`` makes
one write a line as loggers do.
"""

import itertools
import os
import sys
import time


def line(number: int, index: int) -> str:
    """Give one line: which flood, which line, and as much text as a log line has."""
    return f"{number:03d} {index:07d} GET /breads/sourdough HTTP/1.1 200 {index % 97} ms\n"


def flood(number: int, lines: int, mode: str) -> float:
    """Print everything; give the seconds that it took."""
    began = time.perf_counter()
    if mode in ("print", "unbuffered"):
        for index in range(lines):
            print(line(number, index), end="")
        sys.stdout.flush()
    elif mode == "buffered":
        with open(1, "w", closefd=False) as out:
            for index in range(lines):
                print(line(number, index), end="", file=out)
    else:
        for index in range(lines):
            os.write(1, line(number, index).encode())
    return time.perf_counter() - began


if __name__ == "__main__":
    folder, lines, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    for turn in itertools.count():
        while not os.path.exists(f"{folder}/go.{turn}"):
            time.sleep(0.02)
        took = flood(turn, lines, mode)
        with open(f"{folder}/done.new", "w", encoding="ascii") as file:
            file.write(str(took))
        os.rename(f"{folder}/done.new", f"{folder}/done.{turn}")
