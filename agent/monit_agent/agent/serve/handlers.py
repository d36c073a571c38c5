"""Handles each request: answers from what the agent knows, and passes commands to the keeper."""

import math
import time
from collections.abc import Callable, Collection
from typing import NamedTuple, cast, get_args

from msgspec.structs import replace

from monit_agent import __version__
from monit_agent.agent.alerts.watch import AlertWatch
from monit_agent.agent.crashes.store import CrashStore, answer_crashes
from monit_agent.agent.history.answers import answer_events, answer_history, past_seconds
from monit_agent.agent.history.reader import HistoryReader
from monit_agent.agent.keeper.link import KeeperLink
from monit_agent.agent.keeper.messages import KeeperAnswer
from monit_agent.agent.keeper.state import AppState
from monit_agent.agent.logs.places import stream_reader
from monit_agent.agent.logs.reader import Part, StreamReader
from monit_agent.agent.logs.search_process import SearchProcess
from monit_agent.agent.probes.actions import TooManyCallsError
from monit_agent.agent.probes.receiver import Probes
from monit_agent.agent.sampling.recent import RecentSamples
from monit_agent.agent.sampling.whole_app import WholeApp
from monit_agent.agent.serve.log_search import LogSearches
from monit_agent.agent.serve.router import Handler, RefusedError, Reply
from monit_agent.wire import codec
from monit_agent.wire.limits import ACTION_BYTES, ACTION_S, LOG_RANGE_BYTES, RING_S
from monit_agent.wire.messages import (
    Accepted,
    Actions,
    ActionsPart,
    AppSnapshot,
    BlockedPart,
    BlockedTable,
    CancelReload,
    Crashes,
    Delete,
    ErrorKind,
    EventsRange,
    Flush,
    HistoryRange,
    Listing,
    ListingPart,
    LogPart,
    LogRange,
    LogSearch,
    LogSince,
    LogTail,
    MetricsPart,
    MetricsRange,
    Refused,
    Reload,
    ReopenLogs,
    Request,
    Reset,
    Restart,
    Scale,
    SendSignal,
    Snapshot,
    Start,
    Stop,
    Stream,
    Trigger,
    TriggerPart,
    Usage,
    UsagePart,
)
from monit_agent.wire.paths import AppPaths

LINES_MAX = 100_000
"""More lines than any answer holds."""

_KINDS: frozenset[str] = frozenset(get_args(ErrorKind))

Command = (
    Start | Stop | Restart | Reload | CancelReload | Scale | Delete | Reset | SendSignal | Flush
    | ReopenLogs
)  # fmt: skip
LogRequest = LogRange | LogTail | LogSince


class AgentIdentity(NamedTuple):
    """The agent itself, as a snapshot describes it."""

    epoch: int
    agent_pid: int


class RequestHandlers:
    """The handlers of one agent. ``known`` returns the app's state, None before the keeper's
    first snapshot; ``event_seq`` the number of the newest event."""

    def __init__(
        self,
        paths: AppPaths,
        identity: AgentIdentity,
        link: KeeperLink,
        recent: RecentSamples,
        probes: Probes,
        *,
        whole: WholeApp,
        past: HistoryReader,
        search: SearchProcess,
        crashes: CrashStore,
        known: Callable[[], AppState | None],
        event_seq: Callable[[], int],
        alerts: AlertWatch,
    ) -> None:
        self._paths = paths
        self._identity = identity
        self._link = link
        self._recent = recent
        self._whole = whole
        self._past = past
        self._probes = probes
        self._known = known
        self._event_seq = event_seq
        self._alerts = alerts
        self._crashes = crashes

        def read_of(instance: int, stream: Stream) -> StreamReader:
            self._require_instances((instance,))
            return stream_reader(paths, self._require_app().app, instance, stream)

        self._reader = read_of
        self._searches = LogSearches(search, read_of)

    def table(self) -> dict[type[Request], Handler]:
        """Return the handler of every kind of request."""
        crashes = self._crashes
        commands = get_args(Command)
        return {
            **dict.fromkeys(commands, self._handle_command),
            Snapshot: lambda _request, _by, reply: reply(self._snapshot()),
            Listing: lambda _request, _by, reply: reply(_listing(self._snapshot())),
            LogRange: self._handle_log,
            LogTail: self._handle_log,
            LogSince: self._handle_log,
            LogSearch: self._searches.handle,
            MetricsRange: self._handle_metrics,
            HistoryRange: self._handle_history,
            EventsRange: self._handle_events,
            Crashes: lambda request, _by, reply: reply(answer_crashes(crashes, request)),
            Usage: self._handle_usage,
            BlockedTable: self._handle_blocked,
            Actions: self._handle_actions,
            Trigger: self._handle_trigger,
        }

    def _require_app(self) -> AppState:
        known = self._known()
        if known is None:
            raise RefusedError(
                "keeper_gone",
                "the app's keeper does not answer yet; see keeper.log in "
                f"{self._paths.folder} if this lasts",
            )
        return known

    def _require_instances(self, instances: Collection[int]) -> None:
        known = self._require_app().instances
        missing = sorted(set(instances) - known.keys())
        if missing:
            names = ", ".join(f"{self._paths.name}/{number}" for number in missing[:5])
            there = f"0 to {max(known)}" if known else "none"
            raise RefusedError("no_such_instance", f"there is no {names}; instances: {there}")

    def _snapshot(self) -> AppSnapshot:
        known = self._require_app()
        return AppSnapshot(
            epoch=self._identity.epoch,
            event_seq=self._event_seq(),
            agent_pid=self._identity.agent_pid,
            agent_version=__version__,
            app=known.app,
            rollout=known.rollout,
            instances=tuple(known.instances.values()),
            samples=dict(self._recent.newest),
            app_sample=self._whole.newest,
            logs=tuple(known.logs.values()),
            events=tuple(known.events),
            keeper_alive=known.keeper_alive,
            alerts=self._alerts.records(),
            mutes=self._alerts.mutes.current,
            hooks=self._alerts.hooks(),
        )

    # ------------------------------------------------------------ by the keeper

    def _handle_command(self, request: Command, by: str, reply: Reply) -> None:
        fields: dict[str, object] = {"by": by}
        if isinstance(request, Scale):
            fields["count"] = request.count
        elif not isinstance(request, Delete | CancelReload):
            self._require_instances(request.instances or ())
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
        self._link.request(do, lambda answer: reply(_from_keeper(answer)), **fields)

    # ------------------------------------------------------------ from the log files

    def _handle_log(self, request: LogRequest, _by: str, reply: Reply) -> None:
        reader = self._reader(request.instance, request.stream)
        part = _read_log(reader, request)
        reply(
            LogPart(
                instance=request.instance,
                stream=request.stream,
                offset=part.offset,
                data=part.data,
                times=reader.times(part.offset, part.offset + len(part.data)),
                begin=part.begin,
                end=part.end,
            )
        )

    # ------------------------------------------------------------ from the samples

    def _handle_metrics(self, request: MetricsRange, _by: str, reply: Reply) -> None:
        self._require_instances((request.instance,))
        since = time.time() - min(max(request.seconds, 0), RING_S)
        past = past_seconds(self._recent, self._past, request.instance, since)
        reply(
            MetricsPart(instance=request.instance, at=past.at, figures=past.figures, own=past.own)
        )

    def _handle_history(self, request: HistoryRange, _by: str, reply: Reply) -> None:
        reply(answer_history(self._past, request, time.time()))

    def _handle_events(self, request: EventsRange, _by: str, reply: Reply) -> None:
        reply(answer_events(self._past, request, time.time()))

    def _handle_blocked(self, request: BlockedTable, _by: str, reply: Reply) -> None:
        self._require_instances((request.instance,))
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

    def _handle_usage(self, request: Usage, _by: str, reply: Reply) -> None:
        self._require_instances((request.instance,))
        pid = self._require_app().instances[request.instance].pid
        uss = None if pid is None else self._recent.reader.uss_bytes(pid)
        reply(UsagePart(instance=request.instance, uss_bytes=uss))

    # ------------------------------------------------------------ from the processes

    def _chosen_instances(self, instance: int | None) -> list[int]:
        if instance is None:
            return sorted(self._require_app().instances)
        self._require_instances((instance,))
        return [instance]

    def _handle_actions(self, request: Actions, _by: str, reply: Reply) -> None:
        chosen = self._chosen_instances(request.instance)
        offers, lost = self._probes.offers(chosen), self._probes.lost_metrics(chosen)
        reply(ActionsPart(offers=offers, lost_metrics=lost))

    def _handle_trigger(self, request: Trigger, by: str, reply: Reply) -> None:
        chosen = self._chosen_instances(request.instance)
        if sum(len(word) + 8 for word in request.args) > ACTION_BYTES:
            raise RefusedError("bad_request", f"more than {ACTION_BYTES} characters of arguments")
        if not 0.0 < request.timeout_s <= ACTION_S:
            raise RefusedError("bad_request", f"a time-out is above 0 and at most {ACTION_S:g} s")
        targets = self._probes.action_targets(chosen, request.action)
        if not targets:
            reply(TriggerPart(offers=self._probes.offers(chosen)))
            return
        text = f"trigger {request.action}"
        record = {"instance": request.instance, "kind": "requested", "text": text, "by": by}
        self._link.request("record_event", lambda _answer: None, **record)
        try:
            self._probes.actions.call(
                targets, request.action, request.args, request.timeout_s, reply
            )
        except TooManyCallsError as error:
            raise RefusedError("refused", str(error)) from error


def _listing(snapshot: AppSnapshot) -> ListingPart:
    return ListingPart(json=codec.record_json(replace(snapshot, logs=(), events=())))


def _read_log(reader: StreamReader, request: LogRequest) -> Part:
    match request:
        case LogRange():
            return reader.range(request.start, min(request.max_bytes, LOG_RANGE_BYTES))
        case LogTail():
            return reader.tail(min(request.lines, LINES_MAX), request.before)
        case LogSince():
            if not math.isfinite(request.at * 1e9):
                raise RefusedError("bad_request", f"{request.at} is no time")
            return reader.since(int(request.at * 1e9))


def _from_keeper(answer: KeeperAnswer) -> Accepted | Refused:
    if answer.ok:
        return Accepted(instances=answer.instances or ())
    # a newer keeper may know kinds that this protocol version has no word for
    kind = cast("ErrorKind", answer.kind) if answer.kind in _KINDS else "failed"
    return Refused(kind=kind, message=answer.message)
