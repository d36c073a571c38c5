"""Has logs searched by a process of its own (``search_main.py``), one piece after another.

The process is started for the first search and ends when none came for a while, or with its agent.
A piece that does not end in time ends the process, and the next one gets a new process.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from monit_agent.agent.agent_loop import AgentLoop, reap_later
from monit_agent.agent.journal import log, log_descriptor
from monit_agent.agent.logs.search_main import HEADER
from monit_agent.wire.limits import SEARCH_S, SEARCHES_WAITING

IDLE_S = 30.0
"""A process takes 9 MB; to start one takes 30 ms."""

PIECE_S = 10.0
"""A piece that takes longer is given up: `SEARCH_S` is over, and a slow disk had its time."""

_READ_BYTES = 1 << 20

Answered = Callable[[dict[str, Any], bytes], None]
"""Gets the answer: its JSON object, and the bytes of the lines."""


class TooManySearchesError(RuntimeError):
    """More pieces wait than there is room for."""


class _Waiting(NamedTuple):
    asked: dict[str, Any]
    then: Answered


class SearchProcess:
    """The process and the pieces that wait for it."""

    def __init__(self, loop: AgentLoop) -> None:
        self._loop = loop
        self._waiting: deque[_Waiting] = deque()
        """The first one is being searched if there is a process."""
        self._process: subprocess.Popen[bytes] | None = None
        self._received = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def search(self, asked: dict[str, Any], then: Answered) -> None:
        """Search a piece; ``asked`` is what `search_main.search` takes, without its time. Raise
        `TooManySearchesError`."""
        if len(self._waiting) >= SEARCHES_WAITING:
            raise TooManySearchesError(
                f"{SEARCHES_WAITING} searches wait already; try again in a few seconds"
            )
        self._waiting.append(_Waiting({**asked, "seconds": SEARCH_S}, then))
        if len(self._waiting) == 1:
            self._begin()

    def close(self) -> None:
        """End the process; what waits is never answered."""
        self._waiting.clear()
        self._end()

    def _begin(self) -> None:
        """Send the first piece that waits to the process; without one, wait for a piece."""
        self._set_timer(None)
        if not self._waiting:
            self._set_timer(IDLE_S)
            return
        try:
            process = self._process or self._start()
            assert process.stdin is not None  # noqa: S101 (for the type checker)
            # less than a pipe holds, and the process has read what came before
            process.stdin.write(json.dumps(self._waiting[0].asked).encode() + b"\n")
            process.stdin.flush()
        except OSError as error:
            self._fail(f"cannot search: {error.strerror}")
            return
        self._set_timer(PIECE_S)

    def _start(self) -> subprocess.Popen[bytes]:
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "search_main.py")
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_descriptor() or subprocess.DEVNULL,
            env={},
        )
        assert process.stdout is not None  # noqa: S101 (for the type checker)
        os.set_blocking(process.stdout.fileno(), False)
        self._loop.add_reader(process.stdout.fileno(), self._read)
        self._process = process
        self._received.clear()
        return process

    def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        try:
            part = os.read(self._process.stdout.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        if not part:
            self._fail("the search was interrupted; try again")
            return
        self._received += part
        received = self._received
        if len(received) < HEADER.size:
            return
        head, body = HEADER.unpack_from(received)
        if len(received) < HEADER.size + head + body:
            return
        answer = json.loads(received[HEADER.size : HEADER.size + head])
        lines = bytes(received[HEADER.size + head :])
        received.clear()
        if self._waiting:
            self._waiting.popleft().then(answer, lines)
        self._begin()

    def _overdue(self) -> None:
        self._timer = None
        if not self._waiting:
            self._end()
            return
        log(f"a search did not end within {PIECE_S:g} s; its process is killed")
        self._fail(f"the search took longer than {PIECE_S:g} s; search for less at once")

    def _fail(self, why: str) -> None:
        """Give up the first piece that waits, and the process."""
        self._end()
        if self._waiting:
            self._waiting.popleft().then({"failed": why}, b"")
        if self._waiting:
            self._loop.call_soon(self._begin)

    def _end(self) -> None:
        self._set_timer(None)
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        self._loop.remove_reader(process.stdout.fileno())
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it has not read what it was sent last
            process.stdin.close()
        reap_later(self._loop.shared, process.pid)  # it may wait for a disk that hangs
        process.returncode = -signal.SIGKILL

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._loop.call_later(seconds, self._overdue)
