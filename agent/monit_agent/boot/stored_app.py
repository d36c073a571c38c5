"""What ``monit boot`` reads in the state that an app's last keeper saved."""

from monit_agent.system import jsonline
from monit_agent.system.procfs import boot_id
from monit_agent.typed import Any, NamedTuple
from monit_agent.wire.order import Dependency, read_dependencies

KILL_TIMEOUT_S = 10.0
"""The default of apps, for a state that cannot be read."""


class StoredApp(NamedTuple):
    """An app without a keeper, or one that is about to be stopped."""

    kill_timeout_s: float = KILL_TIMEOUT_S
    after: tuple[Dependency, ...] = ()
    starts: bool = False
    """Whether a keeper will start workers, and has none to adopt."""


def read_stored_app(path: str) -> StoredApp:
    """Return what the ``state.json`` at ``path`` says; the defaults if it cannot be read."""
    try:
        with open(path, "rb") as file:
            state: Any = jsonline.load(file.read())
        nothing_runs = state["left"] is True or state["boot_id"] != boot_id()
        to_run = any(slot["desired"] == "running" for slot in state["slots"])
        return StoredApp(
            float(state["spec"]["policy"]["kill_timeout_s"]),
            read_dependencies(state["spec"].get("after", ())),
            nothing_runs and to_run,
        )
    except (OSError, LookupError, TypeError, ValueError):
        return StoredApp()
