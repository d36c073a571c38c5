"""All that a screen or a command may know of the agents: one small protocol.

`LiveSource` (``client/live.py``) speaks to real agents, `ReplaySource` (``client/replay.py``)
plays recorded scenes for tests, pictures and work on widgets.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

from monit_agent.client.view import Fleet, Identity
from monit_agent.wire.messages import Answer, Happening, Request, Stream


class LogChunk(NamedTuple):
    """Raw bytes of a stream, as an agent published or a range request fetched them.

    Offsets are logical and count for ever (``wire/timeindex.py``); a chunk may begin and end
    in the middle of a line. A hole between two chunks of a stream is bytes that were skipped
    on the way and can be fetched with `LogRange`.
    """

    app: str
    instance: int
    stream: Stream
    offset: int
    data: bytes
    times: tuple[tuple[int, int], ...]


class Changes(NamedTuple):
    """What one `Source.poll` brought."""

    apps: frozenset[str] = frozenset()
    """Apps that came, went, or changed in anything but samples and logs."""
    sampled: frozenset[str] = frozenset()
    """Apps with new samples."""
    logs: tuple[LogChunk, ...] = ()
    """New log bytes of followed instances, in order of arrival."""
    happened: tuple[tuple[str, Happening], ...] = ()
    """(app, happening), oldest first."""

    def __bool__(self) -> bool:
        return bool(self.apps or self.sampled or self.logs or self.happened)


class Source(Protocol):
    """Where the fleet's state comes from and where requests go. Used by one thread."""

    fleet: Fleet

    def wall(self) -> float:
        """Give the seconds since 1970 that uptimes and times of day are counted from.

        A replayed scene has its own clock, so ask here and never ``time.time()``.
        """
        ...

    def monotonic(self) -> float:
        """Give the clock of `AppView.heard_at`, for `AppView.age_s`; seconds."""
        ...

    def poll(self, wait_s: float = 0.0) -> Changes:
        """Take in what has arrived, waiting at most ``wait_s`` for the first of it.

        Folds it into `fleet`, runs the callbacks of `ask` whose answer came or whose time
        is up, looks for apps that came and went, and marks silent ones stale.
        """
        ...

    def ask(
        self,
        app: str,
        request: Request,
        then: Callable[[Answer], None],
        timeout_s: float = 5.0,
    ) -> None:
        """Send ``request`` to the app's agent; ``then`` gets the answer from within `poll`.

        An agent that does not answer in time gives ``Refused(kind="keeper_gone" or "failed")``
        whose message says what to do, so ``then`` is called exactly once.
        """
        ...

    def follow_logs(self, who: Collection[Identity]) -> None:
        """From now on bring log bytes of exactly these instances in `Changes.logs`."""
        ...

    def close(self) -> None:
        """Let go of the sockets. The apps go on."""
        ...
