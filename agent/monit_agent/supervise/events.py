"""What can happen to a slot and to an app, in the past tense. Each event carries its time."""

from monit_agent.supervise.state import Now, Worker
from monit_agent.typed import NamedTuple


class StartRequested(NamedTuple):
    """It must run."""

    now: Now


class StopRequested(NamedTuple):
    """It must stop. ``keep_desired`` is true when only the keeper shuts down: the desired state
    stays as it is."""

    now: Now
    keep_desired: bool = False


class RestartRequested(NamedTuple):
    """A new worker must take the place of the present one."""

    now: Now


class ReplaceRequested(NamedTuple):
    """The same, as a step of a reload. ``beside``: the present worker listens nowhere, so that the
    new one can start while it runs. ``in_place``: the present worker, if it is online, must reload
    itself instead."""

    now: Now
    beside: bool = False
    in_place: bool = False


class ReplaceCancelled(NamedTuple):
    """An incoming worker that is not the slot's own yet must stop, and so must the command of a
    reload in place. Anything else keeps running."""

    now: Now


class ResetRequested(NamedTuple):
    """Its counters must be set to zero."""

    now: Now


class Spawned(NamedTuple):
    """The worker that `actions.Spawn` requested exists."""

    now: Now
    worker: Worker


class SpawnFailed(NamedTuple):
    """The worker could not be started. ``permanent``: trying again will not help (no such file,
    no permission). ``shortage``: it will, when there is room again (descriptors, memory, disk).
    ``refused``: the worker must not start before a person has done something. ``jitter`` lies in
    0 … 1. ``pid`` is None if even the fork failed."""

    now: Now
    reason: str
    permanent: bool
    jitter: float
    pid: int | None = None
    shortage: bool = False
    refused: bool = False


class BecameReady(NamedTuple):
    """The worker sent ``READY=1``, or with ``checked`` the readiness check succeeded. Here and
    below ``pid`` None means the slot's own worker."""

    now: Now
    pid: int | None = None
    checked: bool = False


class ReadinessFailed(NamedTuple):
    """The readiness check failed."""

    now: Now
    reason: str
    pid: int | None = None


class BoundPort(NamedTuple):
    """The worker has a socket that the keeper holds. Nothing of it accepts connections yet."""

    now: Now
    pid: int | None = None


class StartedListening(NamedTuple):
    """A process of the worker's tree accepts connections: with ``shared`` on a port that the
    keeper holds, else on the port that the app was given."""

    now: Now
    pid: int | None = None
    shared: bool = True
    own: bool = False
    """The worker opened the port itself. With ``shared`` it did so with SO_REUSEPORT, and another
    can open it beside it."""


class Settled(NamedTuple):
    """The worker has finished starting as far as can be seen: it uses little CPU time."""

    now: Now
    pid: int | None = None


class ReloadedInPlace(NamedTuple):
    """The command of a reload in place has exited with 0, or with ``failure`` it has not, or could
    not be run, or the signal could not be sent. ``output`` are the last lines that it printed."""

    now: Now
    failure: str | None = None
    output: tuple[str, ...] = ()


class Drained(NamedTuple):
    """The worker has no open connections any more."""

    now: Now
    pid: int


class Exited(NamedTuple):
    """The worker is gone. ``left_behind`` counts processes that it left and that were killed,
    ``left_running`` those that keep running. ``jitter`` lies in 0 … 1. ``again``: monit kept it
    from running and will not do so again; it is started at once, and the exit does not count."""

    now: Now
    code: int | None
    signal: int | None
    left_behind: int
    jitter: float
    pid: int | None = None
    left_running: int = 0
    again: bool = False
    why: str = ""
    """Why it could not start, for people, where monit knows it; it never was really online."""


class TookOver(NamedTuple):
    """The worker goes on as another process, ``worker``; ``pid`` was its main process before."""

    now: Now
    worker: Worker
    pid: int


class DeadlinePassed(NamedTuple):
    """`Slot.deadline` has passed."""

    now: Now


SlotEvent = (
    StartRequested | StopRequested | RestartRequested | ReplaceRequested | ReplaceCancelled
    | ResetRequested | Spawned | SpawnFailed | BecameReady | ReadinessFailed | BoundPort
    | StartedListening | Settled | ReloadedInPlace | Drained | Exited | TookOver | DeadlinePassed
)  # fmt: skip


class EachSlot(NamedTuple):
    """The same event for each of these slots, in this order."""

    instances: tuple[int, ...]
    event: SlotEvent


class ReloadRequested(NamedTuple):
    """These instances must be replaced, ``parallel`` at a time. ``beside`` are those whose present
    worker listens nowhere, ``in_place`` those that reload themselves instead."""

    now: Now
    instances: tuple[int, ...]
    parallel: int = 1
    beside: tuple[int, ...] = ()
    in_place: tuple[int, ...] = ()


class CancelRequested(NamedTuple):
    """The reload in progress must end. ``by`` is who requested it."""

    now: Now
    by: str | None = None


class ScaleRequested(NamedTuple):
    """The app must have ``size`` slots. ``ids`` are free ones, at least as many as new slots."""

    now: Now
    size: int
    ids: tuple[int, ...]


class DeleteRequested(NamedTuple):
    """Everything must stop, and the app's files are removed."""

    now: Now


class ShutdownRequested(NamedTuple):
    """The keeper must exit: everything stops, and the app's files stay."""

    now: Now


AppEvent = (
    EachSlot
    | ReloadRequested
    | CancelRequested
    | ScaleRequested
    | DeleteRequested
    | ShutdownRequested
)
