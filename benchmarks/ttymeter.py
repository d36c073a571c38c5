"""Runs a full-screen program in a pseudo-terminal and measures it from outside.

    python ttymeter.py [--size 120x35] [--seconds 15] [--settle 4] [--until TEXT]… [--keys down,up]
                       [--dump] -- COMMAND [ARG…]

Prints one JSON object, `Measured` with its units in the names. The program sees an ordinary xterm
with true colours that answers what full-screen programs ask a terminal.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import statistics
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psutil
import pyte

KEY_EVERY_S = 0.5
KEY_LOST_S = 3.0
PAINT_BYTES = 4
"""Shorter output is the cursor being moved, not something painted."""
KEYS = {
    "up": b"\x1b[A", "down": b"\x1b[B", "left": b"\x1b[D", "right": b"\x1b[C",
    "enter": b"\r", "esc": b"\x1b", "tab": b"\t", "space": b" ",
}  # fmt: skip
QUESTIONS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62;c", b"\x1b[?2026$p": b"\x1b[?2026;2$y"}
INVISIBLE = re.compile(
    rb"\x1b\[[<>=?]?[0-9;:$]*[a-zA-Z]|\x1b\].*?(?:\x07|\x1b\\)|\x1b[PX^_].*?\x1b\\|\x1b.", re.DOTALL
)
PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p")
"""What pyte does not know and would print."""


class Measured(NamedTuple):
    """What was seen; None where it was not asked for or did not happen."""

    first_paint_s: float | None
    """Until something visible was printed."""
    until_s: float | None
    """Until all texts waited for stood on the screen together."""
    bytes_per_s: float
    """Output after the settling time."""
    cpu_percent: float
    """Of one core, the program and its descendants, after the settling time."""
    own_cpu_percent: float
    """The same of the program's main thread alone."""
    waited_percent: float
    """How much of the time this thread could have run and had no core."""
    pss_mb: float
    """Proportional memory of the same processes at the end."""
    key_ms: list[float]
    """From each key to the next thing painted; infinite when nothing was within 3 s."""
    screen: list[str]
    """What stood on the screen at the end."""


class Plan(NamedTuple):
    """What to do with the program."""

    columns: int = 120
    lines: int = 35
    seconds: float = 15.0
    settle_s: float = 4.0
    until: Sequence[str] = ()
    keys: Sequence[str] = ()
    stop_when_seen: bool = False
    """End as soon as `until` is seen: for first frames."""


class Meter:
    """One program in one pseudo-terminal."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], plan: Plan) -> None:
        self.plan = plan
        self.screen = pyte.Screen(plan.columns, plan.lines)
        self.stream = pyte.ByteStream(self.screen)
        self.began = time.monotonic()
        self.first_paint: float | None = None
        self.seen_at: float | None = None
        self.settled: tuple[float, float, tuple[float, float]] | None = None
        self.output = 0
        self.next_key = plan.settle_s
        self.pressed = 0
        self.pending: float | None = None
        self.key_ms: list[float] = []
        self.pid, self.terminal = _spawn(command, environment, plan)

    def now(self) -> float:
        """Seconds since the program was started."""
        return time.monotonic() - self.began

    def run(self) -> Measured:
        """Watch the program as planned, end it, and return what was seen."""
        try:
            while self.now() < self.plan.seconds and self.step():
                if self.plan.stop_when_seen and self.seen_at is not None:
                    break
            return self._result()
        finally:
            self.end()

    def step(self) -> bool:
        """Read what came and press what is due; False when the program is gone."""
        if self.settled is None and self.now() >= self.plan.settle_s:
            self.settled, self.output = (self.now(), self._cpu_s(), self._main_thread_s()), 0
        self._press()
        readable, _, _ = select.select([self.terminal], [], [], 0.02)
        if readable:
            try:
                data = os.read(self.terminal, 1 << 16)
            except OSError:
                return False
            if not data:
                return False
            self._take(data)
        return True

    def _press(self) -> None:
        if self.pending is not None and time.monotonic() - self.pending > KEY_LOST_S:
            self.key_ms.append(float("inf"))
            self.pending = None
        if not self.plan.keys or self.pending is not None or self.now() < self.next_key:
            return
        key = self.plan.keys[self.pressed % len(self.plan.keys)]
        os.write(self.terminal, KEYS.get(key, key.encode()))
        self.pending = time.monotonic()
        self.next_key = self.now() + KEY_EVERY_S
        self.pressed += 1

    def _take(self, data: bytes) -> None:
        at = time.monotonic()
        self.output += len(data)
        if self.first_paint is None and INVISIBLE.sub(b"", data).strip():
            self.first_paint = at - self.began
        if self.pending is not None and len(data) > PAINT_BYTES:
            self.key_ms.append((at - self.pending) * 1000)
            self.pending = None
        for question, answer in QUESTIONS.items():
            if question in data:
                os.write(self.terminal, answer)
        self.stream.feed(PRIVATE.sub(b"", data))
        if self.seen_at is None and self.plan.until:
            shown = "\n".join(self.screen.display)
            if all(text in shown for text in self.plan.until):
                self.seen_at = at - self.began

    def _result(self) -> Measured:
        since, cpu, before = self.settled or (self.now(), self._cpu_s(), self._main_thread_s())
        own = [now - then for now, then in zip(self._main_thread_s(), before, strict=True)]
        span = max(self.now() - since, 0.001)
        return Measured(
            first_paint_s=self.first_paint,
            until_s=self.seen_at,
            bytes_per_s=self.output / span,
            cpu_percent=(self._cpu_s() - cpu) / span * 100,
            own_cpu_percent=own[0] / span * 100,
            waited_percent=own[1] / span * 100,
            pss_mb=self.pss_mb(),
            key_ms=self.key_ms,
            screen=[row.rstrip() for row in self.screen.display],
        )

    def pss_mb(self) -> float:
        """Return the proportional memory of the program and its descendants."""
        pss = 0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                pss += process.memory_full_info().pss
        return pss / 1e6

    def _tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []

    def _cpu_s(self) -> float:
        spent = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                spent += times.user + times.system
        return spent

    def _main_thread_s(self) -> tuple[float, float]:
        """Return how long the main thread has run, and waited for a core."""
        try:
            with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as file:
                ran, waited, _ = file.read().split()
        except OSError:
            return 0.0, 0.0
        return int(ran) / 1e9, int(waited) / 1e9

    def end(self) -> None:
        """End the program."""
        tree = self._tree()
        for process in reversed(tree):
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(tree, timeout=1.0)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        os.close(self.terminal)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _spawn(command: Sequence[str], environment: Mapping[str, str], plan: Plan) -> tuple[int, int]:
    pid, terminal = pty.fork()
    if pid == 0:
        extra = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        with contextlib.suppress(OSError):
            fcntl.ioctl(0, termios.TIOCSWINSZ, _size(plan))  # before its first look at it
            os.execvpe(command[0], command, {**environment, **extra})
        os._exit(127)
    os.set_blocking(terminal, False)
    return pid, terminal


def _size(plan: Plan) -> bytes:
    return struct.pack("HHHH", plan.lines, plan.columns, 0, 0)


def measure(command: Sequence[str], environment: Mapping[str, str], plan: Plan) -> Measured:
    """Run ``command`` as planned and return what was seen."""
    return Meter(command, environment, plan).run()


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", default="120x35")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--settle", type=float, default=4.0)
    parser.add_argument("--until", action="append", default=[])
    parser.add_argument("--keys", default="")
    parser.add_argument("--dump", action="store_true", help="with the screen at the end")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    columns, _, lines = arguments.size.partition("x")
    keys = arguments.keys.split(",") if arguments.keys else []
    plan = Plan(
        int(columns), int(lines), arguments.seconds, arguments.settle, arguments.until, keys
    )
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        parser.error("which command?")
    seen = measure(command, os.environ, plan)._asdict()
    if not arguments.dump:
        del seen["screen"]
    if seen["key_ms"]:
        seen["key_median_ms"] = statistics.median(seen["key_ms"])
    json.dump(seen, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
