"""The streams whose files cannot be written at present."""

import time
from collections.abc import Callable

from monit_agent.keeper.logs.pipe import RETRY_S, LogPipe
from monit_agent.keeper.loop import Loop

Key = tuple[int, str]


class FailingLogs:
    """Retries their files, also when nothing is printed. ``retried(key, pipe, problem)`` is called
    after each attempt, with the problem that there was before it."""

    def __init__(self, loop: Loop, retried: Callable[[Key, LogPipe, str | None], None]) -> None:
        self._loop = loop
        self._retried = retried
        self._pipes: dict[Key, LogPipe] = {}

    def problem(self) -> str | None:
        """Return why some log is not written at present; None when all are."""
        for _, pipe in sorted(self._pipes.items(), key=lambda item: item[0]):
            if pipe.problem is not None:
                what = "its lines are dropped" if pipe.drops else "its lines wait in the pipe"
                return f"cannot write {pipe.file.target}: {pipe.problem}; {what}"
        return None

    def note(self, key: Key, pipe: LogPipe) -> None:
        """Note whether a stream has a problem."""
        if pipe.problem is None:
            self.forget(key)
            return
        self._pipes[key] = pipe
        if not self._loop.has_alarm("log retry"):
            self._loop.set_alarm("log retry", time.monotonic() + RETRY_S, self._retry)

    def forget(self, key: Key) -> None:
        """Forget a stream that is closed."""
        self._pipes.pop(key, None)

    def _retry(self) -> None:
        for key, pipe in list(self._pipes.items()):
            before = pipe.problem
            pipe.retry(time.monotonic())
            self._retried(key, pipe, before)
