"""All parts of a keeper, handed on by one version and continued by the next.

Nothing is adopted here, as after the death of a keeper: workers stay children, sockets and pipes
stay open, and what arrives in between waits in the kernel. A worker that exits meanwhile is reaped
by the next version, which sees how it exited.
"""

from monit_agent import __version__
from monit_agent.keeper.about import greeting
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.state import statefile
from monit_agent.keeper.upgrade.inherited import BadInheritanceError, HandedOn, Inherited
from monit_agent.keeper.workers.spawn import limits_for_children
from monit_agent.supervise.state import Role, Slot, Status


def hand_on(keeper: Keeper) -> HandedOn:
    """Return everything that the next version needs."""
    handed = HandedOn()
    handed.parts |= {
        "version": {"version": __version__},
        "state": statefile.to_plain(keeper.saved_state()),
        "claim": keeper.claim.hand_on(handed.keep),
        "control": keeper.control.hand_on(handed.keep),
        "notify": keeper.notify.file.hand_on(handed.keep),
        "logs": keeper.logs.hand_on(handed.keep),
        "workers": keeper.workers.hand_on(handed.keep),
        "agent": keeper.agent.hand_on(handed.keep),
        "environment": keeper.variables.hand_on(),
        "worker_user": keeper.worker_user.hand_on(handed.keep),
        "sockets": keeper.seen.hand_on(),
        "clock": keeper.wall_clock.hand_on(),
        "events": {"entries": keeper.supervisor.events.all()},
        "limits": {"files": list(limits_for_children())},
        "probe": {"node": keeper.node_probe},
    }
    keeper.ports.hand_on(handed)
    return handed


def saved_of(inherited: Inherited) -> statefile.Saved:
    """Return the state that was handed on; raise `BadInheritanceError`."""
    try:
        return statefile.from_plain(inherited.part("state"))
    except statefile.BadStateError as error:
        raise BadInheritanceError(f"the app's state {error}") from error


def version_of(inherited: Inherited) -> str:
    """Return the version that handed on."""
    return str(inherited.part("version").get("version", "of another kind"))


def limits_of(inherited: Inherited) -> tuple[int, int] | None:
    """Return the limit of descriptors for children; None when it was not handed on."""
    soft_and_hard = inherited.part("limits").get("files")
    return tuple(soft_and_hard) if soft_and_hard else None


def resume(keeper: Keeper, saved: statefile.Saved, inherited: Inherited) -> None:
    """Let a new ``keeper`` continue; its own sockets and its claim have been handed on already."""
    keeper.supervisor.events.restore(inherited.part("events").get("entries", []))
    keeper.other_state, keeper.runner = saved.other, saved.runner
    keeper.node_probe = inherited.part("probe").get("node", True)
    environment = inherited.part("environment")
    if environment:
        keeper.variables.resume(environment, saved.spec)
    keeper.worker_user.resume(saved.spec)
    keeper.workers.resume(inherited)
    keeper.ports.resume(saved.spec, inherited)
    keeper.logs.resume(inherited)
    keeper.seen.resume(inherited.part("sockets"))
    keeper.adopt_app(saved.app)
    keeper.folder.start()
    for slot in saved.app.slots:
        for pid in _starting_pids(slot):
            keeper.watch_start(slot.instance, pid)
    keeper.agent.resume(inherited)
    text = f"monit {version_of(inherited)} was replaced by {__version__}; the workers kept running"
    keeper.record_event("upgraded", None, text)
    keeper.control.greet_again({"ok": True, **greeting(keeper)})
    keeper.workers.reap()


def _starting_pids(slot: Slot) -> list[int]:
    starting = [slot.worker if slot.status is Status.STARTING else None]
    if slot.replacement is not None and slot.replacement.role is Role.INCOMING:
        starting.append(slot.replacement.worker)
    return [worker.pid for worker in starting if worker is not None]
