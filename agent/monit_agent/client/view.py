"""What a client knows of the fleet: a pure fold of snapshots, events and samples.

Nothing here reads a clock or a socket: times come with the calls. One thread owns a
`Fleet` (the screen's, or the command's); it is changed by folding (``client/fold.py``)
and read in between.
"""

from collections import deque

from monit_agent.client.metric_history import MetricHistory
from monit_agent.typed import TYPE_CHECKING, Literal, NamedTuple
from monit_agent.wire.ids import AppId, InstanceId

if TYPE_CHECKING:
    from monit_agent.wire.messages import (
        AlertMute,
        AlertRecord,
        AppRecord,
        EventRecord,
        HookRecord,
        InstanceRecord,
        LogEnd,
        Rollout,
        Sample,
    )

HISTORY = 3600
"""Samples kept per instance."""

LinkState = Literal["connecting", "live", "stale", "gone"]
"""``connecting``: found, nothing heard yet. ``live``: heard within `STALE_S`. ``stale``: silent
for longer. ``gone``: neither keeper nor agent runs, known from ``state.json`` only."""


class InstanceView:
    """One slot as a client knows it."""

    def __init__(self, app: AppId, record: "InstanceRecord") -> None:
        self.identity = app.instance(record.instance)
        self.record = record
        self.sample: Sample | None = None
        self.read_at = 0.0
        """Monotonic time at which this reading of its process tree was first heard of."""
        self.history: deque[Sample] = deque(maxlen=HISTORY)
        """Without the app's own metrics, whose past is ``own``."""
        self.own = MetricHistory()

    def restarts_within(self, seconds: float, now: float) -> int:
        """Return how many workers exited without a request in the last ``seconds`` (wall clock)."""
        since = now - seconds
        earlier = sum(count for at, count in self.record.earlier_restarts if at > since)
        return earlier + sum(1 for at in self.record.restart_times if at > since)


class AppView:
    """One app as a client knows it."""

    def __init__(self, app: AppId) -> None:
        self.id = app
        self.name = str(app)
        """As it is shown: with its host, unless that is this machine."""
        self.record: AppRecord | None = None
        self.rollout: Rollout | None = None
        self.instances: dict[int, InstanceView] = {}
        self.sample: Sample | None = None
        """The figures of all instances together; None when fewer than two have a probe."""
        self.logs: dict[tuple[int, str], LogEnd] = {}
        self.events: deque[EventRecord] = deque(maxlen=300)
        self.alerts: tuple[AlertRecord, ...] = ()
        """Those that fire."""
        self.mutes: tuple[AlertMute, ...] = ()
        self.hooks: tuple[HookRecord, ...] = ()
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

    def is_done(self, record: "InstanceRecord") -> bool:
        """Return whether this app runs once and the instance has done its work."""
        return record.done and self.record is not None and self.record.type == "once"


HostState = Literal["connecting", "live", "silent", "lost"]
"""``connecting``: its first answer is awaited. ``live``: heard lately. ``silent``: the line is up,
and nothing comes. ``lost``: there is no line; it is tried again."""


class MachineHome(NamedTuple):
    """The folder of one monit on one machine, whatever the machine is called by those who reach
    it."""

    boot_id: str
    machine: str
    """What it calls itself: containers of one machine share its boot id."""
    home: str
    home_id: str
    """Device and inode of ``home``: containers may also share the machine's name."""

    @property
    def is_certain(self) -> bool:
        """Whether no other home can look the same."""
        return bool(self.boot_id and self.home_id)


class HostView:
    """Another machine as a client knows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: HostState = "connecting"
        self.problem: str | None = None
        """Why it is not live, and what to do."""
        self.next_try_at: float | None = None
        """Monotonic second of the next try to reach it; None while it is reached or tried."""
        self.is_listed = False
        """Whether all of its apps are known."""
        self.read_only = False
        self.version: str | None = None
        """Of monit there."""
        self.home: str | None = None
        """The folder of its files there; None until it has answered."""
        self.identity: MachineHome | None = None
        """Which one it is; None until it has answered."""
        self.clock_ahead_s = 0.0
        """How far its clock is ahead of this machine's."""
        self.received_bytes = 0
        """Through its line, as they were sent: compressed."""
        self.bytes_per_s: float | None = None
        """Of them, lately; None until it is known."""
        self.dropped_bytes = 0
        """Bytes of followed logs that its line had no room for."""


class Fleet:
    """All apps of one home, or of several hosts."""

    def __init__(self) -> None:
        self.apps: dict[AppId, AppView] = {}
        self.hosts: dict[str, HostView] = {}
        """The other machines, by name; none when only this one is shown."""

    def instance(self, identity: InstanceId) -> InstanceView | None:
        """Return the slot called ``identity``, or None when there is none (any more)."""
        app = self.apps.get(identity.app_id)
        return app.instances.get(identity.instance) if app else None
