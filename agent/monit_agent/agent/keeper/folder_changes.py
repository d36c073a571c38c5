"""Notices that something in an app's folder came or went, without a look at each file.

A folder's own time changes when a name in it is added, removed or replaced, and with its owner and
mode. To read it takes one call a second, where the files of agent and keeper take fifteen.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable

from monit_agent.system.claim import claim_address

SETTLES_S = 2.0
"""For so long after a change the folder may change again at the same time: the kernel's clock for
files moves by some milliseconds, and that of a file server by seconds."""

SELDOM_S = 10.0
"""Without a change, the files are looked at this often all the same: some file systems keep no
such time."""


class FolderChanges:
    """The changes of one folder; ``clock`` is monotonic."""

    def __init__(self, folder: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._seen: tuple[int, ...] | None = None
        self._settled_at = 0.0
        self._looked_at = 0.0

    def may_have_changed(self) -> bool:
        """Return whether to look at the files in the folder now."""
        found, now = _identity(self._folder), self._clock()
        if found is None or found != self._seen:
            self._seen, self._settled_at = found, now + SETTLES_S
        if now >= self._settled_at and now < self._looked_at + SELDOM_S:
            return False
        self._looked_at = now
        return True

    def look_again(self) -> None:
        """Let the next look be at the files too: not all could be put right."""
        self._seen = None


def _identity(folder: str) -> tuple[int, ...] | None:
    """Return what differs when a name in the folder changed, or it is another folder."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def knock(folder: str) -> None:
    """Have the app's keeper look after its folder now."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        with contextlib.suppress(OSError):  # nobody listens
            sock.connect(claim_address(folder))
