"""Take over from a keeper that was killed: nothing starts twice, no other process is signalled.

A process is a worker if `state.json` names it with the same pid, start time and boot. A session
leader with our variables and its own pid in ``MONIT_PID`` is a worker too: a keeper may be killed
between the fork and the save.
"""

from monit_agent.keeper.clock import now
from monit_agent.keeper.journal import note
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.state.statefile import Saved
from monit_agent.keeper.workers import descendants, environment
from monit_agent.keeper.workers.lookups import START_WAIT_S
from monit_agent.keeper.workers.succession import find_successor, listening_sockets
from monit_agent.keeper.workers.workers import start_of
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, awaits_ready, has_port, port_of
from monit_agent.supervise.state import (
    RESTING,
    DesiredState,
    Replacement,
    Role,
    Slot,
    Status,
    Worker,
)
from monit_agent.system import procfs
from monit_agent.typed import Any


def restore_app(keeper: Keeper, saved: Saved, *, env_given: bool) -> None:
    """Return ``keeper`` the saved slots and adopt their workers; then let the policy decide about
    the workers that have exited."""
    saved = saved._replace(app=_with_adopted_workers(saved.app))
    kept = not env_given and _restore_environment(keeper)
    if saved.left or saved.boot_id != keeper.boot:
        found = None
    else:
        found = _adopt_slots(keeper, saved)
        if not env_given and not kept:
            _adopt_environment(keeper)
    if not env_given:
        keeper.variables.note_lost(saved.inherited, keeper.spec)
    if found is None:
        _start_after_reboot(keeper, saved.app)
    else:
        _continue_slots(keeper, found)


def _with_adopted_workers(app: App) -> App:
    """Return the app with workers that are no children of this keeper."""
    return app._replace(
        slots=tuple(
            slot._replace(
                worker=slot.worker and slot.worker._replace(adopted=True),
                replacement=slot.replacement and _with_adopted_worker(slot.replacement),
            )
            for slot in app.slots
        )
    )


def _with_adopted_worker(replacement: Replacement) -> Replacement:
    worker = replacement.worker
    return replacement._replace(worker=worker and worker._replace(adopted=True))


def _adopt_slots(keeper: Keeper, saved: Saved) -> tuple[Slot, ...]:
    """Adopt what is running of the saved slots, and kill what is left of the others."""
    keeper.reloads.kill_saved(saved.reload_commands)
    unsaved = _unsaved_workers(environment.identifying_variables(keeper.paths))
    found = tuple(
        _with_successor(keeper, _adopt_slot(keeper, slot, unsaved, saved.trees), saved)
        for slot in saved.app.slots
    )
    keeper.adopt_app(App(slots=found, rollout=saved.app.rollout))
    keeper.ports.adopt(keeper.spec, saved.ports, keeper.workers.pids())
    found = tuple(_with_listening(keeper, slot) for slot in found)
    keeper.adopt_app(App(slots=found, rollout=saved.app.rollout))
    descendants.kill_leftovers(
        environment.identifying_variables(keeper.paths),
        keeper.workers.trees.leaders(),
        _gone_leaders(keeper, saved),
        only_workers=keeper.spec.policy.kill_mode == "process",
    )
    return found


def _continue_slots(keeper: Keeper, found: tuple[Slot, ...]) -> None:
    """Watch the adopted workers, and let the policy decide about those that have exited."""
    alive = keeper.workers.pids()
    for slot in found:
        if slot.worker is not None and slot.worker.pid in alive:
            keeper.record_event("adopted", slot.instance, f"pid {slot.worker.pid}")
            keeper.watch_sockets(slot.instance, slot.worker.pid)
    for slot in found:
        _open_logs(keeper, slot.instance, _running_pid(slot, alive))
        replacement = slot.replacement.worker if slot.replacement else None
        if replacement is not None and replacement.pid not in alive:
            keeper.feed(e.EachSlot((slot.instance,), _unseen_exit(replacement)))
        for worker in _starting_workers(slot):
            if worker.pid in alive:
                keeper.watch_start(slot.instance, worker.pid)
        if slot.worker is None or slot.worker.pid not in alive:
            _settle_missing_worker(keeper, slot)
    keeper.feed(e.EachSlot((), e.DeadlinePassed(now())))  # a reload that cannot go on is ended


def _adopt_slot(
    keeper: Keeper, slot: Slot, unsaved: dict[int, Worker], trees: dict[str, Any]
) -> Slot:
    """Return the slot with its worker, saved or not."""

    def adopt(worker: Worker, *, stopping: bool) -> bool:
        return keeper.workers.adopt(
            slot.instance,
            worker,
            stop_signal=keeper.spec.policy.stop_signal if stopping else 0,
            tree=trees.get(str(worker.pid), {}),
        )

    if slot.replacement is not None and slot.replacement.worker is not None:
        adopt(slot.replacement.worker, stopping=slot.replacement.role is Role.STOPPING)
    stopping = slot.status in (Status.STOPPING, Status.DRAINING)
    if slot.worker is not None and adopt(slot.worker, stopping=stopping):
        return slot
    found = unsaved.get(slot.instance)
    if slot.replacement is not None or found is None or not adopt(found, stopping=stopping):
        return slot
    return slot._replace(
        status=Status.STARTING,
        desired=DesiredState.RUNNING,
        ready=False,
        worker=found,
        deadline=found.since.mono + _start_timeout_s(keeper.spec),
        restarts=slot.restarts + (slot.worker is not None),
    )


def _starting_workers(slot: Slot) -> list[Worker]:
    starting = [slot.worker if slot.status is Status.STARTING else None]
    if slot.replacement is not None and slot.replacement.role is Role.INCOMING:
        starting.append(slot.replacement.worker)
    return [worker for worker in starting if worker is not None]


def _with_successor(keeper: Keeper, slot: Slot, saved: Saved) -> Slot:
    """Return the slot with the process that took over from its worker while there was no keeper."""
    gone = slot.worker
    if slot.status is not Status.ONLINE or gone is None or gone.pid in keeper.workers.pids():
        return slot
    port, shared = port_of(keeper.spec, slot.instance), {one["inode"] for one in saved.ports}
    successor = keeper.workers.adopt_successor(
        slot.instance,
        gone,
        saved.trees.get(str(gone.pid), {}),
        lambda left: find_successor(left, listening_sockets(left, port, shared, None), None),
    )
    if successor is None:
        return slot
    return slot._replace(worker=successor._replace(settings=gone.settings))


def _gone_leaders(keeper: Keeper, saved: Saved) -> set[int]:
    """Return the leaders of the saved workers that have exited: no process has their pid, so only
    what they left can be in their session."""
    both = ((slot.worker, slot.replacement and slot.replacement.worker) for slot in saved.app.slots)
    pids = {worker.pid for pair in both for worker in pair if worker}
    leaders = {saved.trees.get(str(pid), {}).get("leader", pid) for pid in pids}
    gone = leaders - {*keeper.workers.trees.leaders()}
    return {pid for pid in gone if (stat := procfs.process_stat(pid)) is None or stat.exited}


def _start_timeout_s(spec: AppSpec) -> float:
    waits = awaits_ready(spec) or has_port(spec)
    return spec.policy.listen_timeout_s if waits else spec.policy.min_uptime_s


def _with_listening(keeper: Keeper, slot: Slot) -> Slot:
    """Return the slot with what its worker did after the last save: if it has a shared socket, it
    accepts there when it is online."""
    if slot.worker is not None and keeper.ports.is_used_by(slot.worker.pid):
        listens = slot.listens or slot.status is Status.ONLINE
        return slot._replace(binds=True, listens=listens, shares_port=True)
    return slot


def _settle_missing_worker(keeper: Keeper, slot: Slot) -> None:
    """Handle a slot without a worker: it exited unnoticed, or its start was interrupted."""
    if slot.worker is not None:
        keeper.feed(e.EachSlot((slot.instance,), _unseen_exit(slot.worker)))
    elif slot.status not in RESTING:
        _mark_stopped(keeper, slot)
        keeper.feed(e.EachSlot((slot.instance,), e.StartRequested(now())))


def _unseen_exit(worker: Worker) -> e.Exited:
    return e.Exited(now(), None, None, 0, 0.5, worker.pid)


def _start_after_reboot(keeper: Keeper, app: App) -> None:
    """Start what was to run: no process of before the reboot can run."""
    slots = tuple(
        slot._replace(
            status=Status.STOPPED,
            ready=False,
            worker=None,
            deadline=None,
            reason=None,
            replacement=None,
            in_place=None,
            listens=False,
        )
        for slot in app.slots
        if not slot.removing
    )
    keeper.adopt_app(App(slots=slots))
    for slot in slots:
        _open_logs(keeper, slot.instance)
    keeper.feed(e.EachSlot(apps.restorable_instances(keeper.app), e.StartRequested(now())))


def _mark_stopped(keeper: Keeper, slot: Slot) -> None:
    resting = slot._replace(status=Status.STOPPED, deadline=None)
    slots = tuple(resting if old.instance == slot.instance else old for old in keeper.app.slots)
    keeper.adopt_app(keeper.app._replace(slots=slots))


def _running_pid(slot: Slot, alive: list[int]) -> int | None:
    return slot.worker.pid if slot.worker is not None and slot.worker.pid in alive else None


def _open_logs(keeper: Keeper, instance: int, adopted: int | None = None) -> None:
    try:
        keeper.logs.open_instance(instance, adopted)
    except OSError as error:
        note(f"cannot open the pipes of instance {instance}: {error.strerror}")


def _unsaved_workers(marks: environment.Env) -> dict[int, Worker]:
    """Return the workers that an earlier keeper started and did not save, by instance."""
    found: dict[int, Worker] = {}
    for pid, env in procfs.processes_with(marks):
        if env.get(b"MONIT_PID") != b"%d" % pid:
            continue
        stat = procfs.process_stat(pid)
        number = env.get(b"MONIT_INSTANCE", b"")
        if number.isdigit() and stat is not None and stat.session == pid:
            found[int(number)] = _adopted_worker(pid, stat.start_ticks)
    return found


def _adopted_worker(pid: int, ticks: int) -> Worker:
    return Worker(pid, ticks, start_of(ticks), adopted=True)


def _restore_environment(keeper: Keeper) -> bool:
    """Use the variables that an earlier keeper kept in memory; return whether there were any."""
    kept = keeper.kept_environment.read()
    if kept is not None:
        keeper.variables.restore(*kept, keeper.spec)
    return kept is not None


def _adopt_environment(keeper: Keeper) -> None:
    worker = _worker_environment(keeper)
    if worker is not None:
        keeper.variables.adopt(worker, keeper.spec, keeper.workers.lookups.asking(START_WAIT_S))


def _worker_environment(keeper: Keeper) -> environment.Env | None:
    """Return the environment of an adopted worker, without the variables that we added."""
    marks = environment.identifying_variables(keeper.paths)
    for pid in keeper.workers.pids():
        env = procfs.environment_of(pid)
        # a program that sets its title has written over its environment
        if env and all(env.get(name) == value for name, value in marks.items()):
            mine = environment.without_worker_variables(env)
            if keeper.spec.port is not None:
                mine.pop(b"PORT", None)
            return mine
    return None
