"""Notices that wait for one hook: bounded, and kept on disk for the next agent. Pure but for that.

A notice leaves the file before it is handed to the hook: an agent that is killed then sends it at
most once, and one that waits is not lost.
"""

import json
from collections import deque
from typing import Any, NamedTuple

from monit_agent.agent.alerts.notices import Notice
from monit_agent.agent.journal import log
from monit_agent.system.files.own_file import read_own_file
from monit_agent.system.files.replaced_file import replace_file
from monit_agent.wire.codec import encode_json
from monit_agent.wire.limits import NOTICES

VERSION = 1

_WRONG = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""The file may hold anything."""


class Waiting(NamedTuple):
    """A notice, and how often it was tried."""

    notice: Notice
    tries: int = 0


class NoticeQueues:
    """The queues of an app's hooks, by the name of the hook."""

    def __init__(self, path: str, hooks: tuple[str, ...]) -> None:
        self._path = path
        self.queues: dict[str, deque[Waiting]] = {hook: deque() for hook in hooks}
        self.dropped = dict.fromkeys(hooks, 0)
        self.event_at = 0.0
        """Wall time of the last event of which there was a notice."""
        self._load()

    def add(self, hook: str, notice: Notice) -> None:
        """Append a notice; drop the oldest one where there is no room."""
        queue = self.queues[hook]
        if len(queue) >= NOTICES:
            queue.popleft()
            self.dropped[hook] += 1
        queue.append(Waiting(notice))
        self._save()

    def take(self, hook: str) -> Waiting | None:
        """Return the next one, which is not kept any more; None when nothing waits."""
        queue = self.queues[hook]
        if not queue:
            return None
        waiting = queue.popleft()
        self._save()
        return waiting

    def put_back(self, hook: str, waiting: Waiting) -> None:
        """Let a notice that was tried be the next one again."""
        self.queues[hook].appendleft(waiting)
        self._save()

    def clear(self, hook: str) -> None:
        """Forget what waits for a hook that is not named any more."""
        if self.queues[hook]:
            self.queues[hook].clear()
            self._save()

    def _save(self) -> None:
        plain: dict[str, Any] = {
            "version": VERSION,
            "event_at": self.event_at,
            "waiting": {hook: [list(each) for each in q] for hook, q in self.queues.items()},
        }
        try:
            replace_file(self._path, encode_json(plain), sync=False)
        except OSError as error:
            log(f"cannot write {self._path}: {error.strerror}")

    def _load(self) -> None:
        try:
            plain: Any = json.loads(read_own_file(self._path))
            if plain["version"] != VERSION:
                return
            self.event_at = float(plain["event_at"])
            for hook, queue in self.queues.items():
                queue.extend(_read_waiting(plain["waiting"].get(hook, [])))
        except FileNotFoundError:
            return
        except (OSError, *_WRONG) as error:
            log(f"{self._path} cannot be read, and no notice waits: {error}")


def _read_waiting(plain: list[Any]) -> list[Waiting]:
    return [
        Waiting(notice, int(tries))
        for notice, tries in plain[-NOTICES:]
        if isinstance(notice, dict)
    ]
