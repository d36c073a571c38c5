"""All that a screen or a command may know of the agents: one small protocol.

`LiveSource` (``client/live/live_source.py``) speaks to real agents,
`ReplaySource` (``replay/source.py``) plays recorded scenes for tests, pictures and work on widgets.
"""

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple, Protocol

from monit_agent.client.view import Fleet
from monit_agent.wire.ids import AppId, InstanceId

if TYPE_CHECKING:
    from monit_agent.wire.messages import Answer, EventRecord, Request, Stream


class LogChunk(NamedTuple):
    """Raw bytes of a stream, as an agent published or a range request fetched them.

    Offsets are logical and count for ever (``wire/timeindex.py``); a chunk may begin and end
    in the middle of a line. A hole between two chunks of a stream is bytes that were skipped
    on the way and can be fetched with `LogRange`.
    """

    identity: InstanceId
    stream: "Stream"
    offset: int
    data: bytes
    times: tuple[tuple[int, int], ...]


class Changes(NamedTuple):
    """What one `Source.poll` brought."""

    apps: frozenset[AppId] = frozenset()
    """Apps that came, went, or changed in anything but samples and logs."""
    sampled: frozenset[AppId] = frozenset()
    """Apps with new samples."""
    logs: tuple[LogChunk, ...] = ()
    """New log bytes of followed instances, in order of arrival."""
    events: "tuple[tuple[AppId, EventRecord], ...]" = ()
    """(app, event), oldest first."""

    def __bool__(self) -> bool:
        return bool(self.apps or self.sampled or self.logs or self.events)


class PendingChanges:
    """What the next poll will return."""

    def __init__(self) -> None:
        self.apps: set[AppId] = set()
        self.sampled: set[AppId] = set()
        self.logs: list[LogChunk] = []
        self.log_bytes = 0
        self.events: list[tuple[AppId, EventRecord]] = []

    def __bool__(self) -> bool:
        return bool(self.apps or self.sampled or self.logs or self.events)

    def add_log(self, chunk: LogChunk) -> None:
        """Add log bytes."""
        self.logs.append(chunk)
        self.log_bytes += len(chunk.data)

    def take_all(self) -> Changes:
        """Return the changes, and begin with none again."""
        changes = Changes(
            frozenset(self.apps), frozenset(self.sampled), tuple(self.logs), tuple(self.events)
        )
        self.apps.clear()
        self.sampled.clear()
        self.logs.clear()
        self.events.clear()
        self.log_bytes = 0
        return changes


class Source(Protocol):
    """Where the fleet's state comes from and where requests go. Used by one thread."""

    fleet: Fleet

    def wall(self) -> float:
        """Return the seconds since 1970 that uptimes and times of day are counted from.

        A replayed scene has its own clock, so ask here and never ``time.time()``.
        """
        ...

    def monotonic(self) -> float:
        """Return the clock of `AppView.heard_at`, for `AppView.age_s`; seconds."""
        ...

    def poll(self, wait_s: float = 0.0) -> Changes:
        """Take in what has arrived, waiting at most ``wait_s`` for the first of it.

        Folds it into `fleet`, runs the callbacks of `send_request` whose answer came or whose time
        is up, looks for apps that came and went, and marks silent ones stale.
        """
        ...

    def send_request(
        self,
        app: AppId,
        request: "Request",
        then: "Callable[[Answer], None]",
        timeout_s: float = 5.0,
    ) -> None:
        """Send ``request`` to the app's agent; ``then`` gets the answer from within `poll`.

        An agent that does not answer in time gives ``Refused(kind="keeper_gone" or "failed")``
        whose message says what to do, so ``then`` is called exactly once.
        """
        ...

    def follow_logs(self, who: Collection[InstanceId]) -> None:
        """From now on bring log bytes of exactly these instances in `Changes.logs`."""
        ...

    def close(self) -> None:
        """Let go of the sockets. The apps go on."""
        ...


class RealClock:
    """The clocks of a `Source` that is connected to real agents: those of this machine."""

    def wall(self) -> float:
        """Return the wall time."""
        return time.time()

    def monotonic(self) -> float:
        """Return the clock that ages are measured on."""
        return time.monotonic()
