"""What the keeper must do, in the imperative."""

from monit_agent.typed import NamedTuple


class Spawn(NamedTuple):
    """Start a worker in this slot, then report `Spawned` or `SpawnFailed` before any other event
    of the slot. ``replacement``: start it next to the worker that the slot has."""

    instance: int
    replacement: bool = False


class Signal(NamedTuple):
    """Send a worker the stop signal ``signal``, to those of its processes that the app's
    ``kill_mode`` names, and SIGCONT so that a stopped one receives it; SIGKILL kills what is left.
    ``pid`` None means the slot's own worker, not the replacement."""

    instance: int
    signal: int
    pid: int | None = None


class Drain(NamedTuple):
    """Let this worker accept no new connections and finish those that it has."""

    instance: int
    pid: int


class ReloadInPlace(NamedTuple):
    """Run the reload command of this worker, or send it the reload signal. `ReloadedInPlace`
    follows, for a signal only if it could not be sent."""

    instance: int
    pid: int


class EndReload(NamedTuple):
    """Kill the reload command that runs for this instance, if one does; nothing follows."""

    instance: int


class RecordEvent(NamedTuple):
    """Add an entry to the event log and publish it; ``kind`` is one of the wire's `EventKind`."""

    kind: str
    instance: int | None
    text: str


class LogError(NamedTuple):
    """Write to the keeper's own log: an event came that is impossible in this state."""

    text: str


class RemoveInstance(NamedTuple):
    """The slot no longer exists: close its pipes and publish that it was removed."""

    instance: int


class ShutDown(NamedTuple):
    """No worker is left: exit, and with ``delete`` remove the app's files."""

    delete: bool


Action = (
    Spawn
    | Signal
    | Drain
    | ReloadInPlace
    | EndReload
    | RecordEvent
    | LogError
    | RemoveInstance
    | ShutDown
)
