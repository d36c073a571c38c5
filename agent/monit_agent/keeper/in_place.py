"""Reloads in place: which instances reload themselves, and how the keeper lets them."""

import signal
from collections.abc import Callable

from monit_agent.keeper.clock import now
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.orders import Orders
from monit_agent.keeper.workers.reload_command import ReloadCalls, ReloadCommands, ReloadResult
from monit_agent.keeper.workers.workers import Workers
from monit_agent.supervise import events as e
from monit_agent.supervise.appstate import App, find_slot
from monit_agent.supervise.spec import AppSpec, reloads_itself
from monit_agent.system import procfs

CHANGED = "replaced, because its settings or variables have changed since it was started"


class InPlaceReloads:
    """Carries out `actions.ReloadInPlace` and `actions.EndReload`."""

    def __init__(
        self,
        loop: Loop,
        workers: Workers,
        orders: Orders,
        ended: Callable[[int, ReloadResult], None],
    ) -> None:
        self._workers = workers
        self._orders = orders
        calls = ReloadCalls(ended, orders.log_output, workers.trees.excluded)
        self._commands = ReloadCommands(loop, calls)
        self.child_exited = self._commands.child_exited
        self.end = self._commands.kill

    @property
    def is_any_running(self) -> bool:
        """Return whether a reload command runs."""
        return self._commands.is_any_running

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
        pids = self._workers.leader_of(pid), pid
        try:
            self._commands.start(
                instance, lambda fd: self._orders.reload_command(spec, instance, pids, fd)
            )
        except OSError as error:
            return f"the reload command cannot be started: {error.strerror}"
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


def reloading_instances(
    app: App, spec: AppSpec, orders: Orders, instances: tuple[int, ...]
) -> tuple[tuple[int, ...], str]:
    """Return which of the instances reload themselves, and why others are replaced; "" where that
    needs no explanation. A worker that was started otherwise than one would be now is replaced: it
    would not see what has changed."""
    if not reloads_itself(spec):
        return (), ""
    settings = orders.settings(spec)
    known = {
        n: slot.worker.settings
        for n in instances
        if (slot := find_slot(app, n)) is not None and slot.worker is not None
    }
    changed = [n for n, value in known.items() if value not in (None, settings)]
    names = ", ".join(map(str, changed))
    return tuple(n for n in instances if n not in changed), f"{names} {CHANGED}" if names else ""
