"""Asks who a user is, without waiting for a directory server that does not answer.

The lookups block where the C library says, and all apps of a home may share this process. So one
thread makes them, one after the other; who asks waits for a moment, and then does without.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

WAIT_S = 0.25
"""A directory server on the same network answers in 20 ms."""

KEPT_S = 60.0
"""How long an answer is kept that nobody has requested again. Who still needs it asks with each
check and each sample, which are seconds apart."""

_T = TypeVar("_T")


class NoAnswerError(Exception):
    """There is no answer yet; the text is for people."""

    def __init__(self) -> None:
        super().__init__("the user database does not answer")


class _Question:
    def __init__(self, look: Callable[[], Any]) -> None:
        self.look = look
        self.is_answered = threading.Event()
        self.value: Any = None
        self.error: Exception | None = None
        self.asked_at = time.monotonic()


class UserDatabase:
    """The questions of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[object, _Question] = {}
        self._waiting: deque[_Question] = deque()
        self._thread_runs = False

    def ask(self, key: object, look: Callable[[], _T]) -> _T:
        """Return what ``look()`` returns or raise what it raises; raise `NoAnswerError` where it
        takes too long. ``key`` names the question, so that its answer can be had later."""
        question = self._asked.get(key)
        if question is None:
            self._drop_old()
            # behind another one that gets no answer, this one gets none either
            first = all(each.is_answered.is_set() for each in self._asked.values())
            question = self._asked[key] = _Question(look)
            self._add(question)
            question.is_answered.wait(WAIT_S if first else 0.0)
        if not question.is_answered.is_set():
            raise NoAnswerError
        del self._asked[key]
        if question.error is not None:
            raise question.error
        return question.value

    def _drop_old(self) -> None:
        """Drop the answers that nobody needs any more."""
        before = time.monotonic() - KEPT_S
        self._asked = {
            key: each
            for key, each in self._asked.items()
            if each.asked_at > before or not each.is_answered.is_set()
        }

    def _add(self, question: _Question) -> None:
        with self._lock:
            self._waiting.append(question)
            if self._thread_runs:
                return
            self._thread_runs = True
        threading.Thread(target=self._answer_all, name="users", daemon=True).start()

    def _answer_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread_runs = False
                    return
                question = self._waiting.popleft()
            try:
                question.value = question.look()
            except (KeyError, OSError, ValueError) as error:
                question.error = error
            question.is_answered.set()


USERS = UserDatabase()
"""That of this process."""
