"""Reloads in place: which instances reload themselves, and how the keeper lets them."""

import signal
from collections.abc import Callable

from monit_agent.keeper.clock import now
from monit_agent.keeper.workers.orders import SpawnOrders
from monit_agent.keeper.workers.reload_command import ReloadCalls, ReloadCommands, ReloadResult
from monit_agent.keeper.workers.workers import Workers
from monit_agent.supervise import events as e
from monit_agent.supervise.appstate import App, find_slot
from monit_agent.supervise.rollout import reload_in_progress
from monit_agent.supervise.spec import AppSpec
from monit_agent.system import procfs
from monit_agent.system.users import BadUserError


class InPlaceReloads:
    """Carries out `actions.ReloadInPlace` and `actions.EndReload`. ``record_event`` gets kind,
    instance and text."""

    def __init__(
        self,
        workers: Workers,
        orders: SpawnOrders,
        ended: Callable[[int, ReloadResult], None],
        record_event: Callable[[str, int | None, str], None],
    ) -> None:
        self._workers = workers
        self._orders = orders
        self._record_event = record_event
        excluded = workers.trees.excluded
        calls = ReloadCalls(ended, orders.logs.last_bytes_since, self._not_killed, excluded)
        self._commands = ReloadCommands(calls)
        self.child_exited = self._commands.child_exited
        self.end = self._commands.kill
        self.saved, self.kill_saved = self._commands.saved, self._commands.kill_saved

    def begin(self, spec: AppSpec, instance: int, pid: int) -> e.AppEvent | None:
        """Run the reload command of a worker, or send it the signal; return an event if that fails
        at once."""
        if not spec.policy.reload_command:
            failure = self._send(spec, pid)
        else:
            failure = self._run(spec, instance, pid)
        if failure is None:
            return None
        return e.EachSlot((instance,), e.ReloadedInPlace(now(), failure))

    def _run(self, spec: AppSpec, instance: int, pid: int) -> str | None:
        running = self._commands.not_killed(instance)
        if running is not None:
            return f"the reload command of an earlier reload still runs: pid {running}"
        pids = self._workers.leader_of(pid), pid
        try:
            ends = self._orders.logs.output_ends(instance)
            order = self._orders.reload_command(spec, instance, pids)
            self._commands.start(instance, order, ends)
        except (BadUserError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            return f"the reload command cannot be started: {why}"
        return None

    def _send(self, spec: AppSpec, pid: int) -> str | None:
        """Send the signal, unless it would end the worker or is lost."""
        number = spec.policy.reload_signal
        if number is None:
            return "the app has no reload command any more"
        name, sent = signal.Signals(number).name, "so it was not sent"
        if procfs.ignores_signal(pid, number):
            return f"pid {pid} ignores {name}, {sent}"
        if not procfs.awaits_signal(pid, number):
            return f"pid {pid} has no handler for {name}, which would end it, {sent}"
        return None if self._workers.send(pid, number, group=False) else f"pid {pid} is gone"

    def _not_killed(self, instance: int | None, pids: set[int]) -> None:
        which = ", ".join(map(str, sorted(pids)))
        text = f"could not kill pid {which} of the reload command: permission denied"
        self._record_event("left_behind", instance, text)


def runs_reload_command(app: App, spec: AppSpec) -> bool:
    """Return whether a reload command runs, or a reload is in progress that will run one."""
    if any(slot.in_place is not None and not slot.in_place.by_signal for slot in app.slots):
        return True
    by_command = bool(app.rollout and app.rollout.in_place and spec.policy.reload_command)
    return by_command and reload_in_progress(app)


def reloading_instances(
    app: App, instances: tuple[int, ...], settings: int
) -> tuple[tuple[int, ...], str]:
    """Return which of the instances reload themselves, and why others are replaced; "" where that
    needs no explanation. A worker that was not started with these ``settings``, as
    `SpawnOrders.settings_checksum` returns them, is replaced: it would not see what has changed."""
    known = {
        n: slot.worker.settings
        for n in instances
        if (slot := find_slot(app, n)) is not None and slot.worker is not None
    }
    unknown = [n for n, value in known.items() if value is None]
    changed = [n for n, value in known.items() if value not in (None, settings)]
    reasons = [_changed_text(changed)] if changed else []
    reasons += [_unknown_text(unknown)] if unknown else []
    replaced = {*unknown, *changed}
    return tuple(n for n in instances if n not in replaced), "; ".join(reasons)


def _changed_text(instances: list[int]) -> str:
    if len(instances) == 1:
        why = "its settings or variables have changed since it was started"
    else:
        why = "their settings or variables have changed since they were started"
    return f"{_replaced_text(instances)}: {why}"


def _unknown_text(instances: list[int]) -> str:
    one = len(instances) == 1
    which = "it was" if one else "they were"
    return f"{_replaced_text(instances)}: the settings with which {which} started are not known"


def _replaced_text(instances: list[int]) -> str:
    plural = "" if len(instances) == 1 else "s"
    return f"instance{plural} {', '.join(map(str, instances))} will be replaced"
