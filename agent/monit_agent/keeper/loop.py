"""The keeper's event loop: descriptors, signals and deadlines. Nothing polls."""

import os
import select
import signal
import sys
import time
from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.system.error_text import describe_error
from monit_agent.system.memory.memory_reserve import MemoryReserve

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
_FAULT_PAUSE_S = 0.05
"""Pause after an error, so that one that repeats at once cannot use a whole core."""


_RETRY_S = 0.5
"""After this, what there was no memory for is tried again."""


class Loop:
    """Calls functions when a descriptor is ready, a signal arrives or a time is reached.

    ``log`` gets a line for each error in one of them.
    """

    def __init__(self, log: Callable[[str], None] = note) -> None:
        self._log = log
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[int], None]] = {}
        self._alarms: dict[str, tuple[float, Callable[[], None]]] = {}
        self._signals: dict[int, Callable[[], None]] = {}
        self._afterwards: list[Callable[[], None]] = []
        self._arrived: set[int] = set()
        """Signals that were not handled yet."""
        self.memory = MemoryReserve()
        self._running = True
        self._wakeup, writer = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.watch(self._wakeup, self._handle_signals)

    def watch(self, fd: int, call: Callable[[int], None], mask: int = READ) -> None:
        """Call ``call(events)`` whenever ``fd`` is ready for ``mask``."""
        if fd in self._readers:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._readers[fd] = call

    def unwatch(self, fd: int) -> None:
        """Stop watching ``fd``; call before closing it."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def on_signal(self, number: int, call: Callable[[], None]) -> None:
        """Call ``call`` after the signal arrived (once for several of the same)."""
        self._signals[number] = call
        signal.signal(number, _nothing)

    def set_alarm(self, name: str, mono: float | None, call: Callable[[], None]) -> None:
        """Call ``call`` at monotonic second ``mono``; None cancels the alarm ``name``. It
        replaces an alarm of the same name."""
        if mono is None:
            self._alarms.pop(name, None)
        else:
            self._alarms[name] = (mono, call)

    def has_alarm(self, name: str) -> bool:
        """Return whether an alarm of that name is set."""
        return name in self._alarms

    def at_round_end(self, call: Callable[[], None]) -> None:
        """Call ``call`` at the end of every round."""
        self._afterwards.append(call)

    def stop(self) -> None:
        """Let `run` return after this round."""
        self._running = False

    def run(self) -> None:
        """Run until `stop`."""
        while self._running:
            ready = self._epoll.poll(self._timeout())
            self.memory.look()
            for fd, events in ready:
                call = self._readers.get(fd)  # an earlier call of this round may have removed it
                if call is not None:
                    self._guarded(call, events)
            self._run_due_alarms()
            for after in self._afterwards:
                self._guarded(after)

    def _guarded(self, call: Callable[..., None], *args: int) -> bool:
        """Call; an error is logged, and the keeper keeps running. Return False if it must be done
        again: there was no memory for it."""
        try:
            call(*args)
        except MemoryError:
            self._log(f"no memory, so this is tried again: {describe_error(sys.exception())}")
            time.sleep(_FAULT_PAUSE_S)
            return False
        except Exception:  # noqa: BLE001  the border of the whole process
            self._log(f"an internal error; it keeps running: {describe_error(sys.exception())}")
            time.sleep(_FAULT_PAUSE_S)
        return True

    def _timeout(self) -> float:
        if not self._alarms:
            return -1
        return max(0.0, min(at for at, _ in self._alarms.values()) - time.monotonic())

    def _run_due_alarms(self) -> None:
        now = time.monotonic()
        for name in [name for name, (at, _) in self._alarms.items() if at <= now]:
            due = self._alarms.pop(name, None)  # an earlier call of this round may have removed it
            if due is not None and not self._guarded(due[1]):
                self._alarms.setdefault(name, (now + _RETRY_S, due[1]))

    def _handle_signals(self, _events: int) -> None:
        try:
            self._arrived |= set(os.read(self._wakeup, 4096))
        except BlockingIOError:
            return
        self._call_for_signals()

    def _call_for_signals(self) -> None:
        for number in sorted(self._arrived):
            call = self._signals.get(number)
            if call is None or self._guarded(call):
                self._arrived.discard(number)
        if self._arrived:
            self.set_alarm("signals", time.monotonic() + _RETRY_S, self._call_for_signals)


def _nothing(_number: int, _frame: object) -> None:
    """Replace the default action; the wakeup descriptor reports the signal."""
