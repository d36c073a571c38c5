"""The keeper's one wait: descriptors, signals and deadlines. Nothing in it polls."""

import os
import select
import signal
import time
from collections.abc import Callable

from monit_agent.keep.journal import note

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
_FAULT_PAUSE_S = 0.05
"""So that a fault that comes back at once cannot eat a processor."""


class Loop:
    """Calls back whoever waits for a descriptor, a signal or a monotonic second."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[int], None]] = {}
        self._alarms: dict[str, tuple[float, Callable[[], None]]] = {}
        self._signals: dict[int, Callable[[], None]] = {}
        self._afterwards: list[Callable[[], None]] = []
        self._running = True
        self._wakeup, told = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        self.watch(self._wakeup, self._hear_signals)

    def watch(self, fd: int, call: Callable[[int], None], mask: int = READ) -> None:
        """Call ``call(events)`` whenever ``fd`` is ready for ``mask``."""
        if fd in self._readers:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._readers[fd] = call

    def forget(self, fd: int) -> None:
        """Stop watching ``fd``; call before closing it."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def on_signal(self, number: int, call: Callable[[], None]) -> None:
        """Call ``call`` after the signal came (once for many of the same)."""
        self._signals[number] = call
        signal.signal(number, _nothing)

    def alarm(self, name: str, mono: float | None, call: Callable[[], None]) -> None:
        """Call ``call`` at monotonic second ``mono``; None takes the alarm ``name`` back. An
        alarm of the same name is replaced."""
        if mono is None:
            self._alarms.pop(name, None)
        else:
            self._alarms[name] = (mono, call)

    def is_set(self, name: str) -> bool:
        """Tell whether an alarm of that name is pending."""
        return name in self._alarms

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call ``call`` at the end of every round."""
        self._afterwards.append(call)

    def end(self) -> None:
        """Let `run` return after this round."""
        self._running = False

    def run(self) -> None:
        """Go round until `end`."""
        while self._running:
            for fd, events in self._epoll.poll(self._patience()):
                call = self._readers.get(fd)  # an earlier one of this round may have dropped it
                if call is not None:
                    self._guarded(call, events)
            self._ring()
            for after in self._afterwards:
                self._guarded(after)

    def _guarded(self, call: Callable[..., None], *args: int) -> None:
        """Call; a fault of ours costs what it concerns and not all workers their keeper."""
        try:
            call(*args)
        except Exception:  # noqa: BLE001  the border of the whole process
            import traceback  # noqa: PLC0415  dear, and only needed now

            note(f"a fault in the keeper; it goes on\n{traceback.format_exc()}")
            time.sleep(_FAULT_PAUSE_S)

    def _patience(self) -> float:
        if not self._alarms:
            return -1
        return max(0.0, min(at for at, _ in self._alarms.values()) - time.monotonic())

    def _ring(self) -> None:
        now = time.monotonic()
        for name in [name for name, (at, _) in self._alarms.items() if at <= now]:
            due = self._alarms.pop(name, None)  # an earlier one of this round may have dropped it
            if due is not None:
                self._guarded(due[1])

    def _hear_signals(self, _events: int) -> None:
        try:
            numbers = set(os.read(self._wakeup, 4096))
        except BlockingIOError:
            return
        for number in numbers:
            call = self._signals.get(number)
            if call is not None:
                call()


def _nothing(_number: int, _frame: object) -> None:
    """Take the place of the default action; the wakeup descriptor carries the news."""
