"""Asks who a user is, without waiting for a directory server that does not answer.

The lookups block where the C library says, and all apps of a home may share this process. So one
thread makes them, one after the other; who asks waits for a moment, and then does without.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

WAIT_S = 0.25
"""A directory server on the same network answers in 20 ms."""

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
            question = self._asked[key] = _Question(look)
            self._add(question)
            # behind another one that gets no answer, this one gets none either
            question.is_answered.wait(0.0 if len(self._asked) > 1 else WAIT_S)
        if not question.is_answered.is_set():
            raise NoAnswerError
        del self._asked[key]
        if question.error is not None:
            raise question.error
        return question.value

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
