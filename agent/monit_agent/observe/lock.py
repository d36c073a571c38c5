"""One agent per app: ``flock`` on ``agent.lock``, before anything is bound."""

import fcntl
import os


class AgentLock:
    """The lock at ``path``; it is let go of when the process ends, however it ends."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._held: int | None = None

    def take(self) -> bool:
        """Take the lock; False when another process holds it. FileNotFoundError without folder."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._held = descriptor
            if self.in_place():
                return True
            os.close(descriptor)  # deleted between open and flock: it locks nothing

    def in_place(self) -> bool:
        """Say whether the file that is locked is still the one that others would lock."""
        if self._held is None:
            return False
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._held))
        except OSError:
            return False
