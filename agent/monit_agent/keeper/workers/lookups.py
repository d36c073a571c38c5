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
"""How long an answer counts that came late. Whoever waits for it requests it at once, and again
with each of the other questions that the same start has."""

USED_S = 1.0
"""How long one counts after a start that used it: for the other instances of the app, and not for
a person who has edited a file since."""

MOST_KEPT = 64
"""Answers that are kept. A start has one for its user, one for its folder, one for its program and
one for each env file, which has at most a megabyte."""


class UnansweredError(OSError):
    """There is no answer yet; ``strerror`` says what is waited for."""

    def __init__(self, what: str, waited_s: float) -> None:
        super().__init__(errno.EAGAIN, f"waiting for {what} ({waited_s:.0f} s)")


class _Lookup:
    """A question that is being answered."""

    __slots__ = ("answer", "fd", "pid", "question", "since", "what")

    def __init__(self, what: str, question: object, pid: int, fd: int) -> None:
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
    value: Any
    """A list of what was returned, or the text of what was raised."""
    until: float


class Lookups:
    """The questions of one app. ``excluded`` are children of the keeper that belong to no worker;
    ``answered()`` is called when an answer has come that was not there in time."""

    def __init__(self, loop: Loop, excluded: set[int], answered: Callable[[], None]) -> None:
        self._loop = loop
        self._excluded = excluded
        self._answered = answered
        self._asked: dict[str, _Lookup] = {}
        self._answers: dict[tuple[str, object], _Answer] = {}
        self._noted = ""

    def look_up(
        self, what: str, question: object, look: Callable[[], Any], wait_s: float = START_WAIT_S
    ) -> Any:
        """Return what ``look()`` returns in another process, as JSON-able values.

        Args:
            what: who is asked, for people; there is one question to each at a time.
            question: what is asked, hashable: an answer to another question does not count.
            look: may block for ever.
            wait_s: how long to wait for an answer to a question that was not asked before.

        Raises:
            UnansweredError: there is no answer yet.
            OSError: ``look`` raised something, which ``strerror`` says, or there can be no process.
        """
        self._drop_old_answers()
        known = self._answers.get((what, question))
        if known is not None:
            if isinstance(known.value, str):
                del self._answers[what, question]
            return _returned(known.value)
        lookup = self._asked.get(what)
        if lookup is not None:
            raise UnansweredError(what, lookup.waited_s())
        lookup = self._ask(what, question, look)
        raw = self._read(lookup, wait_s)
        if raw is None:
            self._loop.watch(lookup.fd, lambda _events: self._read_late(lookup))
            raise UnansweredError(what, lookup.waited_s())
        return _returned(self._value_of(raw, what))

    def used(self) -> None:
        """Let the answers that are kept count for a moment only: a start has used them."""
        until = time.monotonic() + USED_S
        for key, answer in self._answers.items():
            self._answers[key] = answer._replace(until=min(answer.until, until))

    def asking(self, wait_s: float) -> Callable[[str, object, Callable[[], Any]], Any]:
        """Return `look_up` with this ``wait_s``."""
        return lambda what, question, look: self.look_up(what, question, look, wait_s)

    def child_exited(self, pid: int) -> None:
        """Forget a process that has exited."""
        self._excluded.discard(pid)

    def _drop_old_answers(self) -> None:
        if self._answers:
            moment = time.monotonic()
            kept = [(key, one) for key, one in self._answers.items() if moment < one.until]
            self._answers = dict(kept[-MOST_KEPT:])

    def _ask(self, what: str, question: object, look: Callable[[], Any]) -> _Lookup:
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
        """Return all that was answered, and None while more may come."""
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
        note(f"waited {lookup.waited_s():.1f} s for {lookup.what}")
        answer = _Answer(self._value_of(raw, lookup.what), time.monotonic() + KEPT_S)
        self._answers[lookup.what, lookup.question] = answer
        self._answered()

    def _value_of(self, raw: bytes, what: str) -> Any:
        """Return a list of what was returned, or the text of what was raised, which is noted."""
        try:
            value = jsonline.load(raw)
        except (ValueError, RecursionError):
            value = "the process that asks was killed"
        if not isinstance(value, str):
            return value
        text = f"no answer from {what}: {value}"
        if text != self._noted:  # a start that fails is tried every two seconds
            self._noted = text
            note(text)
        return text


def _returned(value: Any) -> Any:
    if isinstance(value, str):
        raise OSError(errno.EIO, value)
    return value[0]


def _answer_of(look: Callable[[], Any]) -> bytes:
    try:
        return jsonline.dump([look()])
    except Exception as error:  # noqa: BLE001  border: the keeper notes it
        return jsonline.dump(f"{type(error).__name__}: {error}")


def _answer(look: Callable[[], Any], write_fd: int, keeper: int) -> NoReturn:
    """Be the process that asks, and exit; it dies with its keeper."""
    try:
        close_all_but({write_fd})
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        kernel_calls.die_with_parent()
        raw = _answer_of(look) if os.getppid() == keeper else b""
        while raw:
            raw = raw[os.write(write_fd, raw) :]
    finally:
        os._exit(0)
