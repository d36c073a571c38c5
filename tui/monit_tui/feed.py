"""Polls the source at a steady rate and delivers the changes to the screen.

Ten times a second on this machine, five times over ssh, once when the terminal has no focus or
nothing changes.
"""

import time
from collections.abc import Callable
from functools import partial

from monit_agent.client.source import Changes, Source
from monit_tui.clock import Clock

LOCAL_HZ, SSH_HZ, IDLE_HZ = 10.0, 5.0, 1.0

IDLE_AFTER_S = 5.0
"""The fleet counts as idle when nothing has changed for this long."""

HELD_BYTES = 4 * 1024 * 1024
"""Log bytes kept while the display is frozen; the oldest are dropped, and can be fetched again."""


LONG_S = 0.008
"""A poll that took more CPU time than this may not have read all that had arrived: `LiveSource`
reads for a hundredth of a second at a time, so that keys are handled in between."""

POLLS = 5
"""Most polls of one tick: a steady flood takes half of a core at ten ticks a second, a quarter over
ssh, and a twentieth without focus, where one poll a second would skip lines of a busy log. What is
beyond that is left out between agent and screen: it is a gap, which can be fetched."""


class ChangeFeed:
    """Polls a source and delivers its changes, or keeps them while the display is frozen."""

    def __init__(
        self, source: Source, clock: Clock, deliver: Callable[[Changes], None], *, over_ssh: bool,
        call_later: Callable[[Callable[[], None]], bool] = lambda _: False,
    ) -> None:  # fmt: skip
        """``call_later`` calls something after the keys that wait."""
        self._source, self._clock, self._deliver = source, clock, deliver
        self.hz = SSH_HZ if over_ssh else LOCAL_HZ
        """The fastest rate."""
        self.blurred = False
        self._frozen = False
        self._held = Changes()
        self._call_later = call_later
        self._is_behind = False
        """Whether more may have arrived than the last poll read."""
        self._catches_up = False
        self._polled_at = float("-inf")
        self._heard_at = clock.monotonic()

    @property
    def frozen(self) -> bool:
        """Return whether changes are kept from the screen."""
        return self._frozen

    def tick(self) -> None:
        """Poll if it is due; called at the fastest rate."""
        if self._catches_up:
            return
        now = self._clock.monotonic()
        quiet = self.blurred or now - self._heard_at >= IDLE_AFTER_S
        if quiet and now - self._polled_at < 1 / IDLE_HZ:
            return
        self._catch_up(POLLS)

    def _catch_up(self, polls: int) -> None:
        """Poll, and as long as that did not read all, again after the keys that wait: at most
        ``polls`` times."""
        self.flush()
        again = partial(self._catch_up, polls - 1)
        self._catches_up = self._is_behind and polls > 1 and self._call_later(again)

    def flush(self) -> None:
        """Poll now and deliver, or keep the changes while frozen. An empty `Changes` is delivered
        too, because ages grow while nothing changes."""
        began = time.thread_time()
        changes = self._source.poll(0)
        self._is_behind = time.thread_time() - began >= LONG_S
        self._polled_at = self._clock.monotonic()
        if changes:
            self._heard_at = self._polled_at
        if self._frozen:
            self._held = _joined(self._held, changes)
        else:
            self._deliver(changes)

    def restore_rate(self) -> None:
        """Return to the fastest rate."""
        self._heard_at = self._clock.monotonic()

    def freeze(self, *, frozen: bool) -> None:
        """Keep changes from the screen, or deliver all that were kept."""
        self._frozen = frozen
        if not frozen:
            held, self._held = self._held, Changes()
            self._deliver(held)


def _joined(one: Changes, other: Changes) -> Changes:
    logs = [*one.logs, *other.logs]
    held = sum(len(chunk.data) for chunk in logs)
    while held > HELD_BYTES:
        held -= len(logs.pop(0).data)
    return Changes(
        one.apps | other.apps, one.sampled | other.sampled, tuple(logs),
        (*one.events, *other.events)[-1000:],
    )  # fmt: skip
