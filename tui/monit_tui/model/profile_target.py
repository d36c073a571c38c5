"""Which worker a key profiles, and what that costs, in words. Pure."""

from typing import NamedTuple

from monit_agent.client.profiles.words import SECONDS
from monit_agent.client.text.sanitize import printable
from monit_agent.client.view import AppView, Fleet, InstanceView
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.limits import PROFILE_S
from monit_tui.model.confirmation import NotPossible
from monit_tui.model.processes.rows import RowKey

SHORTEST_S = 0.1

RUNNING = frozenset({"starting", "online", "draining", "stopping"})

COST = (
    "The worker keeps running. A Python program is sampled by py-spy from outside where the agent "
    "may use it, else 50 times a second by the probe (about 0.5% of a core). In a Node program "
    "V8's profiler stops the loop for about 40 ms when it starts."
)


class ProfileTarget(NamedTuple):
    """A worker, or with ``pid`` one of its processes; ``cwd`` is the app's folder."""

    identity: InstanceId
    pid: int | None
    cwd: str
    why: str = ""
    """Why it is this one of several."""

    @property
    def name(self) -> str:
        """Return it as it is shown."""
        return f"{self.identity}" + (f" (pid {self.pid})" if self.pid is not None else "")


def profile_target(key: RowKey, fleet: Fleet) -> ProfileTarget | NotPossible:
    """Return what a profile of this row is of: of an app, its instance that uses most CPU."""
    app = fleet.apps.get(key.app)
    if app is None:
        return NotPossible(f"{key.app} no longer exists.")
    if app.link == "gone":
        return NotPossible(app.problem or f"{app.name} is not running.")
    if key.instance is not None:
        return _of_instance(key, app)
    running = [slot for slot in app.instances.values() if _is_running(slot)]
    if not running:
        return NotPossible(f"{app.name} has no running instance; {{list.start}} starts it.")
    busiest = max(running, key=_cpu_percent)
    count = len(app.instances)
    why = f"It uses most CPU of the {count} instances of {printable(app.name)}."
    return ProfileTarget(busiest.identity, None, _cwd(app), why if count > 1 else "")


def _of_instance(key: RowKey, app: AppView) -> ProfileTarget | NotPossible:
    slot = app.instances.get(key.instance) if key.instance is not None else None
    if slot is None:
        return NotPossible(f"{app.name}/{key.instance} no longer exists.")
    if not _is_running(slot):
        return NotPossible(f"{slot.identity} is {slot.record.status}; {{list.start}} starts it.")
    return ProfileTarget(slot.identity, key.pid, _cwd(app))


def _cwd(app: AppView) -> str:
    return app.record.cwd if app.record else "/"


def _is_running(slot: InstanceView) -> bool:
    return slot.record.status in RUNNING and slot.record.pid is not None


def _cpu_percent(slot: InstanceView) -> float:
    return (slot.sample.tree.cpu_percent if slot.sample else None) or 0.0


def parse_seconds(text: str) -> float | None:
    """Return the length of a profile, written as ``10`` or ``10s``; None when it is none."""
    plain = text.strip().removesuffix("s").strip() or f"{SECONDS:g}"
    try:
        seconds = float(plain)
    except ValueError:
        return None
    return seconds if SHORTEST_S <= seconds <= PROFILE_S else None
