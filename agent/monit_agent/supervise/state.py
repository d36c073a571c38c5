"""What is known of one slot of an app: a value, replaced and never changed."""

from enum import Enum

from monit_agent.supervise.typed import NamedTuple

EXITS_KEPT = 10
RESTART_TIMES_KEPT = 200
RESTART_TIMES_S = 3600.0


class Status(Enum):
    """What a slot is doing now; the values are those of the wire."""

    STARTING = "starting"
    ONLINE = "online"
    DRAINING = "draining"
    """Told to finish because a reload replaces it."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    BACKOFF = "backoff"
    ERRORED = "errored"


class Wanted(Enum):
    """What its user asked for last; what becomes of it never changes the wish."""

    RUNNING = "running"
    STOPPED = "stopped"


class After(Enum):
    """What follows when a worker that was told to stop is gone."""

    REST = "rest"
    AGAIN = "again"
    UNSTABLE = "unstable"
    """It was stopped because it did not become ready: as if it had died by itself."""


class Now(NamedTuple):
    """One moment on both clocks, in seconds. Deadlines use ``mono``; people read ``wall``."""

    mono: float
    wall: float


class Worker(NamedTuple):
    """A process, named so that another one with the same pid is not taken for it."""

    pid: int
    ticks: int
    """Field 22 of ``/proc/<pid>/stat``: when the kernel started it, in ticks since boot."""
    since: Now
    adopted: bool = False


class Exit(NamedTuple):
    """How a worker ended; ``code`` and ``signal`` are None when nobody could see it."""

    code: int | None
    signal: int | None
    at: float
    ran_s: float
    asked: bool


class Role(Enum):
    """What the second worker of a slot is there for."""

    HEIR = "heir"
    """It starts, and shall take over when it is ready."""
    QUIESCING = "quiescing"
    """It was replaced, and takes no new connections any more."""
    LEAVING = "leaving"
    """It was told to stop."""


class Beside(NamedTuple):
    """The second worker of a slot, for the while of a replacement."""

    worker: Worker | None
    """None for as long as the fork takes."""
    role: Role
    wake_at: float | None = None
    ready: bool = False
    listens: bool = False
    killed: bool = False
    asked: bool = True
    """Somebody wants its end."""
    unready: str | None = None
    """Why it is not ready yet, as far as a check tells."""


class Slot(NamedTuple):
    """One instance. ``worker`` is None exactly when no process of it may be alive, but for the
    one ``beside`` it."""

    instance: int
    id: int
    status: Status = Status.STOPPED
    wanted: Wanted = Wanted.STOPPED
    ready: bool = False
    worker: Worker | None = None
    after: After = After.REST
    """Meaningful while ``stopping`` or ``draining``."""
    wake_at: float | None = None
    """Monotonic second at which the slot wants to hear that time has come."""
    killed: bool = False
    """Its worker let the time to stop pass and was sent SIGKILL."""
    proven: bool = False
    """It was online since somebody last asked for its start."""
    listens: bool = False
    """Its worker accepts connections on a port that the keeper holds."""
    shares: bool = False
    """It did so, or one before it did: then the next one is ready when it does."""
    beside: Beside | None = None
    kept: str | None = None
    """Why the last replacement failed: the old worker was kept."""
    going: bool = False
    """Scaled away: it is forgotten when its worker is gone."""
    restarts: int = 0
    unstable_at: tuple[float, ...] = ()
    """Monotonic seconds of the unstable exits that still count."""
    restart_times: tuple[float, ...] = ()
    exits: tuple[Exit, ...] = ()
    next_start_at: float | None = None
    """In ``backoff``: wall second of the next start."""
    reason: str | None = None
    """Why it is given up or waits, or why it is not ready yet."""


RESTING = (Status.STOPPED, Status.ERRORED, Status.BACKOFF)
"""Without a worker. (``starting`` has none for as long as the fork takes.)"""


def is_at_rest(slot: Slot) -> bool:
    """Tell whether no process of the slot is alive."""
    return slot.status in RESTING and slot.beside is None
