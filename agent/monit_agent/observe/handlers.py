"""What the agent does with each request: what it knows it tells, the rest the keeper does."""

import math
import time
from collections.abc import Callable, Collection
from typing import NamedTuple, cast, get_args

from monit_agent import __version__
from monit_agent.observe.answer import Handler, RefusedError, Reply
from monit_agent.observe.asks import TooManyError
from monit_agent.observe.history import History
from monit_agent.observe.keeperlink import KeeperLink
from monit_agent.observe.keeperwords import KeeperAnswer
from monit_agent.observe.known import Known
from monit_agent.observe.logfile import Part, StreamFile
from monit_agent.observe.probesock import Probes
from monit_agent.wire.limits import ACTION_BYTES, ACTION_S, LOG_RANGE_BYTES, RING_S
from monit_agent.wire.messages import (
    Accepted,
    Actions,
    ActionsPart,
    AppSnapshot,
    BlockedPart,
    BlockedTable,
    CancelReload,
    Delete,
    ErrorKind,
    Flush,
    LogPart,
    LogRange,
    LogSince,
    LogTail,
    MetricsPart,
    MetricsRange,
    Refused,
    Reload,
    Request,
    Reset,
    Restart,
    Scale,
    SendSignal,
    Snapshot,
    Start,
    Stop,
    Trigger,
    TriggerPart,
    Usage,
    UsagePart,
)
from monit_agent.wire.places import AppPlaces

LINES_MAX = 100_000
"""More lines than any answer holds."""

_KINDS: frozenset[str] = frozenset(get_args(ErrorKind))

Command = (
    Start | Stop | Restart | Reload | CancelReload | Scale | Delete | Reset | SendSignal | Flush
)
LogRequest = LogRange | LogTail | LogSince


class Identity(NamedTuple):
    """What a snapshot says of the agent itself."""

    epoch: int
    agent_pid: int


class Handlers:
    """The handlers of one agent. ``known`` gives the app's state, None before the keeper's
    first snapshot; ``event_seq`` the number of the newest event."""

    def __init__(
        self,
        places: AppPlaces,
        identity: Identity,
        link: KeeperLink,
        history: History,
        probes: Probes,
        *,
        known: Callable[[], Known | None],
        event_seq: Callable[[], int],
    ) -> None:
        self._places = places
        self._identity = identity
        self._link = link
        self._history = history
        self._probes = probes
        self._known = known
        self._event_seq = event_seq

    def table(self) -> dict[type[Request], Handler]:
        """Give the handler of every kind of request."""
        commands = get_args(Command)
        return {
            **dict.fromkeys(commands, self._command),
            Snapshot: self._snapshot,
            LogRange: self._log,
            LogTail: self._log,
            LogSince: self._log,
            MetricsRange: self._metrics,
            Usage: self._usage,
            BlockedTable: self._blocked,
            Actions: self._actions,
            Trigger: self._trigger,
        }

    def _app(self) -> Known:
        known = self._known()
        if known is None:
            raise RefusedError(
                "keeper_gone",
                "the app's keeper does not answer yet; see keeper.log in "
                f"{self._places.folder} if this lasts",
            )
        return known

    def _check(self, instances: Collection[int]) -> None:
        known = self._app().instances
        missing = sorted(set(instances) - known.keys())
        if missing:
            names = ", ".join(f"{self._places.name}/{number}" for number in missing[:5])
            there = f"0 to {max(known)}" if known else "none"
            raise RefusedError("no_such_instance", f"there is no {names}; instances: {there}")

    def _snapshot(self, _request: Snapshot, _by: str, reply: Reply) -> None:
        known = self._app()
        reply(
            AppSnapshot(
                epoch=self._identity.epoch,
                event_seq=self._event_seq(),
                agent_pid=self._identity.agent_pid,
                agent_version=__version__,
                app=known.app,
                roll=known.roll,
                instances=tuple(known.instances.values()),
                samples=dict(self._history.newest),
                logs=tuple(known.logs.values()),
                happenings=tuple(known.happenings),
                keeper_alive=known.keeper_alive,
            )
        )

    # ------------------------------------------------------------ what the keeper does

    def _command(self, request: Command, by: str, reply: Reply) -> None:
        fields: dict[str, object] = {"by": by}
        if isinstance(request, Scale):
            fields["count"] = request.count
        elif not isinstance(request, Delete | CancelReload):
            self._check(request.instances or ())
            fields["instances"] = request.instances
        if isinstance(request, Restart | Reload):
            fields["env"] = request.env
            fields["why"] = None
        if isinstance(request, Reload):
            fields["parallel"] = request.parallel
        if isinstance(request, SendSignal):
            fields["signal"] = request.signal
            fields["group"] = request.group
        do = cast("str", request.__struct_config__.tag)
        self._link.ask(do, lambda answer: reply(_from_keeper(answer)), **fields)

    # ------------------------------------------------------------ what the files say

    def _log(self, request: LogRequest, _by: str, reply: Reply) -> None:
        self._check((request.instance,))
        file = StreamFile(
            self._places.log(request.instance, request.stream),
            self._places.index(request.instance, request.stream),
        )
        part = _read(file, request)
        reply(
            LogPart(
                instance=request.instance,
                stream=request.stream,
                offset=part.offset,
                data=part.data,
                times=file.times(part.offset, part.offset + len(part.data)),
                begin=part.begin,
                end=part.end,
            )
        )

    # ------------------------------------------------------------ what was measured

    def _metrics(self, request: MetricsRange, _by: str, reply: Reply) -> None:
        self._check((request.instance,))
        since = time.time() - min(max(request.seconds, 0), RING_S)
        samples = self._history.since(request.instance, since)
        own = self._history.own_since(request.instance, since)
        reply(MetricsPart(instance=request.instance, samples=samples, own=own))

    def _blocked(self, request: BlockedTable, _by: str, reply: Reply) -> None:
        self._check((request.instance,))
        blocks = self._probes.blocks(request.instance)
        probes, faults = self._probes.faults(request.instance)
        reply(
            BlockedPart(
                instance=request.instance,
                blocks=blocks.records(time.monotonic()),
                lost=blocks.lost,
                probes=probes,
                faults=faults,
            )
        )

    def _usage(self, request: Usage, _by: str, reply: Reply) -> None:
        self._check((request.instance,))
        pid = self._app().instances[request.instance].pid
        uss = None if pid is None else self._history.reader.uss_bytes(pid)
        reply(UsagePart(instance=request.instance, uss_bytes=uss))

    # ------------------------------------------------------------ what the processes do

    def _meant(self, instance: int | None) -> list[int]:
        if instance is None:
            return sorted(self._app().instances)
        self._check((instance,))
        return [instance]

    def _actions(self, request: Actions, _by: str, reply: Reply) -> None:
        meant = self._meant(request.instance)
        offers, lost = self._probes.offers(meant), self._probes.lost_metrics(meant)
        reply(ActionsPart(offers=offers, lost_metrics=lost))

    def _trigger(self, request: Trigger, _by: str, reply: Reply) -> None:
        meant = self._meant(request.instance)
        if sum(len(word) + 8 for word in request.args) > ACTION_BYTES:
            raise RefusedError("bad_request", f"more than {ACTION_BYTES} characters of arguments")
        if not 0.0 < request.timeout_s <= ACTION_S:
            raise RefusedError("bad_request", f"a time-out is above 0 and at most {ACTION_S:g} s")
        asked = self._probes.asked(meant, request.action)
        if not asked:
            reply(TriggerPart(offers=self._probes.offers(meant)))
            return
        try:
            self._probes.asks.trigger(asked, request.action, request.args, request.timeout_s, reply)
        except TooManyError as error:
            raise RefusedError("refused", str(error)) from error


def _read(file: StreamFile, request: LogRequest) -> Part:
    match request:
        case LogRange():
            return file.range(request.start, min(request.max_bytes, LOG_RANGE_BYTES))
        case LogTail():
            return file.tail(min(request.lines, LINES_MAX), request.before)
        case LogSince():
            if not math.isfinite(request.at * 1e9):
                raise RefusedError("bad_request", f"{request.at} is no time")
            return file.since(int(request.at * 1e9))


def _from_keeper(answer: KeeperAnswer) -> Accepted | Refused:
    if answer.ok:
        return Accepted(instances=answer.instances or ())
    # a newer keeper may know kinds that this protocol version has no word for
    kind = cast("ErrorKind", answer.kind) if answer.kind in _KINDS else "failed"
    return Refused(kind=kind, message=answer.message)
