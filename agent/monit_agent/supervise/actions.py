"""What the keeper shall do, imperative."""

from monit_agent.supervise.typed import NamedTuple


class Spawn(NamedTuple):
    """Start a worker in this slot and answer with `Spawned` or `SpawnFailed` before any
    other event of the slot. ``beside``: next to the one that it has."""

    instance: int
    beside: bool = False


class Signal(NamedTuple):
    """Send ``signal`` to the whole process group of a worker, and SIGCONT so that it is heard.
    ``pid`` None means the worker that counts, not the one beside it."""

    instance: int
    signal: int
    pid: int | None = None


class Quiesce(NamedTuple):
    """Let this worker take no new connections, and finish those that it has."""

    instance: int
    pid: int


class Tell(NamedTuple):
    """Remember and publish a happening; ``kind`` is one of the wire's."""

    kind: str
    instance: int | None
    text: str


class Complain(NamedTuple):
    """Write to the keeper's own log: an event came that this state cannot have."""

    text: str


class Forget(NamedTuple):
    """The slot is no more: close its pipes, say `gone`."""

    instance: int


class Leave(NamedTuple):
    """No worker is left: end, and with ``forget`` remove the app's files."""

    forget: bool


Action = Spawn | Signal | Quiesce | Tell | Complain | Forget | Leave
