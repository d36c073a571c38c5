"""What can happen to a slot and to an app, past tense; each says when."""

from monit_agent.supervise.state import Now, Worker
from monit_agent.supervise.typed import NamedTuple


class StartAsked(NamedTuple):
    """Somebody wants it to run."""

    now: Now


class StopAsked(NamedTuple):
    """It shall stop. ``wish`` is False when only the keeper leaves: what its user wants stays."""

    now: Now
    wish: bool = True


class RestartAsked(NamedTuple):
    """A new worker shall take the place of the present one."""

    now: Now


class ReplaceAsked(NamedTuple):
    """The same, as a step of a reload."""

    now: Now


class ReplaceCancelled(NamedTuple):
    """An heir that is not the slot's worker yet shall go; anything else goes on."""

    now: Now


class ResetAsked(NamedTuple):
    """Its counters shall begin anew."""

    now: Now


class Spawned(NamedTuple):
    """The worker that `actions.Spawn` asked for exists."""

    now: Now
    worker: Worker


class SpawnFailed(NamedTuple):
    """The worker could not be started. ``lasting``: trying again will not help by itself
    (no such file, no permission). ``jitter`` lies in 0 … 1; ``pid`` is None if not even the
    fork succeeded."""

    now: Now
    reason: str
    lasting: bool
    jitter: float
    pid: int | None = None


class BecameReady(NamedTuple):
    """The worker said ``READY=1``, or with ``checked`` the readiness check succeeded. Here and
    below ``pid`` None means the one that counts."""

    now: Now
    pid: int | None = None
    checked: bool = False


class NotReady(NamedTuple):
    """The readiness check failed, and why."""

    now: Now
    why: str
    pid: int | None = None


class Listened(NamedTuple):
    """The worker accepts connections on a port that the keeper holds."""

    now: Now
    pid: int | None = None


class Quiesced(NamedTuple):
    """The worker has finished what it had to do."""

    now: Now
    pid: int


class Exited(NamedTuple):
    """The worker is gone. ``left`` counts processes that it left behind and that were killed;
    ``jitter`` lies in 0 … 1."""

    now: Now
    code: int | None
    signal: int | None
    left: int
    jitter: float
    pid: int | None = None


class TimeCame(NamedTuple):
    """`Slot.wake_at` has passed."""

    now: Now


SlotEvent = (
    StartAsked | StopAsked | RestartAsked | ReplaceAsked | ReplaceCancelled | ResetAsked
    | Spawned | SpawnFailed | BecameReady | NotReady | Listened | Quiesced | Exited | TimeCame
)  # fmt: skip


class Each(NamedTuple):
    """The same happened to each of these slots, in this order."""

    instances: tuple[int, ...]
    event: SlotEvent


class ReloadAsked(NamedTuple):
    """These shall be replaced, ``parallel`` at a time."""

    now: Now
    instances: tuple[int, ...]
    parallel: int = 1


class CancelAsked(NamedTuple):
    """The reload under way shall end; ``by`` is who asked."""

    now: Now
    by: str | None = None


class ScaleAsked(NamedTuple):
    """The app shall have ``size`` slots; ``ids`` are free ones, at least as many as are new."""

    now: Now
    size: int
    ids: tuple[int, ...]


class DeleteAsked(NamedTuple):
    """Everything shall stop and be forgotten."""

    now: Now


class LeaveAsked(NamedTuple):
    """The keeper was told to end: everything stops, nothing is forgotten."""

    now: Now


AppEvent = Each | ReloadAsked | CancelAsked | ScaleAsked | DeleteAsked | LeaveAsked
