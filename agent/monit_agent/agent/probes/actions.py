"""Requests to processes that they run an action, until they have answered.

A Node process reads requests on the connection that its probe keeps. A Python process keeps
none: its probe looks for a file named after its pid in the folder ``requests``, removes it and
does what it contains. A file is never changed: the next one is written when it is gone, and what
was not taken in time is taken back, so that nothing runs after its client learned that it did
not.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from monit_agent.agent.journal import log
from monit_agent.agent.probes.app_metrics import printable
from monit_agent.agent.probes.reports import AnswerReport
from monit_agent.wire.messages import ActionResult, TriggerPart

POLL_S = 0.05
"""How often the folder is looked at while an answer is awaited."""

CALLS_MAX = 64
"""Requests of clients that may be under way at once."""

QUEUED_MAX = 64
"""Requests that may wait for one process."""


GONE = "exited before it answered"
"""The result of a process that is no longer there."""


class ActionTarget(NamedTuple):
    """A process that is to run an action; ``rt`` is its runtime, which decides how it is
    reached."""

    instance: int
    pid: int
    rt: str


class TooManyCallsError(Exception):
    """More is requested at once than is kept track of."""


class _ActionCall:
    """One client's request: who has not answered yet, by id, and what the others answered."""

    def __init__(self, deadline: float, timeout_s: float) -> None:
        self.deadline = deadline
        self.timeout_s = timeout_s
        self.waiting: dict[str, ActionTarget] = {}
        self.results: list[ActionResult] = []


class _RequestFile:
    """The file of one Python process, and what waits until it is taken away."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.queued: dict[str, bytes] = {}
        self.written: dict[str, bytes] = {}

    def write_queued(self) -> None:
        """Write what waits, unless the last file still lies there."""
        if os.path.exists(self.path):
            return
        self.written = {}
        if self.queued:
            self._write(self.queued)
            self.written, self.queued = self.queued, {}

    def take_back(self, number: str) -> bool:
        """Take a request back; False when the process has it already."""
        if self.queued.pop(number, None) is not None:
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
        self.queued = {**rest, **self.queued}
        self.write_queued()
        return True

    def _write(self, lines: dict[str, bytes]) -> None:
        partial = self.path + ".new"
        with open(partial, "wb") as file:
            file.writelines(lines.values())
        os.rename(partial, self.path)


class ActionCaller:
    """Sends requests: to Node by ``send(pid, line)``, to Python through ``folder``."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, folder: str, send: Callable[[int, bytes], bool]
    ) -> None:
        self._loop = loop
        self._folder = folder
        self._send = send
        self._calls: dict[int, tuple[_ActionCall, Callable[[TriggerPart], None]]] = {}
        self._files: dict[int, _RequestFile] = {}
        self._next_id = 1
        self._mark = os.urandom(4).hex()
        """Distinguishes answers to an earlier agent from those to this one."""
        self._is_polling = False
        self._prepare_folder()

    def call(
        self, targets: Iterable[ActionTarget], action: str, args: tuple[str | float, ...],
        timeout_s: float, answer: Callable[[TriggerPart], None], *, request: str = "action",
    ) -> None:  # fmt: skip
        """Have these processes run an action, or do another ``request``; ``answer`` is called once,
        later. Raises `TooManyCallsError` when it will not be."""
        if len(self._calls) >= CALLS_MAX:
            raise TooManyCallsError(f"{CALLS_MAX} requests are under way already; try again later")
        call = _ActionCall(self._loop.time() + timeout_s, timeout_s)
        for target in targets:
            number = f"{self._mark}.{self._next_id}"
            self._next_id += 1
            call.waiting[number] = target
            fields = {"request": request, "id": number, "name": action, "args": args}
            error = self._request(target, number, msgspec.json.encode(fields) + b"\n")
            if error:
                self._add_result(call, number, ok=False, value=error)
        self._calls[self._next_id] = call, answer
        self._next_id += 1
        self._loop.call_soon(self._update)

    def answer_received(self, pid: int, words: AnswerReport) -> None:
        """Note what process ``pid`` answers; only what it was requested to do counts."""
        for call, _ in self._calls.values():
            target = call.waiting.get(words.id)
            if target is not None and target.pid == pid:
                self._add_result(call, words.id, ok=words.ok, value=words.value)
        self._answer_clients()

    # ------------------------------------------------------------ the ways to a process

    def _request(self, target: ActionTarget, number: str, line: bytes) -> str | None:
        """Send a request; return what is wrong when it cannot be sent."""
        if target.rt == "node":
            return None if self._send(target.pid, line) else "its probe does not take requests"
        path = os.path.join(self._folder, str(target.pid))
        file = self._files.setdefault(target.pid, _RequestFile(path))
        if len(file.queued) >= QUEUED_MAX:
            return f"{QUEUED_MAX} requests wait for it already"
        file.queued[number] = line
        return self._write_queued(file, number)

    def _write_queued(self, file: _RequestFile, number: str) -> str | None:
        try:
            file.write_queued()
        except OSError as error:
            file.queued.pop(number, None)
            return f"cannot write {file.path}: {error.strerror or error}"
        return None

    def _prepare_folder(self) -> None:
        """Make the folder, and remove what another agent left in it."""
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            for name in os.listdir(self._folder):
                os.unlink(os.path.join(self._folder, name))
        except OSError as error:
            log(f"cannot prepare {self._folder}: {error}; no Python action can be triggered")

    # ------------------------------------------------------------ waiting

    def _update(self) -> None:
        """Give up what is late, write what waits; again soon while any request is open."""
        now = self._loop.time()
        for call, _ in list(self._calls.values()):
            late = now >= call.deadline
            for number, target in list(call.waiting.items()):
                if not os.path.exists(f"/proc/{target.pid}"):
                    self._take_back(number, target.pid)  # another process may get its pid
                    self._add_result(call, number, ok=False, value=GONE)
                elif late:
                    self._add_result(call, number, ok=False, value=self._timeout_text(call, number))
        self._answer_clients()
        for pid, file in list(self._files.items()):
            with contextlib.suppress(OSError):  # a full disk: tried again until the time is over
                file.write_queued()
            if not file.queued and not file.written:
                del self._files[pid]
        if self._calls and not self._is_polling:
            self._is_polling = True
            self._loop.call_later(POLL_S, self._poll)

    def _poll(self) -> None:
        self._is_polling = False
        self._update()

    def _timeout_text(self, call: _ActionCall, number: str) -> str:
        target = call.waiting[number]
        within = f"no answer within {call.timeout_s:g} s"
        if self._take_back(number, target.pid):
            return f"{within}; the process never took the request, and it was taken back"
        return f"{within}; the action may still be running"

    def _take_back(self, number: str, pid: int) -> bool:
        """Take back a request that the process has not taken yet; False when it may have it."""
        file = self._files.get(pid)
        try:
            return file is not None and file.take_back(number)
        except OSError as error:
            log(f"cannot take the request in {self._folder}/{pid} back: {error}")
            return False

    def _add_result(self, call: _ActionCall, number: str, *, ok: bool, value: str) -> None:
        target = call.waiting.pop(number)
        file = self._files.get(target.pid)
        if file is not None:
            file.queued.pop(number, None)
        result = ActionResult(
            instance=target.instance, pid=target.pid, ok=ok, value=value if ok else printable(value)
        )
        call.results.append(result)

    def _answer_clients(self) -> None:
        """Answer the clients whose processes have all answered."""
        over = [number for number, (call, _) in self._calls.items() if not call.waiting]
        for number in over:
            call, answer = self._calls.pop(number)
            results = sorted(call.results, key=lambda each: (each.instance, each.pid))
            answer(TriggerPart(results=tuple(results)))
