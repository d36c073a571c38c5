"""Prints a steady number of lines a second: ``steady.py LINES_PER_SECOND``."""

import os
import sys
import time

BEATS = 50
rate = int(sys.argv[1])
count = 0
due = time.monotonic()
while True:
    lines = [
        f"{count + number:09d} GET /breads/rye 200 {number % 97} ms"
        for number in range(rate // BEATS)
    ]
    count += len(lines)
    os.write(1, ("\n".join(lines) + "\n").encode())
    due += 1 / BEATS
    time.sleep(max(0.0, due - time.monotonic()))
