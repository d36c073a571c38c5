"""How much slower an app prints at full speed than with ``> file``.

The same script runs three times at once: into a file, under monit, under pm2. They flood in
turn, and every byte has to stand in the file, in order, before the next one begins.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from functools import partial

from common import (
    PROGRAMS,
    STRAIGHT,
    BenchmarkError,
    Figure,
    Manager,
    alternate,
    both,
    clean_environment,
    say,
    wait_for,
)
from kept_log import KeptLog
from programs.flood import line

LINES = 500_000
MODES = {
    "print": "print()",
    "unbuffered": "print(), PYTHONUNBUFFERED=1 for all",
    "buffered": "through an 8 KiB buffer",
    "each": "a write a line",
}

NOTE = """\
`print()` is slow under both because both set `PYTHONUNBUFFERED`, so that a line is seen when it \
is printed: Python then makes two writes a line.
In the second row `> file` has that too.
The other programs print the same way under all three."""


class Flooder:
    """One running flood script and the file that its lines end up in."""

    def __init__(self, folder: str, log_file: str, lines: int) -> None:
        self.folder = folder
        self.log = KeptLog(log_file)
        self.log_file = log_file
        self.lines = lines
        self.turn = 0
        self.checked = 0

    def flood(self) -> float:
        """Make it print once and return the seconds its printing took. Raise `BenchmarkError`."""
        turn = self.turn
        took = self.flood_unchecked()
        self.check(turn)
        return took

    def flood_unchecked(self) -> float:
        """The same, whatever arrived."""
        done = os.path.join(self.folder, f"done.{self.turn}")
        with open(os.path.join(self.folder, f"go.{self.turn}"), "w", encoding="ascii"):
            pass
        wait_for(partial(os.path.exists, done), f"the end of the flood {done}")
        with open(done, encoding="ascii") as file:
            took = float(file.read())
        self.turn += 1
        return took

    def check(self, turn: int) -> None:
        """Compare what arrived with what was printed, byte for byte."""
        expected = "".join(line(turn, index) for index in range(self.lines)).encode()
        end = self.checked + len(expected)
        wait_for(lambda: self.log.length() >= end, f"all bytes in {self.log_file}")
        if self.log.read(self.checked) != expected:
            raise BenchmarkError(f"{self.log_file}: lines were lost, doubled or reordered")
        self.checked = end


@contextlib.contextmanager
def straight(lines: int, mode: str) -> Generator[Flooder, None, None]:
    """Run the script with its output straight to a file."""
    unbuffered = {"PYTHONUNBUFFERED": "1"} if mode == "unbuffered" else {}
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        log_file = os.path.join(folder, "out.log")
        script = os.path.join(PROGRAMS, "flood.py")
        with open(log_file, "wb") as out:
            process = subprocess.Popen(
                [sys.executable, script, folder, str(lines), mode],
                stdout=out,
                env=clean_environment() | unbuffered,
                start_new_session=True,
            )
        try:
            yield Flooder(folder, log_file, lines)
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def managed(
    manager: Manager, lines: int, mode: str, options: Sequence[str] = ()
) -> Generator[Flooder, None, None]:
    """Run the script under a manager."""
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        name = f"flood-{mode}"
        manager.start(name, "flood.py", folder, str(lines), mode, options=options)
        yield Flooder(folder, manager.log_file(name), lines)


def measure(quick: bool) -> list[Figure]:
    """Return the seconds and the slow-downs of each way to print."""
    rounds = 3 if quick else 7
    figures: list[Figure] = []
    for mode, words in MODES.items():
        say(f"  {LINES:,} lines, {words}: {rounds} rounds")
        seconds = _flood_side_by_side(mode, rounds)
        what = f"printing {LINES:,} lines, {words}"
        figures.append(Figure(what, "s", seconds))
        slower = {
            who: [a / b for a, b in zip(values, seconds[STRAIGHT], strict=True)]
            for who, values in seconds.items()
            if who != STRAIGHT
        }
        figures.append(Figure(f"{what}: slow-down against > file", "times", slower, NOTE))
    return figures


def _flood_side_by_side(mode: str, rounds: int) -> dict[str, list[float]]:
    with contextlib.ExitStack() as stack:
        flooders: dict[str, Callable[[], float]] = {
            STRAIGHT: stack.enter_context(straight(LINES, mode)).flood
        }
        for manager in stack.enter_context(both()):
            flooder = stack.enter_context(managed(manager, LINES, mode))
            flooders[manager.name] = flooder.flood
        for flood in flooders.values():
            flood()  # warm: files exist, pipes have their size, pages are there
        return alternate(rounds, flooders)
