"""The state of one slot of an app: a value, replaced and never changed."""

from enum import Enum

from monit_agent.typed import NamedTuple

EXITS_KEPT = 10
RESTART_TIMES_KEPT = 200
RESTART_TIMES_S = 3600.0
RESTARTS_GRAIN_S = 30.0
"""Earlier restarts are kept as one count per this time: at most 120 counts instead of a time for
each, and a count of the last hour is exact to 1 %."""


class Status(Enum):
    """What a slot is doing now; the values are those of the wire."""

    STARTING = "starting"
    ONLINE = "online"
    DRAINING = "draining"
    """Was sent the stop signal because a reload replaces it; it finishes its open connections."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    BACKOFF = "backoff"
    ERRORED = "errored"


class DesiredState(Enum):
    """What its user requested last, whatever became of it."""

    RUNNING = "running"
    STOPPED = "stopped"


class AfterStop(Enum):
    """What follows when a worker that was stopped has exited."""

    STAY_STOPPED = "stay_stopped"
    START_AGAIN = "start_again"
    FAILED_START = "failed_start"
    """It was stopped because it did not become ready: as if it had exited by itself."""


class Now(NamedTuple):
    """One moment on both clocks, in seconds. Deadlines use ``mono``; people read ``wall``."""

    mono: float
    wall: float


class Worker(NamedTuple):
    """A process, identified so that another one with the same pid is not taken for it."""

    pid: int
    ticks: int
    """Field 22 of ``/proc/<pid>/stat``: when the kernel started it, in ticks since boot."""
    since: Now
    adopted: bool = False
    settings: int | None = None
    """A checksum of the program, arguments and variables that it was started with; None where that
    is not known."""


class Exit(NamedTuple):
    """How a worker exited. ``code`` and ``signal`` are None when no keeper could see it."""

    code: int | None
    signal: int | None
    at: float
    ran_s: float
    requested: bool


class Role(Enum):
    """What the replacement of a slot is doing."""

    INCOMING = "incoming"
    """It starts, and takes over when it is ready."""
    DRAINING = "draining"
    """It was replaced: it accepts no new connections and finishes those that it has."""
    STOPPING = "stopping"
    """It was sent the stop signal."""


class Replacement(NamedTuple):
    """The other worker of a slot while the slot's worker is replaced."""

    worker: Worker | None
    """None until the fork is done."""
    role: Role
    deadline: float | None = None
    ready: bool = False
    listens: bool = False
    portless: bool = False
    """It needs no port: it is ready when it has settled."""
    killed: bool = False
    requested: bool = True
    """Its stop was requested."""
    not_ready_reason: str | None = None
    """Why it is not ready yet, as the last check reported."""


class InPlaceReload(NamedTuple):
    """The worker of a slot reloads itself (`in_place`)."""

    deadline: float
    """Monotonic second at which its command is killed, or its worker has survived the signal."""
    by_signal: bool


class Slot(NamedTuple):
    """One instance. When ``worker`` is None, no process of it is alive, except for a
    ``replacement``."""

    instance: int
    id: int
    status: Status = Status.STOPPED
    desired: DesiredState = DesiredState.STOPPED
    ready: bool = False
    worker: Worker | None = None
    after_stop: AfterStop = AfterStop.STAY_STOPPED
    """Valid while ``stopping`` or ``draining``."""
    deadline: float | None = None
    """Monotonic second at which the slot must get `DeadlinePassed`."""
    killed: bool = False
    """Its worker did not stop in time and was sent SIGKILL."""
    was_online: bool = False
    """It was online since a start was last requested."""
    listens: bool = False
    """A process of its worker's tree accepts connections on the app's port."""
    binds: bool = False
    """Its worker has a socket that the keeper holds."""
    shares_port: bool = False
    """Its worker accepts on such a socket, or an earlier one did: the next one is ready when it
    does."""
    own_port: bool = False
    """Its worker opened its port itself; with ``shares_port`` so that others can open it too."""
    replacement: Replacement | None = None
    in_place: InPlaceReload | None = None
    replace_failure: str | None = None
    """Why the last replacement, or reload in place, failed; the old worker keeps running."""
    reload_output: tuple[str, ...] = ()
    """The last lines of the command of a reload in place that failed."""
    removing: bool = False
    """Scaled away: the slot is removed when its worker has exited."""
    restarts: int = 0
    failed_start_times: tuple[float, ...] = ()
    """Monotonic seconds of the exits before online that still count."""
    restart_times: tuple[float, ...] = ()
    """Wall seconds of the newest restarts that nobody requested."""
    earlier_restarts: tuple[tuple[float, int], ...] = ()
    """Those before, oldest first: wall second of the last one of a group, and how many."""
    exits: tuple[Exit, ...] = ()
    finished: bool = False
    """Its worker exited by itself and is not restarted: it is done, also after a reboot."""
    done: bool = False
    """It has finished, with an exit code that means success."""
    no_room: bool = False
    """In ``backoff``: it waits for room (descriptors, memory, disk), which is no failed start."""
    next_start_at: float | None = None
    """In ``backoff``: wall second of the next start."""
    reason: str | None = None
    """Why it is errored, waits, or is not ready yet."""


RESTING = (Status.STOPPED, Status.ERRORED, Status.BACKOFF)
"""Without a worker. (``starting`` has none until the fork is done.)"""


def is_incoming(slot: Slot | None, pid: int) -> bool:
    """Return whether a worker was started beside the one that it is to replace."""
    other = slot.replacement if slot else None
    if other is None or other.worker is None or other.worker.pid != pid:
        return False
    return other.role is Role.INCOMING


def is_at_rest(slot: Slot) -> bool:
    """Return whether no process of the slot is alive."""
    return slot.status in RESTING and slot.replacement is None


def awaits_worker(slot: Slot) -> bool:
    """Return whether a worker of the slot is to be started."""
    other = slot.replacement
    if other is not None:
        return other.role is Role.INCOMING and other.worker is None
    return slot.status is Status.STARTING and slot.worker is None
