"""The part of a process's event loop that belongs to one of its agents."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakSet

from monit_agent.agent.journal_errors import log_error, log_exception

_Handle = TypeVar("_Handle", bound=asyncio.Handle)
_Arguments = TypeVarTuple("_Arguments")


class AgentLoop(asyncio.AbstractEventLoop):
    """The event loop of the process as one of its agents uses it: what the agent has scheduled ends
    with it (`close`), and what its callbacks raise is written to its own log.

    Callbacks run in the context in which they were scheduled (`contextvars`), which is the agent's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.shared = loop
        """For what must outlive the agent."""
        self.cpu_s = 0.0
        """Time of a core that its callbacks have taken."""
        self._handles: WeakSet[asyncio.Handle] = WeakSet()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._readers: set[int] = set()
        self._writers: set[int] = set()
        self._is_closed = False

    def time(self) -> float:
        """Return the loop's monotonic time in seconds."""
        return self.shared.time()

    def call_soon(self, callback: Callable[..., object], *args: Any, **_: Any) -> asyncio.Handle:
        """Call back in the next turn of the loop."""
        return self._keep(self.shared.call_soon(self._call, callback, *args))

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, **_: Any
    ) -> asyncio.TimerHandle:
        """Call back after ``delay`` seconds."""
        return self._keep(self.shared.call_later(delay, self._call, callback, *args))

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, **_: Any
    ) -> asyncio.TimerHandle:
        """Call back at a time of this loop."""
        return self._keep(self.shared.call_at(when, self._call, callback, *args))

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, **_: Any
    ) -> asyncio.Handle:
        """Call back soon, from a thread; it is called also when the agent has ended meanwhile."""
        return self.shared.call_soon_threadsafe(self._call, callback, *args)

    def create_task(self, coro: Any, **_: Any) -> asyncio.Task[Any]:
        """Run a coroutine; what it raises is logged."""
        task = self.shared.create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)
        if self._is_closed:
            task.cancel()
        return task

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call back while a descriptor is readable."""
        self._readers.add(fd)
        self.shared.add_reader(fd, self._call, callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        """Stop that."""
        self._readers.discard(fd)
        return self.shared.remove_reader(fd)

    def add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call back while a descriptor is writable."""
        self._writers.add(fd)
        self.shared.add_writer(fd, self._call, callback, *args)

    def remove_writer(self, fd: Any) -> bool:
        """Stop that."""
        self._writers.discard(fd)
        return self.shared.remove_writer(fd)

    async def cancel_tasks(self, timeout_s: float) -> None:
        """Cancel all tasks, and wait until they have ended, but no longer than this."""
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def close(self) -> None:
        """End all that was scheduled; what is scheduled later never runs."""
        self._is_closed = True
        for handle in list(self._handles):
            handle.cancel()
        for fd in self._readers:
            self.shared.remove_reader(fd)
        for fd in self._writers:
            self.shared.remove_writer(fd)

    def _call(self, callback: Callable[[*_Arguments], object], *args: *_Arguments) -> None:
        """Call back; what that raises is logged here, in the context of the agent."""
        before = time.thread_time()
        try:
            callback(*args)
        except Exception:  # noqa: BLE001 (the border of one callback)
            log_exception("a callback failed")
        finally:
            self.cpu_s += time.thread_time() - before

    def _keep(self, handle: _Handle) -> _Handle:
        self._handles.add(handle)
        if self._is_closed:
            handle.cancel()
        return handle


def _log_failure(task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log_error("a task failed", error)


def reap_later(loop: asyncio.AbstractEventLoop, pid: int) -> None:
    """Reap a child when it exits, of which nobody wants to know any more. ``loop`` is that of the
    process."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:  # it is gone, or no descriptors are left: then a zombie stays
        return

    def reap() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)

    loop.add_reader(pidfd, reap)
