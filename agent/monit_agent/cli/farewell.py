"""Waiting for the end of keepers: only then are the files of a deleted app really gone."""

import contextlib
import os
import select
import time
from collections.abc import Iterable

from monit_agent.client.view import AppView

PATIENCE_S = 10.0


class Keepers:
    """The keepers of some apps, held by the kernel's own name for a process.

    Taken before they are told to go, so that no later process with the same pid is meant.
    """

    def __init__(self, apps: Iterable[AppView]) -> None:
        self._open: list[int] = []
        for app in apps:
            pid = app.record.keeper_pid if app.record and app.keeper_alive else None
            if pid is not None:
                with contextlib.suppress(OSError):  # gone already
                    self._open.append(os.pidfd_open(pid))

    def await_end(self) -> bool:
        """Wait until all of them have ended; False when that takes too long."""
        until = time.monotonic() + PATIENCE_S
        for keeper in self._open:
            poller = select.poll()
            poller.register(keeper, select.POLLIN)
            if not poller.poll(max(0.0, until - time.monotonic()) * 1000):
                return False
        return True

    def close(self) -> None:
        """Let go of them."""
        while self._open:
            os.close(self._open.pop())
