"""What a client knows of the fleet: a pure fold of snapshots, events and samples.

Nothing here reads a clock or a socket: times come with the calls. One thread owns a
`Fleet` (the screen's, or the command's); it is changed by folding (``client/fold.py``)
and read in between.
"""

from collections import deque
from typing import Literal, NamedTuple

from monit_agent.client.ownpast import OwnPast
from monit_agent.wire.messages import AppRecord, Happening, InstanceRecord, LogEnd, Roll, Sample

HISTORY = 3600
"""Samples kept per instance."""

LinkState = Literal["connecting", "live", "stale", "gone"]
"""``connecting``: found, nothing heard yet. ``live``: heard within `STALE_S`. ``stale``: silent
for longer. ``gone``: neither keeper nor agent runs, known from ``state.json`` only."""


class Identity(NamedTuple):
    """What selection, confirmation and scroll position refer to, never a row number."""

    app: str
    instance: int


class InstanceView:
    """One slot as a client knows it."""

    def __init__(self, app: str, record: InstanceRecord) -> None:
        self.identity = Identity(app, record.instance)
        self.record = record
        self.sample: Sample | None = None
        self.history: deque[Sample] = deque(maxlen=HISTORY)
        """Without the app's own metrics, whose past is ``own``."""
        self.own = OwnPast()

    def restarts_within(self, seconds: float, now: float) -> int:
        """Count workers of this slot that ended unasked in the last ``seconds`` (wall clock)."""
        return sum(1 for at in self.record.restart_times if at > now - seconds)


class AppView:
    """One app as a client knows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.record: AppRecord | None = None
        self.roll: Roll | None = None
        self.instances: dict[int, InstanceView] = {}
        self.logs: dict[tuple[int, str], LogEnd] = {}
        self.happenings: deque[Happening] = deque(maxlen=300)
        self.agent_pid: int | None = None
        self.agent_version: str | None = None
        self.keeper_alive = True
        self.link: LinkState = "connecting"
        self.heard_at: float | None = None
        """Monotonic time of the last message from its agent."""
        self.problem: str | None = None
        """What is wrong with the link, in words that say what to do."""
        self.bad_messages = 0
        """What its agent said that this side could not read."""
        self.epoch: int | None = None
        """Which life of the agent the snapshot is of; None before the first one."""
        self.event_seq = 0
        """The last event that is folded in."""

    def age_s(self, now: float) -> float | None:
        """Seconds since the agent was last heard (``now`` is monotonic); None if never."""
        return None if self.heard_at is None else max(0.0, now - self.heard_at)


class Fleet:
    """All apps of one home, by name."""

    def __init__(self) -> None:
        self.apps: dict[str, AppView] = {}

    def instance(self, identity: Identity) -> InstanceView | None:
        """Give the slot called ``identity``, or None when there is none (any more)."""
        app = self.apps.get(identity.app)
        return app.instances.get(identity.instance) if app else None
