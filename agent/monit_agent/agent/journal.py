"""Writes the log of an agent, ``agent.log``: one line after another.

Agents that share a process have a log each. Which one a line belongs to is the context's: every
callback, task and thread of an agent runs in a context with the agent's journal. What belongs to no
agent goes to standard error.

Not the ``logging`` package, which asyncio brings along: there is one level, and the file must be
cut when it grows.
"""

import os
import time
from contextvars import ContextVar

from monit_agent.os_text import escape_bytes
from monit_agent.system.files.ownership import require_own_folder
from monit_agent.system.suppress import suppress

_STDERR = 2

LOG_BYTES = 1024 * 1024
"""A log file longer than this is emptied: an error that repeats must not fill the disk."""


class Journal:
    """One log: the file at ``path``, opened with the first line; without one, standard error."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._fd = _STDERR if path is None else -1
        self._lost = 0

    def write(self, text: str) -> None:
        """Write ``text`` as one line after the wall clock's date and time.

        Where that is impossible (a full disk), the line is dropped, and the next one that can be
        written is preceded by how many were.
        """
        fd = self.fileno()
        with suppress(OSError, ValueError):  # no descriptor, or none that has a size
            if os.fstat(fd).st_size > LOG_BYTES:
                os.ftruncate(fd, 0)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        lost = f"{stamp} {self._lost} lines could not be written\n" if self._lost else ""
        line = f"{lost}{stamp} {escape_bytes(text)}\n".encode()
        try:
            # not by `sys.stderr`, which keeps what it could not write and fails again with it
            whole = os.write(fd, line) == len(line)
        except OSError:
            whole = False
        self._lost = 0 if whole else self._lost + 1

    def fileno(self) -> int:
        """Return the descriptor of the log, -1 while it cannot be opened."""
        if self._fd < 0 and self._path is not None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            with suppress(OSError):
                require_own_folder(os.path.dirname(self._path))
                self._fd = os.open(self._path, flags, 0o600)
        return self._fd

    def close(self) -> None:
        """Close the file."""
        if self._path is not None and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


_process = Journal()
_journal: ContextVar[Journal] = ContextVar("journal")


def use_journal(journal: Journal) -> None:
    """Let `log` write to this journal, in the present context and all that come from it."""
    _journal.set(journal)


def log(text: str) -> None:
    """Write ``text`` as one line."""
    _journal.get(_process).write(text)


def log_descriptor() -> int | None:
    """Return where a program that the agent starts may print to; None while nothing is open."""
    fd = _journal.get(_process).fileno()
    return fd if fd >= 0 else None
