"""One thread's loop: readable ZeroMQ sockets and descriptors, and timers.

Not asyncio: it would cost 5 MB and 60 ms in every app's agent for what is one `zmq.Poller`
and a heap. Time is the monotonic clock, in seconds.
"""

import heapq
import time
from collections.abc import Callable

import zmq

from monit_agent.observe.trouble import say_caught

READ = int(zmq.POLLIN)
WRITE = int(zmq.POLLOUT)


class Timer:
    """A call in the future; `cancel` makes it not happen."""

    def __init__(self, due: float, period_s: float | None, call: Callable[[], None]) -> None:
        self.due = due
        self.period_s = period_s
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        """Make the call not happen (any more)."""
        self.cancelled = True

    def follow_up(self, now: float) -> bool:
        """Move a periodic timer to its next due time; False when it has none.

        The times stay multiples of the period, so that nothing drifts; those that were
        slept over are left out instead of being made up for.
        """
        if self.period_s is None or self.cancelled:
            return False
        missed = max(0, int((now - self.due) // self.period_s))
        self.due += (missed + 1) * self.period_s
        return True


class Loop:
    """Calls back when a source is ready or a time has come, until `stop`.

    A callback that raises is logged and the loop goes on: this is the border behind which
    no single message, worker or client can end the agent.
    """

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._callbacks: dict[zmq.Socket[bytes] | int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._running = False

    def watch(
        self,
        source: "zmq.Socket[bytes] | int",
        callback: Callable[[int], None],
        events: int = READ,
    ) -> None:
        """Call ``callback(events)`` whenever ``source`` is ready for any of ``events``."""
        self._poller.register(source, events)
        self._callbacks[source] = callback

    def unwatch(self, source: "zmq.Socket[bytes] | int") -> None:
        """Forget ``source``; it may be closed afterwards."""
        self._poller.unregister(source)
        del self._callbacks[source]

    def after(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Call once, ``delay_s`` seconds from now."""
        return self._add(Timer(time.monotonic() + delay_s, None, call))

    def every(self, period_s: float, call: Callable[[], None]) -> Timer:
        """Call every ``period_s`` seconds, the first time after one period."""
        return self._add(Timer(time.monotonic() + period_s, period_s, call))

    def stop(self) -> None:
        """Make `run` return after the callback that is running now."""
        self._running = False

    def run(self) -> None:
        """Serve until `stop`; may be called again."""
        self._running = True
        while self._running:
            self._call_due()
            for source, events in self._poller.poll(self._wait_ms()):
                callback = self._callbacks.get(source)
                if callback and self._running:
                    self._guard(callback, events)

    def _add(self, timer: Timer) -> Timer:
        self._count += 1  # tells apart timers that are due at the same time
        heapq.heappush(self._timers, (timer.due, self._count, timer))
        return timer

    def _call_due(self) -> None:
        while self._running and self._timers and self._timers[0][0] <= time.monotonic():
            _, _, timer = heapq.heappop(self._timers)
            if timer.cancelled:
                continue
            self._guard(timer.call)
            if timer.follow_up(time.monotonic()):
                self._add(timer)

    def _wait_ms(self) -> int:
        if not self._running:
            return 0
        if not self._timers:
            return 60_000
        # rounded up: waking a fraction too early would spin until the time has come
        return max(0, int((self._timers[0][0] - time.monotonic()) * 1000) + 1)

    def _guard(self, call: Callable[..., None], *arguments: int) -> None:
        try:
            call(*arguments)
        except Exception:  # noqa: BLE001 (the border: see the class)
            say_caught(f"in {getattr(call, '__qualname__', call)}")
