"""Taking over from a keeper that died: nothing is started twice, no stranger is signalled.

A worker is who `state.json` says if pid, start time and boot are the same. Besides, whoever leads
a session and was started with our marks and ``MONIT_PID`` naming itself is a worker: a keeper may
die between fork and writing it down.
"""

import os
import time

from monit_agent.keep import environment, family, procfs
from monit_agent.keep.clock import now
from monit_agent.keep.journal import note
from monit_agent.keep.keeper import Keeper
from monit_agent.keep.statefile import Saved
from monit_agent.supervise import events as e
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, waits
from monit_agent.supervise.state import RESTING, Now, Role, Slot, Status, Wanted, Worker


def restore(keeper: Keeper, saved: Saved, *, env_given: bool) -> None:
    """Put the saved slots into ``keeper`` and its living workers with them; then let the
    policy decide about those that are gone."""
    if saved.left or saved.boot_id != keeper.boot:
        _start_cold(keeper, saved.app)
        return
    strays = _strays(environment.marks(keeper.places))
    found = tuple(_take_over(keeper, slot, strays) for slot in saved.app.slots)
    keeper.take_over(App(slots=found, roll=saved.app.roll))
    keeper.ports.adopt(keeper.spec, saved.ports, keeper.workers.pids())
    found = tuple(_listening(keeper, slot) for slot in found)
    keeper.take_over(App(slots=found, roll=saved.app.roll))
    family.kill_strays(environment.marks(keeper.places), keeper.workers.pids())
    if not env_given:
        keeper.env = _environment(keeper) or keeper.env
    alive = keeper.workers.pids()
    for slot in found:
        if slot.worker is not None and slot.worker.pid in alive:
            keeper.tell("adopted", slot.instance, f"pid {slot.worker.pid}")
    for slot in found:
        _open_logs(keeper, slot.instance)
        second = slot.beside.worker if slot.beside else None
        if second is not None and second.pid not in alive:
            keeper.feed(e.Each((slot.instance,), _unseen(second)))
        if slot.worker is None or slot.worker.pid not in alive:
            _decide_about(keeper, slot)


def _take_over(keeper: Keeper, slot: Slot, strays: dict[int, Worker]) -> Slot:
    """Give the slot with its worker, the one that is written down or one that is not yet."""
    stop_signal = keeper.spec.policy.stop_signal
    if slot.beside is not None and slot.beside.worker is not None:
        leaving = slot.beside.role is Role.LEAVING
        keeper.workers.adopt(slot.instance, slot.beside.worker, told=stop_signal if leaving else 0)
    stopping = slot.status in (Status.STOPPING, Status.DRAINING)
    told = stop_signal if stopping else 0
    if slot.worker is not None and keeper.workers.adopt(slot.instance, slot.worker, told=told):
        return slot
    stray = strays.get(slot.instance)
    if (
        slot.beside is not None
        or stray is None
        or not keeper.workers.adopt(slot.instance, stray, told=told)
    ):
        return slot
    return slot._replace(
        status=Status.STARTING,
        wanted=Wanted.RUNNING,
        ready=False,
        worker=stray,
        wake_at=stray.since.mono + _patience_s(keeper.spec),
        restarts=slot.restarts + (slot.worker is not None),
    )


def _patience_s(spec: AppSpec) -> float:
    return spec.policy.listen_timeout_s if waits(spec) else spec.policy.min_uptime_s


def _listening(keeper: Keeper, slot: Slot) -> Slot:
    """Give the slot as one that listens if its worker was online and has a shared socket: it may
    have begun to after the state was written."""
    worker = slot.worker if slot.status is Status.ONLINE else None
    if worker is not None and keeper.ports.is_used_by(worker.pid):
        return slot._replace(listens=True, shares=True)
    return slot


def _decide_about(keeper: Keeper, slot: Slot) -> None:
    """A slot without a living worker: did one die unseen, or was its start interrupted?"""
    if slot.worker is not None:
        keeper.feed(e.Each((slot.instance,), _unseen(slot.worker)))
    elif slot.status not in RESTING:
        _rest(keeper, slot)
        keeper.feed(e.Each((slot.instance,), e.StartAsked(now())))


def _unseen(worker: Worker) -> e.Exited:
    return e.Exited(now(), None, None, 0, 0.5, worker.pid)


def _start_cold(keeper: Keeper, app: App) -> None:
    """Nothing can run any more: start what its user wants to run."""
    slots = tuple(
        slot._replace(
            status=Status.STOPPED,
            ready=False,
            worker=None,
            wake_at=None,
            reason=None,
            beside=None,
            listens=False,
        )
        for slot in app.slots
        if not slot.going
    )
    keeper.take_over(App(slots=slots))
    for slot in slots:
        _open_logs(keeper, slot.instance)
    wanted = tuple(slot.instance for slot in slots if slot.wanted is Wanted.RUNNING)
    keeper.feed(e.Each(wanted, e.StartAsked(now())))


def _rest(keeper: Keeper, slot: Slot) -> None:
    resting = slot._replace(status=Status.STOPPED, wake_at=None)
    slots = tuple(resting if old.instance == slot.instance else old for old in keeper.app.slots)
    keeper.take_over(keeper.app._replace(slots=slots))


def _open_logs(keeper: Keeper, instance: int) -> None:
    try:
        keeper.logs.ready(instance)
    except OSError as error:
        note(f"cannot open the pipes of instance {instance}: {error.strerror}")


def _strays(marks: environment.Env) -> dict[int, Worker]:
    """Give the session leaders that a keeper of this app started as workers, by instance."""
    found: dict[int, Worker] = {}
    for pid in procfs.everyone():
        env = procfs.environ(pid)
        if not env or env.get(b"MONIT_PID") != b"%d" % pid:
            continue
        known = procfs.stat(pid)
        number = env.get(b"MONIT_INSTANCE", b"")
        ours = all(env.get(name) == value for name, value in marks.items())
        if ours and number.isdigit() and known is not None and known.session == pid:
            found[int(number)] = Worker(pid, known.ticks, _started(known.ticks), adopted=True)
    return found


def _started(ticks: int) -> Now:
    """Give both clocks at the time when a process was started."""
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    moment = now()
    return Now(moment.mono - age, moment.wall - age)


def _environment(keeper: Keeper) -> environment.Env | None:
    """Give the environment that an adopted worker was started with, without our part of it."""
    for pid in keeper.workers.pids():
        env = procfs.environ(pid)
        if env:
            mine = environment.without_ours(env)
            if keeper.spec.port is not None:
                mine.pop(b"PORT", None)
            return mine
    return None
