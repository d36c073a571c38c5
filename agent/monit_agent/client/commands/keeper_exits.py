"""Waiting for keepers to exit: an app of the same name can be started when its keeper has gone."""

import contextlib
import os
import select
import time
from collections.abc import Iterable

from monit_agent.client.view import AppView

EXIT_TIMEOUT_S = 10.0
"""A keeper that was told to delete its app exits within milliseconds."""


class KeeperExits:
    """Pid file descriptors of the keepers of some apps.

    They are opened before the keepers are asked to exit: a later process with the same pid is
    another process.
    """

    def __init__(self, apps: Iterable[AppView]) -> None:
        self._open: list[int] = []
        for app in apps:
            pid = app.record.keeper_pid if app.record and app.keeper_alive else None
            if pid is not None:
                with contextlib.suppress(OSError):  # it exited already
                    self._open.append(os.pidfd_open(pid))

    def have_exited(self) -> bool:
        """Return whether all of them have exited."""
        return self._have_exited_by(time.monotonic())

    def wait(self) -> bool:
        """Wait until all of them have exited; return False when that takes too long."""
        return self._have_exited_by(time.monotonic() + EXIT_TIMEOUT_S)

    def _have_exited_by(self, until: float) -> bool:
        for keeper in self._open:
            poller = select.poll()
            poller.register(keeper, select.POLLIN)
            if not poller.poll(max(0.0, until - time.monotonic()) * 1000):
                return False
        return True

    def close(self) -> None:
        """Close the descriptors."""
        while self._open:
            os.close(self._open.pop())
