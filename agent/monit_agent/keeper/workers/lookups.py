"""Questions that may never be answered: who a user is (a directory server), and what is in a file
system of another machine.

Each is asked in a process of its own, so that only the worker that needs the answer waits. That
process may hang in the kernel for as long as the other side is silent, and not even SIGKILL ends it
then. So there is at most one for each question, it holds nothing of the keeper's, and whoever
asks the same meanwhile waits for its answer.
"""

import errno
import os
import select
import signal
import time
from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.spawn import close_all_but
from monit_agent.system import jsonline, kernel_calls
from monit_agent.system.memory.shortage import with_spare
from monit_agent.typed import Any, NamedTuple, NoReturn

START_WAIT_S = 0.25
"""How long the keeper waits for an answer where a worker can be started later. A directory server
on the same network answers in 20 ms, and a fork takes 2 ms."""

REQUEST_WAIT_S = 2.0
"""The same where a request fails without the answer; the next one does not wait for the same."""

_READ_BYTES = 65536

KEPT_S = 10.0
"""How long an answer counts that came late. Whoever waits for it requests it at once."""


class UnansweredError(OSError):
    """There is no answer yet; ``strerror`` says what is waited for."""

    def __init__(self, what: str, waited_s: float) -> None:
        super().__init__(errno.EAGAIN, f"waiting for {what} ({waited_s:.0f} s)")


class _Lookup:
    """A question that is being answered."""

    __slots__ = ("answer", "fd", "pid", "question", "since", "what")

    def __init__(self, what: str, question: Any, pid: int, fd: int) -> None:
        self.what = what
        self.question = question
        self.pid = pid
        self.fd = fd
        self.since = time.monotonic()
        self.answer = bytearray()

    def waited_s(self) -> float:
        """Return how long there is no answer."""
        return time.monotonic() - self.since


class _Answer(NamedTuple):
    question: Any
    raw: bytes
    until: float


class Lookups:
    """The questions of one app. ``excluded`` are children of the keeper that belong to no worker;
    ``answered()`` is called when an answer has come that was not there in time."""

    def __init__(self, loop: Loop, excluded: set[int], answered: Callable[[], None]) -> None:
        self._loop = loop
        self._excluded = excluded
        self._answered = answered
        self._asked: dict[str, _Lookup] = {}
        self._answers: dict[str, _Answer] = {}

    def look_up(
        self, what: str, question: Any, look: Callable[[], Any], wait_s: float = START_WAIT_S
    ) -> Any:
        """Return what ``look()`` returns in another process, as JSON-able values.

        Args:
            what: who is asked, for people; there is one question to each at a time.
            question: what is asked: an answer to another question does not count.
            look: must not raise; it may block for ever.
            wait_s: how long to wait for an answer to a question that was not asked before.

        Raises:
            UnansweredError: there is no answer yet.
            OSError: there can be no process.
        """
        known = self._answers.pop(what, None)
        if known is not None and known.question == question and time.monotonic() < known.until:
            return jsonline.load(known.raw)
        lookup = self._asked.get(what)
        if lookup is not None:
            raise UnansweredError(what, lookup.waited_s())
        lookup = self._ask(what, question, look)
        raw = self._read(lookup, wait_s)
        if raw:
            return jsonline.load(raw)
        if raw is None:
            self._loop.watch(lookup.fd, lambda _events: self._read_late(lookup))
        raise UnansweredError(what, lookup.waited_s())

    def asking(self, wait_s: float) -> Callable[[str, Any, Callable[[], Any]], Any]:
        """Return `look_up` with this ``wait_s``."""
        return lambda what, question, look: self.look_up(what, question, look, wait_s)

    def child_exited(self, pid: int) -> None:
        """Forget a process that has exited."""
        self._excluded.discard(pid)

    def _ask(self, what: str, question: Any, look: Callable[[], Any]) -> _Lookup:
        fd, write_fd = with_spare(os.pipe)
        keeper = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
        except OSError:
            os.close(fd)
            os.close(write_fd)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise
        if pid == 0:
            _answer(look, write_fd, keeper)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(write_fd)
        os.set_blocking(fd, False)
        self._excluded.add(pid)
        lookup = self._asked[what] = _Lookup(what, question, pid, fd)
        return lookup

    def _read(self, lookup: _Lookup, wait_s: float) -> bytes | None:
        """Return the answer, b"" if there will be none, and None if it has not come."""
        end = time.monotonic() + wait_s
        while True:
            try:
                part = os.read(lookup.fd, _READ_BYTES)
            except BlockingIOError:
                left_s = end - time.monotonic()
                if left_s <= 0:
                    return None
                poll = select.poll()
                poll.register(lookup.fd, select.POLLIN)
                poll.poll(left_s * 1000)
                continue
            if not part:
                del self._asked[lookup.what]
                self._loop.unwatch(lookup.fd)
                os.close(lookup.fd)
                return bytes(lookup.answer)
            lookup.answer += part

    def _read_late(self, lookup: _Lookup) -> None:
        raw = self._read(lookup, 0.0)
        if raw is None:
            return
        if raw:
            note(f"waited {lookup.waited_s():.1f} s for {lookup.what}")
            until = time.monotonic() + KEPT_S
            self._answers[lookup.what] = _Answer(lookup.question, raw, until)
        self._answered()


def _answer(look: Callable[[], Any], write_fd: int, keeper: int) -> NoReturn:
    """Be the process that asks, and exit; it dies with its keeper."""
    try:
        close_all_but({write_fd})
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        kernel_calls.die_with_parent()
        raw = jsonline.dump(look()) if os.getppid() == keeper else b""
        while raw:
            raw = raw[os.write(write_fd, raw) :]
    finally:
        os._exit(0)
