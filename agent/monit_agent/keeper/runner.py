"""The foreground process (``monit run``) for which an app runs: when it is gone, so is the app.

It is known by pid and start time, so that the next keeper knows it too.
"""

import os
import time
from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.keeper.loop import Loop
from monit_agent.system import procfs
from monit_agent.typed import Any, NamedTuple

RETRY_S = 2.0
"""A pidfd that cannot be opened is tried again: there may be no descriptor left."""


class Runner(NamedTuple):
    """A process, identified so that another one with the same pid is not taken for it."""

    pid: int
    ticks: int


def runner_from_json(plain: Any) -> Runner | None:
    """Return the runner of a list of two numbers; None where there is none. Raise ValueError."""
    if plain is None:
        return None
    pid, ticks = plain
    return Runner(int(pid), int(ticks))


def is_running(runner: Runner) -> bool:
    """Return whether this very process runs."""
    stat = procfs.process_stat(runner.pid)
    return stat is not None and stat.start_ticks == runner.ticks and not stat.exited


class RunnerWatch:
    """Calls ``gone()`` once when the runner has exited, however that happened."""

    def __init__(self, loop: Loop, runner: Runner, gone: Callable[[], None]) -> None:
        self._loop = loop
        self._runner = runner
        self._gone = gone
        self._pidfd = -1

    def start(self) -> None:
        """Watch, or call at once."""
        try:
            self._pidfd = os.pidfd_open(self._runner.pid)
        except ProcessLookupError:
            self._report()
            return
        except OSError as error:
            note(f"cannot watch monit run, pid {self._runner.pid}: {error.strerror}")
            self._loop.set_alarm("runner", time.monotonic() + RETRY_S, self.start)
            return
        # after the open: the pid cannot be reused unnoticed any more
        if is_running(self._runner):
            self._loop.watch(self._pidfd, lambda _events: self._report())
        else:
            self._report()

    def _report(self) -> None:
        if self._pidfd >= 0:
            self._loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._gone()
