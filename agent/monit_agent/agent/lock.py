"""One agent per app: ``flock`` on ``agent.lock``, before anything is bound."""

import os

from monit_agent.system.files.file_lock import is_file_at, lock_file
from monit_agent.system.files.ownership import require_own_folder


class AgentLock:
    """The lock at ``path``; it is released at the latest when the process exits."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._held: int | None = None

    def acquire(self) -> bool:
        """Acquire the lock; False when another process holds it.

        Raises FileNotFoundError without the folder, PermissionError in one of another user.
        """
        require_own_folder(os.path.dirname(self._path))
        try:
            self._held = lock_file(self._path)
        except BlockingIOError:
            return False
        return True

    def acquire_again(self) -> bool:
        """Acquire the lock file that took the place of ours; False when another process holds it.

        Raises FileNotFoundError without the folder.
        """
        old = self._held
        if not self.acquire():
            return False
        if old is not None:
            os.close(old)
        return True

    def release(self) -> None:
        """Let another agent have the lock."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def is_in_place(self) -> bool:
        """Return whether the file that is locked is still the one that others would lock."""
        return self._held is not None and is_file_at(self._held, self._path)
