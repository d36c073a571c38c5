"""Asking processes to run an action, and waiting for what they answer.

A Node process reads what it is asked on the connection that its probe keeps. A Python process
keeps none: its probe looks for a file named after its pid in the folder ``ask``, takes it away and
does what stands in it. A file is never changed: the next one is written when it is gone, and what
nobody took in time is taken back, so that nothing runs whose asker was told that it did not.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from monit_agent.observe.loop import Loop
from monit_agent.observe.measures import printable
from monit_agent.observe.probewords import AnswerWords
from monit_agent.observe.trouble import say
from monit_agent.wire.messages import ActionResult, TriggerPart

LOOK_S = 0.05
"""How often the folder is looked at while something is waited for."""

ERRANDS = 64
"""Requests of clients that may be under way at once."""

WAITING = 64
"""Requests that may wait for one process."""


class Asked(NamedTuple):
    """A process that is to run an action; ``rt`` tells how it is reached."""

    instance: int
    pid: int
    rt: str


class TooManyError(Exception):
    """More is asked at once than is kept track of."""


class _Errand:
    """One client's request: who has not answered yet, by id, and what the others said."""

    def __init__(self, deadline: float, timeout_s: float) -> None:
        self.deadline = deadline
        self.timeout_s = timeout_s
        self.waiting: dict[str, Asked] = {}
        self.results: list[ActionResult] = []


class _Box:
    """The file of one Python process, and what waits until it is taken away."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: dict[str, bytes] = {}
        self.written: dict[str, bytes] = {}

    def push(self) -> None:
        """Write what waits, unless the last file still lies there."""
        if os.path.exists(self.path):
            return
        self.written = {}
        if self.lines:
            self._write(self.lines)
            self.written, self.lines = self.lines, {}

    def drop(self, number: str) -> bool:
        """Take a request back; False when the process has it already."""
        if self.lines.pop(number, None) is not None:
            return True
        if number not in self.written:
            return False
        back = self.path + ".back"
        try:
            os.rename(self.path, back)
        except FileNotFoundError:
            return False
        os.unlink(back)
        rest = {key: line for key, line in self.written.items() if key != number}
        self.lines = {**rest, **self.lines}
        self.push()
        return True

    def _write(self, lines: dict[str, bytes]) -> None:
        half = self.path + ".new"
        with open(half, "wb") as file:
            file.writelines(lines.values())
        os.rename(half, self.path)


class Asks:
    """Sends requests; ``send(pid, line)`` is the way to Node, ``folder`` the one to Python."""

    def __init__(self, loop: Loop, folder: str, send: Callable[[int, bytes], bool]) -> None:
        self._loop = loop
        self._folder = folder
        self._send = send
        self._errands: dict[int, tuple[_Errand, Callable[[TriggerPart], None]]] = {}
        self._boxes: dict[int, _Box] = {}
        self._next = 1
        self._looking = False
        self._tidy()

    def trigger(
        self, asked: Iterable[Asked], action: str, args: tuple[str, ...], timeout_s: float,
        then: Callable[[TriggerPart], None],
    ) -> None:  # fmt: skip
        """Have these processes run an action; ``then`` is called once, later. Raises `TooManyError`
        when it will not be."""
        if len(self._errands) >= ERRANDS:
            raise TooManyError(f"{ERRANDS} requests are under way already; try again later")
        errand = _Errand(time.monotonic() + timeout_s, timeout_s)
        for each in asked:
            # the agent's pid tells answers to an agent that was killed from those to this one
            number = f"{os.getpid()}.{self._next}"
            self._next += 1
            errand.waiting[number] = each
            words = {"ask": "action", "id": number, "name": action, "args": args}
            problem = self._ask(each, number, msgspec.json.encode(words) + b"\n")
            if problem:
                self._settle(errand, number, ok=False, value=problem)
        self._errands[self._next] = errand, then
        self._next += 1
        self._loop.after(0.0, self._look)

    def answered(self, pid: int, words: AnswerWords) -> None:
        """Take what process ``pid`` answers; only what it was asked counts."""
        for errand, _ in self._errands.values():
            asked = errand.waiting.get(words.id)
            if asked is not None and asked.pid == pid:
                self._settle(errand, words.id, ok=words.ok, value=words.value)
        self._finish()

    # ------------------------------------------------------------ the ways to a process

    def _ask(self, asked: Asked, number: str, line: bytes) -> str | None:
        """Send a request on its way; give what is wrong when it cannot be."""
        if asked.rt == "node":
            return None if self._send(asked.pid, line) else "its probe does not take requests"
        path = os.path.join(self._folder, str(asked.pid))
        box = self._boxes.setdefault(asked.pid, _Box(path))
        if len(box.lines) >= WAITING:
            return f"{WAITING} requests wait for it already"
        box.lines[number] = line
        return self._push(box, number)

    def _push(self, box: _Box, number: str) -> str | None:
        try:
            box.push()
        except OSError as error:
            box.lines.pop(number, None)
            return f"cannot write {box.path}: {error.strerror or error}"
        return None

    def _tidy(self) -> None:
        """Make the folder, and remove what another agent left in it."""
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            for name in os.listdir(self._folder):
                os.unlink(os.path.join(self._folder, name))
        except OSError as error:
            say(f"cannot prepare {self._folder}: {error}; no Python action can be triggered")

    # ------------------------------------------------------------ waiting

    def _look(self) -> None:
        """Give up what is over, write what waits; again soon while anything is under way."""
        now = time.monotonic()
        for errand, _ in list(self._errands.values()):
            late = now >= errand.deadline
            for number, asked in list(errand.waiting.items()):
                if not os.path.exists(f"/proc/{asked.pid}"):
                    self._take_back(number, asked.pid)  # another process may get its pid
                    self._settle(errand, number, ok=False, value="ended before it answered")
                elif late:
                    self._settle(errand, number, ok=False, value=self._silence(errand, number))
        self._finish()
        for pid, box in list(self._boxes.items()):
            with contextlib.suppress(OSError):  # a full disk: tried again until the time is over
                box.push()
            if not box.lines and not box.written:
                del self._boxes[pid]
        if self._errands and not self._looking:
            self._looking = True
            self._loop.after(LOOK_S, self._look_again)

    def _look_again(self) -> None:
        self._looking = False
        self._look()

    def _silence(self, errand: _Errand, number: str) -> str:
        asked = errand.waiting[number]
        within = f"no answer within {errand.timeout_s:g} s"
        if self._take_back(number, asked.pid):
            return f"{within}; the process never took the request, and it was taken back"
        return f"{within}; the action may still be running"

    def _take_back(self, number: str, pid: int) -> bool:
        """Take a request back that the process has not taken yet; False when it may have it."""
        box = self._boxes.get(pid)
        try:
            return box is not None and box.drop(number)
        except OSError as error:
            say(f"cannot take the request in {self._folder}/{pid} back: {error}")
            return False

    def _settle(self, errand: _Errand, number: str, *, ok: bool, value: str) -> None:
        asked = errand.waiting.pop(number)
        box = self._boxes.get(asked.pid)
        if box is not None:
            box.lines.pop(number, None)
        result = ActionResult(
            instance=asked.instance, pid=asked.pid, ok=ok, value=value if ok else printable(value)
        )
        errand.results.append(result)

    def _finish(self) -> None:
        """Answer the clients whose processes have all answered."""
        over = [number for number, (errand, _) in self._errands.items() if not errand.waiting]
        for number in over:
            errand, then = self._errands.pop(number)
            results = sorted(errand.results, key=lambda each: (each.instance, each.pid))
            then(TriggerPart(results=tuple(results)))
