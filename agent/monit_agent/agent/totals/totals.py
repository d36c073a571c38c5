"""The counters of one app and their file.

They are written before they are sent: what a client has seen is never taken back, also when the
agent is killed at that moment. Between two requests they are written once a minute.
"""

import os
from collections.abc import Callable

import msgspec

from monit_agent import __version__
from monit_agent.agent.journal import log
from monit_agent.agent.keeper.state import AppState
from monit_agent.agent.probes.reports import Report
from monit_agent.agent.sampling.sampler import SampledTree
from monit_agent.agent.serve.router import Handler, RefusedError, Reply
from monit_agent.agent.totals.counters import Counters
from monit_agent.agent.totals.instance import InstanceCounters, SavedTotals
from monit_agent.system.files.own_file import read_own_file
from monit_agent.system.files.replaced_file import replace_file
from monit_agent.system.service_identity import service_instance_id
from monit_agent.wire.messages import (
    InstanceRecord,
    InstanceTotals,
    LogEnd,
    Request,
    Sample,
    Totals,
    TotalsPart,
)

VERSION = 1
SAVE_S = 60
"""Seconds between two writes that nobody waits for: what they lose is a minute of durations at the
kill of an agent whose counters nobody reads."""


class _SavedFile(msgspec.Struct):
    version: int
    instances: dict[int, SavedTotals] = {}
    app: dict[str, float] = {}


class AppTotals:
    """The counters of one app, kept in the file ``path``. Nothing here raises."""

    def __init__(
        self,
        path: str,
        known: Callable[[], AppState | None],
        newest: Callable[[], dict[int, Sample]],
        publish_dropped: Callable[[], int],
    ) -> None:
        self._path = path
        self._known = known
        self._newest = newest
        self._publish_dropped = publish_dropped
        self._instances: dict[int, InstanceCounters] = {}
        self._app = Counters()
        self._problem: str | None = None
        self._seconds = 0
        self._load()

    def table(self) -> dict[type[Request], Handler]:
        """Return the handler of the request."""
        return {Totals: lambda _request, _by, reply: self._answer(reply)}

    # ------------------------------------------------------------ what is counted

    def slot_changed(self, record: InstanceRecord) -> None:
        """Count exits and restarts."""
        self._of(record.instance).slot_changed(record)

    def log_changed(self, end: LogEnd) -> None:
        """Count what was lost of a stream."""
        self._of(end.instance).log_changed(end)

    def tree_sampled(self, instance: int, pid: int, tree: SampledTree) -> None:
        """Count the CPU time of a worker's tree."""
        self._of(instance).cpu_used(f"{pid} tree {tree.started:.0f}", tree.cpu_s)

    def report_received(self, instance: int, pid: int, report: Report) -> None:
        """Count what a probe reports."""
        self._of(instance).report_received(f"{pid} {report.started}", report)

    def remove_instance(self, instance: int) -> None:
        """Drop the counters of a slot that is gone."""
        self._instances.pop(instance, None)

    def every_second(self) -> None:
        """Write the file when it is time."""
        self._seconds += 1
        if self._seconds % SAVE_S == 0:
            self.save()

    def _of(self, instance: int) -> InstanceCounters:
        found = self._instances.get(instance)
        if found is None:
            found = self._instances[instance] = InstanceCounters()
        return found

    # ------------------------------------------------------------ the request

    def _record(self, app: str, instance: int) -> InstanceTotals:
        home = os.path.dirname(os.path.dirname(os.path.dirname(self._path)))
        found = service_instance_id(home, app, instance)
        record = self._of(instance).record()
        return msgspec.structs.replace(record, service_instance_id=found)

    def _answer(self, reply: Reply) -> None:
        known = self._known()
        if known is None:
            raise RefusedError("keeper_gone", "the app's keeper does not answer yet")
        self.save()
        samples = {
            number: msgspec.structs.replace(sample, processes=())
            for number, sample in self._newest().items()
            if number in known.instances
        }
        reply(
            TotalsPart(
                app=known.app,
                agent_version=__version__,
                keeper_alive=known.keeper_alive,
                instances=tuple(known.instances.values()),
                samples=samples,
                totals={number: self._record(known.app.name, number) for number in known.instances},
                publish_dropped=self._app.integer("publish_dropped") or 0,
            )
        )

    # ------------------------------------------------------------ the file

    def _load(self) -> None:
        try:
            saved = msgspec.json.decode(read_own_file(self._path), type=_SavedFile)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            log(f"{self._path} cannot be read, and counters start from 0: {error}")
            return
        if saved.version != VERSION:
            log(f"{self._path} is of another version of monit, and counters start from 0")
            return
        for number, each in saved.instances.items():
            self._instances[number] = InstanceCounters(each)
        self._app = Counters(saved.app)

    def save(self) -> None:
        """Write the file. A full disk is logged once; the counters are kept in memory meanwhile."""
        self._app.add("agent", {"publish_dropped": self._publish_dropped()})
        known = self._known()
        for number in list(self._instances):
            if known is not None and number not in known.instances:
                del self._instances[number]
        for each in self._instances.values():
            each.drop_sources(_is_gone)
        instances = {number: each.saved() for number, each in self._instances.items()}
        saved = _SavedFile(VERSION, instances, self._app.totals)
        try:
            replace_file(self._path, msgspec.json.encode(saved), sync=False)
        except OSError as error:
            problem = f"cannot write {self._path}: {error.strerror}"
            if problem != self._problem:
                log(problem)
            self._problem = problem
        else:
            self._problem = None


def _is_gone(source: str) -> bool:
    return not os.path.exists(f"/proc/{source.partition(' ')[0]}")
