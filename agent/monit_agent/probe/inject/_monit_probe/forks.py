# pyright: basic
"""Forks of the program: the probe's thread must not run meanwhile, and runs again afterwards."""

import os
import sys

from _monit_probe.basics import allocate_lock, quiet


class Forks:
    """Stops the probe's thread before each fork and starts it again in both processes.

    A thread that runs while the process forks would be lost in the child, with all locks that it
    held; and Python 3.12 and later warn of threads at a fork.
    """

    def __init__(self, probe):
        self._probe = probe
        self._under_way = []
        self._starting = allocate_lock()

    def install(self):
        """Have the methods below called at each fork."""
        if (3, 13) <= sys.version_info < (3, 15):
            # these count the threads after the hooks were called (CPython issue 137109)
            os.register_at_fork(after_in_child=quiet(self._in_child))
            os.fork = self._around(os.fork)
            os.forkpty = self._around(os.forkpty)
        else:
            os.register_at_fork(
                before=quiet(self._before),
                after_in_parent=quiet(self._in_parent),
                after_in_child=quiet(self._in_child),
            )

    def _before(self):
        self._under_way.append(1)
        # waits for an import of ctypes that is under way: its lock would stay locked in the child
        self._probe.stop(1.0)

    def _in_parent(self):
        """Start the thread again, unless another thread of the program forks at this moment."""
        if self._under_way:
            self._under_way.pop()
        # in a loop, because what one thread does here another may undo
        while (
            not self._under_way and not self._probe.is_running() and self._starting.acquire(False)
        ):
            try:
                if not self._probe.is_running():
                    self._probe.start()
                if self._under_way:
                    self._probe.stop(1.0)  # another fork began since, and found no thread to stop
            finally:
                self._starting.release()

    def _in_child(self):
        del self._under_way[:]
        self._starting = allocate_lock()
        self._probe.begin_in_child()

    def _around(self, original):
        """Return ``original`` (os.fork, os.forkpty), with `_before` and `_in_parent` around it."""

        def fork(*arguments):
            quiet(self._before)()
            try:
                return original(*arguments)
            finally:
                if os.getpid() == self._probe.pid:
                    quiet(self._in_parent)()

        fork.__name__ = fork.__qualname__ = original.__name__
        fork.__doc__ = original.__doc__
        return fork
