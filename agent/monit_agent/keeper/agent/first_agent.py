"""Keepers of a home that start at the same time: one agent is started, the others join it.

Twenty agents that are started by themselves, because there is no zygote yet, take 2 s of CPU for
the same modules. So one keeper holds a lock while its agent starts, and those that find it held
look for the zygote again meanwhile. Nothing depends on it: after a while they start their agents
themselves.
"""

import os
import time

from monit_agent.system.files.file_lock import lock_file
from monit_agent.system.files.ownership import require_own_folder

AGAIN_S = 0.05
"""Next look for the zygote; nothing else happens in a keeper that has just started."""
FIRST_S = 3.0
"""How long a keeper without an agent waits for that of another one: imports take a tenth of a
second, and more on a busy machine."""
SERVED_S = 0.3
"""The same where an agent was killed, which must be back within a second."""


class FirstAgent:
    """The turn of one keeper to start an agent by itself."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = -1
        self._since: float | None = None

    def must_wait(self, *, served: bool) -> bool:
        """Return whether another keeper is starting an agent, so that a zygote will be there soon;
        else this keeper holds the lock until `release`."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if self._lock >= 0 or now - self._since > (SERVED_S if served else FIRST_S):
            return False
        try:
            require_own_folder(os.path.dirname(self._path))
            self._lock = lock_file(self._path)
        except BlockingIOError:
            return True
        except OSError:  # nothing can be written, or the home is gone or another user's
            return False
        return False

    def release(self) -> None:
        """Let the next one start an agent: ours is there, or will not be."""
        self._since = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
