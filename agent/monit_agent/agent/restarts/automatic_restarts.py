"""The restarts that the agent requests by itself: for memory, a schedule, files, and checks."""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from monit_agent.agent.health.keeper_requests import SendRequest, ignore_answer
from monit_agent.agent.journal import log
from monit_agent.agent.keeper.messages import KeeperAnswer
from monit_agent.agent.keeper.state import AppState
from monit_agent.agent.restarts.cron_schedule import CronSchedule
from monit_agent.agent.restarts.memory_guard import Overrun
from monit_agent.agent.restarts.memory_watch import MemoryWatch
from monit_agent.agent.sampling.proctree import TreeReader
from monit_agent.wire.messages import Sample, Update, WatchState

if TYPE_CHECKING:
    from monit_agent.agent.restarts.watch_restarts import WatchRestarts

RELOAD_AGAIN_S = 5.0
"""After this a reload that was refused because of another one is requested again."""


class AutomaticRestarts:
    """Requests restarts of one app's instances; ``home`` is MONIT_HOME, and ``publish`` gets the
    updates about them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        request: SendRequest,
        state: Callable[[], AppState | None],
        reader: TreeReader,
        *,
        home: str,
        publish: Callable[[list[Update]], None],
    ) -> None:
        self._loop = loop
        self._request = request
        self._state = state
        self._home = home
        self._reader = reader
        self._publish = publish
        self._memory = MemoryWatch(loop, reader, self._overrun)
        self._schedule = CronSchedule()
        self._watch: WatchRestarts | None = None

    def close(self) -> None:
        """Stop watching files."""
        if self._watch:
            self._watch.close()

    def sample_made(self, instance: int, sample: Sample) -> None:
        """Judge the memory of a worker."""
        known = self._state()
        record = known.instances.get(instance) if known else None
        if known is not None and record is not None:
            self._memory.sample_made(record, sample, known.app.policy.max_memory_bytes)

    def every_second(self) -> None:
        """Restart the app if its schedule says so."""
        known = self._state()
        if known is None:
            return
        cron, environment, schedule = known.app.policy.cron, known.app.environment, self._schedule
        before = schedule.next_at, schedule.zone
        due = schedule.is_due(cron, environment.timezone if environment else None, time.time())
        if (schedule.next_at, schedule.zone) != before:
            self._publish(known.set_cron(schedule.next_at, schedule.zone))
        if due:
            self._restart_running(f"cron {cron}")

    def app_changed(self) -> None:
        """Start or stop watching files when the app's options or its folder changed."""
        known = self._state()
        if known is None or not (known.app.watching or self._watch):
            return
        from monit_agent.agent.restarts import watch_restarts  # noqa: PLC0415 (few apps use it)

        app = known.app
        paths = app.watch_paths or (app.cwd,)  # an older keeper names none
        watched = watch_restarts.WatchedApp(
            app.cwd, paths, app.watch_ignore, app.watch_delay_s, app.argv
        )
        if self._watch and not (app.watching and watched == self._watch.app):
            self._watch.close()
            self._watch = None
            self._show_watch(None)
        if app.watching and self._watch is None:
            actions = watch_restarts.WatchActions(
                self._files_changed, self._processes, self._show_watch, self._record
            )
            self._watch = watch_restarts.WatchRestarts(self._loop, watched, self._home, actions)

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._memory.remove_instance(instance)

    def restart(
        self,
        instances: tuple[int, ...],
        why: str,
        refused: Callable[[], None] | None = None,
        *,
        in_place: bool = False,
    ) -> None:
        """Replace workers; ``refused`` is called when the keeper does not do it. With ``in_place``,
        those of a program that can reload itself do so instead."""
        # where a port is shared a reload loses no request; elsewhere all may restart at once
        known = self._state()
        shared = known is not None and known.app.mode != "fork"
        itself = known is not None and known.app.policy.reloads_itself
        reload = shared or (itself and in_place)
        do = "reload" if reload else "restart"
        # a neighbour in version knows `replace` if the app has such a command or signal
        more = {"replace": True} if itself and reload and not in_place else {}

        def answered(answer: KeeperAnswer) -> None:
            if answer.ok:
                return
            log(f"{do} ({why}) was refused: {answer.message}")
            if refused is not None:
                refused()
            elif (
                reload and answer.kind == "refused"
            ):  # another one is under way, and may be too old
                again = partial(self.restart, instances, why, in_place=in_place)
                self._loop.call_later(RELOAD_AGAIN_S, again)

        self._request(do, answered, instances=instances, why=why, env=None, by=None, **more)

    def _files_changed(self, why: str) -> bool:
        return self._restart_running(why, in_place=True)

    def _restart_running(self, why: str, *, in_place: bool = False) -> bool:
        """Restart all that should run; return False when that is nothing."""
        known = self._state()
        running = [
            number
            for number, record in (known.instances.items() if known else ())
            if record.desired == "running"
        ]
        if running:
            self.restart(tuple(running), why, in_place=in_place)
        return bool(running)

    def _processes(self) -> Iterator[int]:
        known = self._state()
        for record in known.instances.values() if known else ():
            if record.pid is not None:
                yield from (process.pid for process in self._reader.tree(record.pid))

    def _show_watch(self, watch: WatchState | None) -> None:
        known = self._state()
        if known is not None:
            self._publish(known.set_watch(watch))

    def _record(self, kind: str, text: str) -> None:
        self._request("record_event", ignore_answer, instance=None, kind=kind, text=text)

    def _overrun(self, instance: int, overrun: Overrun) -> None:
        if overrun.kill:
            kill = {"instances": (instance,), "signal": "KILL", "group": True}
            self._request("signal", ignore_answer, **kill, why=overrun.why, by=None)
        else:
            self.restart((instance,), overrun.why)
