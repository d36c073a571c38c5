"""How much slower an app prints at full speed while its log is rotated, and what is lost by it.

The same script runs at once into a file, under monit, and under pm2 with its module pm2-logrotate;
both rotate at `SIZE`. They flood in turn. At the end every line must be in monit's files, once and
in order; of pm2's files the lines are counted.
"""

import contextlib
import glob
import gzip
import subprocess
from collections.abc import Callable
from functools import partial

from common import STRAIGHT, BenchmarkError, Figure, Manager, Pm2, alternate, both, say
from log_flood import Flooder, managed, straight

LINES = 500_000
MODE = "buffered"
SIZE = "2M"
"""A dozen rotations in each flood."""

KEEP_ALL = ("--log-max-size", SIZE, "--log-max-files", "0", "--log-max-total", "none")

NOTE = """\
monit rotates by renaming, pm2-logrotate by copying and truncating, here as often as it can \
(`workerInterval` 1 s)."""


def measure(quick: bool) -> list[Figure]:
    """Return the seconds, the slow-downs and the lost lines."""
    rounds = 3 if quick else 7
    say(f"  {LINES:,} lines, rotated at {SIZE}: {rounds} rounds")
    with contextlib.ExitStack() as stack:
        flooders = {STRAIGHT: stack.enter_context(straight(LINES, MODE))}
        for manager in stack.enter_context(both()):
            if isinstance(manager, Pm2):
                _install_logrotate(manager)
            flooders[manager.name] = _rotated(stack, manager)
        floods: dict[str, Callable[[], float]] = {}
        for who, flooder in flooders.items():
            floods[who] = partial(_flood, flooder, checked=who != "pm2")
        for flood in floods.values():
            flood()
        seconds = alternate(rounds, floods)
        lost = {
            who: [float((rounds + 1) * LINES - _count_lines(flooder.log_file))]
            for who, flooder in flooders.items()
            if who == "pm2"
        }
    what = f"printing {LINES:,} lines through an 8 KiB buffer, rotated at {SIZE}"
    slower = {
        who: [a / b for a, b in zip(values, seconds[STRAIGHT], strict=True)]
        for who, values in seconds.items()
        if who != STRAIGHT
    }
    figures = [
        Figure(what, "s", seconds),
        Figure(f"{what}: slow-down against > file", "times", slower, NOTE),
    ]
    if lost:
        text = f"lines lost of {(rounds + 1) * LINES:,}, rotated at {SIZE}"
        figures.append(Figure(text, "lines", {"monit": [0.0], **lost}))
    return figures


def _rotated(stack: contextlib.ExitStack, manager: Manager) -> Flooder:
    options = KEEP_ALL if manager.name == "monit" else ()
    return stack.enter_context(managed(manager, LINES, MODE, options))


def _flood(flooder: Flooder, *, checked: bool) -> float:
    """Flood once; raise `BenchmarkError` when a line of a checked one is missing."""
    return flooder.flood() if checked else flooder.flood_unchecked()


def _install_logrotate(manager: Pm2) -> None:
    try:
        manager.run("install", "pm2-logrotate")
        for setting in (("max_size", SIZE), ("workerInterval", "1"), ("retain", "1000")):
            manager.run("set", f"pm2-logrotate:{setting[0]}", setting[1])
    except (BenchmarkError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(f"pm2-logrotate does not install: {error}") from error


def _count_lines(log_file: str) -> int:
    """Return how many lines are in a log of pm2 and in what was rotated from it."""
    stem = glob.escape(log_file.removesuffix(".log"))
    lines = 0
    for path in glob.glob(f"{stem}*.log*"):
        with open(path, "rb") as file:
            data = file.read()
        lines += (gzip.decompress(data) if path.endswith(".gz") else data).count(b"\n")
    return lines
