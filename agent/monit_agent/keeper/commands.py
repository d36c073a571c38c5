"""Requests on ``keeper.sock``: a fixed table of what each does."""

import os
import signal
from collections.abc import Callable

from monit_agent import __version__
from monit_agent.keeper.about import about, greeting
from monit_agent.keeper.clock import now
from monit_agent.keeper.control import Client, refusal
from monit_agent.keeper.in_place import reloading_instances, runs_reload_command
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.spec_changes import SpecChanges, instances_without_listener
from monit_agent.keeper.upgrade.upgrade import Upgrade
from monit_agent.keeper.workers import environment
from monit_agent.keeper.workers.lookups import REQUEST_WAIT_S
from monit_agent.keeper.workers.room import missing_room
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise import readiness
from monit_agent.supervise.requests import (
    AcceptedRequest,
    RefusedRequestError,
    Request,
    accept,
    requested_instances,
    requested_text,
    requester,
    with_beside,
    with_ids,
    with_in_place,
)
from monit_agent.supervise.spec import for_size, reloads_itself
from monit_agent.system.users import BadUserError
from monit_agent.typed import Any, cast
from monit_agent.wire.paths import STREAMS

AGENT_EVENTS = (
    *("stuck", "unstuck", "unhealthy", "healthy", "crashed"),
    *("watch_slowed", "watch_failed", "watch_resumed"),
    *("alert_fired", "alert_cleared", "alert_flapping", "hook_failed", "hook_works"),
    "requested",
)
"""Events that only the agent can see; ``requested`` is what it carries out itself."""

WHY_CHARACTERS = 300

_INSTANCES = ("instances", "by")
REQUEST_FIELDS: dict[str, tuple[str, ...]] = {
    "start": _INSTANCES,
    "stop": _INSTANCES,
    "restart": (*_INSTANCES, "env", "why"),
    "reload": (*_INSTANCES, "env", "why", "parallel", "replace"),
    "cancel_reload": ("by",),
    "scale": ("count", "by"),
    "reset": _INSTANCES,
    "flush": _INSTANCES,
    "reopen_logs": _INSTANCES,
    "signal": (*_INSTANCES, "signal", "group", "why"),
    "delete": ("by",),
    "kill": ("by", "why"),
    "logs_read": ("instance", "stream", "offset", "by"),
    "compare": ("named", "env"),
    "apply": ("spec", "named", "how", "env", "by", "why"),
    "ready": ("instance", "pid", "why"),
    "record_event": ("instance", "kind", "text", "by"),
    "move_agent": (),
}
"""The fields of each request besides ``id`` and ``do``; any other one is refused, because whoever
sends it means something by it. ``hello`` is not here: it introduces neighbours in version."""


class Commands:
    """Checks requests and passes them on to the keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._accepted: AcceptedRequest | None = None
        self._upgrade: Upgrade | None = None
        self._changes = SpecChanges(keeper)
        self._table: dict[str, Callable[[Client, Request], Request | None]] = {
            "hello": self._hello,
            "version": self._version,
            "upgrade": self._begin_upgrade,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "reload": self._reload,
            "cancel_reload": self._cancel_reload,
            "scale": self._scale,
            "reset": self._reset,
            "flush": self._flush,
            "reopen_logs": self._reopen_logs,
            "signal": self._signal,
            "delete": self._delete,
            "kill": self._kill,
            "logs_read": self._logs_read,
            "compare": self._compare,
            "apply": self._apply,
            "ready": self._ready,
            "record_event": self._record_event,
            "move_agent": self._move_agent,
        }

    def answer(self, client: Client, request: Request) -> Request | None:
        """Return the body of the answer; None for one that comes later. What was requested has
        begun by then, or begins with `begin_accepted`."""
        do = request.get("do")
        command = self._table.get(do) if isinstance(do, str) else None
        if command is None:
            kind, known = (
                "unsupported" if isinstance(do, str) else "bad_request",
                " ".join(self._table),
            )
            return refusal(
                kind, f"no such request {do!r} in monit {__version__}; known requests: {known}"
            )
        unknown = _unknown_fields(request)
        if unknown is not None:
            return refusal("bad_request", unknown)
        try:
            body = command(client, request)
        except RefusedRequestError as refused:
            return refusal(refused.kind, str(refused))
        except OSError as error:
            file = f"{error.filename}: " if error.filename else ""
            return refusal("failed", f"{do}: {file}{error.strerror}")
        return None if body is None else {"ok": True, **body}

    def begin_accepted(self) -> None:
        """Begin what was requested last and takes long with many instances: a fork takes several
        milliseconds, so who requested 400 workers would wait for the answer for seconds."""
        accepted, self._accepted = self._accepted, None
        if accepted is not None:
            self._keeper.supervisor.carry_out(accepted)

    def _hello(self, client: Client, request: Request) -> Request:
        client.follows, client.hello_id = True, request.get("id")
        if request.get("role") == "agent":
            version = request.get("version")
            self._keeper.agent.agent_connected(
                client.pid, version if isinstance(version, str) else None
            )
        return greeting(self._keeper)

    def _move_agent(self, _client: Client, _request: Request) -> Request:
        self._keeper.agent.move_out()
        return {}

    def _version(self, _client: Client, _request: Request) -> Request:
        return about(self._keeper)

    def _begin_upgrade(self, client: Client, request: Request) -> None:
        if self._changes.in_progress:
            raise RefusedRequestError("refused", "the app is being changed; try again afterwards")
        if runs_reload_command(self._keeper.app, self._keeper.spec):
            name = self._keeper.spec.name  # the next version would not see how the command exits
            raise RefusedRequestError(
                "refused",
                "a reload command runs; try again when the reload has ended, or cancel it with "
                f"monit reload {name} --cancel",
            )
        self._upgrade = self._upgrade or Upgrade(self._keeper)
        self._upgrade.begin(client, request)

    def _start(self, _client: Client, request: Request) -> Request:
        accepted = self._accept("start", request)
        taken = self._keeper.ports.conflict(self._keeper.spec) if accepted.instances else None
        if taken is not None:
            raise RefusedRequestError("refused", taken)
        return self._carry_out(accepted)

    def _stop(self, _client: Client, request: Request) -> Request:
        return self._carry_out(self._accept("stop", request))

    def _restart(self, _client: Client, request: Request) -> Request:
        accepted = self._accept("restart", request)
        self._refuse_if_missing(accepted, request)
        self._take_env(request)
        return self._carry_out(accepted)

    def _reload(self, _client: Client, request: Request) -> Request:
        accepted = self._accept("reload", request)
        self._refuse_if_missing(accepted, request)
        in_place = request.get("replace") is not True and reloads_itself(self._keeper.spec)
        if in_place:
            self._prepare_in_place()
        self._take_env(request)
        if in_place:
            accepted = self._with_in_place(accepted)
        beside = instances_without_listener(self._keeper, accepted.instances)
        return self._carry_out(with_beside(accepted, beside))

    def _prepare_in_place(self) -> None:
        """Refuse a reload in place whose command would not end before an upgrade, or whose user is
        not known."""
        keeper = self._keeper
        upgrading = self._upgrade is not None and self._upgrade.in_progress
        if upgrading and keeper.spec.policy.reload_command:
            raise RefusedRequestError("refused", "monit is being upgraded; try again afterwards")
        try:
            if keeper.orders.prepare(keeper.spec, REQUEST_WAIT_S):
                keeper.supervisor.publish_app()
        except (BadUserError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise RefusedRequestError("failed", f"nothing was reloaded: {why}") from error

    def _with_in_place(self, accepted: AcceptedRequest) -> AcceptedRequest:
        """Return the request with the instances that reload themselves."""
        keeper = self._keeper
        settings = keeper.orders.settings_checksum(keeper.spec)
        return with_in_place(
            accepted, *reloading_instances(keeper.app, accepted.instances, settings)
        )

    def _compare(self, _client: Client, request: Request) -> Request:
        return self._changes.compare(request)

    def _apply(self, _client: Client, request: Request) -> Request:
        accepted = self._changes.accept(request)
        return {"instances": ()} if accepted is None else self._carry_out(accepted)

    def _cancel_reload(self, _client: Client, request: Request) -> Request:
        return self._carry_out_now(self._accept("cancel_reload", request))

    def _reset(self, _client: Client, request: Request) -> Request:
        return self._carry_out_now(self._accept("reset", request))

    def _scale(self, _client: Client, request: Request) -> Request:
        accepted = self._accept("scale", request)
        size = len(accepted.instances)
        missing = apps.new_slot_count(self._keeper.app, size)
        refusal = missing_room(self._keeper.spec, missing)
        if refusal is not None:
            raise RefusedRequestError("refused", refusal)
        accepted = with_ids(accepted, self._keeper.allocate_ids(missing))
        self._keeper.supervisor.spec = for_size(self._keeper.spec, size)
        return self._carry_out(accepted)

    def _delete(self, _client: Client, request: Request) -> Request:
        return self._carry_out(self._accept("delete", request))

    def _kill(self, _client: Client, request: Request) -> Request:
        """Kill the workers of an app that is being deleted, without waiting for its timeout."""
        if self._keeper.app.ending is None:
            raise RefusedRequestError("refused", "only an app that is being deleted can be killed")
        workers = self._keeper.workers
        pids = workers.pids()
        for pid in pids:
            workers.kill(pid)
        text = requested_text(f"SIGKILL to {len(pids)} workers", request)
        self._keeper.record_event("requested", None, text, requester(request))
        return {"instances": ()}

    def _logs_read(self, _client: Client, request: Request) -> Request:
        """Note how far the process of `monit run` has read a stream."""
        instance, stream, offset = (request.get(key) for key in ("instance", "stream", "offset"))
        if not isinstance(instance, int) or stream not in STREAMS or not isinstance(offset, int):
            raise RefusedRequestError(
                "bad_request", "logs_read needs 'instance', 'stream' and 'offset'"
            )
        self._keeper.logs.reading.was_read((instance, stream), offset)
        self._keeper.logs.publish(at_once=True)
        return {"instances": (instance,)}

    def _flush(self, _client: Client, request: Request) -> Request:
        instances = self._instances(request)
        for instance in instances:
            self._keeper.logs.flush(instance)
            self._keeper.record_event("flushed", instance, "log files emptied", requester(request))
        return {"instances": instances}

    def _reopen_logs(self, _client: Client, request: Request) -> Request:
        instances = self._instances(request)
        moved = self._keeper.logs.reopen()
        text = f"{moved} log files had been moved away and were begun again"
        self._keeper.record_event("logs_reopened", None, text, requester(request))
        return {"instances": instances}

    def _ready(self, _client: Client, request: Request) -> Request:
        """Handle the result of a readiness check: the worker is ready, or why it is not."""
        (instance,) = self._instances({"instances": [request.get("instance")]})
        pid, why = request.get("pid"), request.get("why")
        if not isinstance(pid, int) or not (why is None or isinstance(why, str)):
            raise RefusedRequestError("bad_request", "ready needs 'pid', and 'why' as text or null")
        which = (self._keeper.app, instance, pid, self._keeper.spec)
        if not readiness.awaits_check(*which):
            raise RefusedRequestError(
                "refused", f"pid {pid} of instance {instance} is not waited for"
            )
        if why is None and readiness.must_listen_first(*which):
            why = "it does not listen on the shared port"
        event: e.SlotEvent = e.BecameReady(now(), pid, checked=True)
        if why is not None:
            event = e.ReadinessFailed(now(), why[:WHY_CHARACTERS], pid)
        self._keeper.feed(e.EachSlot((instance,), event))
        return {"instances": (instance,)}

    def _record_event(self, _client: Client, request: Request) -> Request:
        """Record an event that the agent saw."""
        instance = request.get("instance")
        if instance is not None:
            self._instances({"instances": [instance]})
        kind, text = request.get("kind"), request.get("text")
        if kind not in AGENT_EVENTS or not isinstance(text, str):
            raise RefusedRequestError(
                "bad_request", f"record_event needs 'text' and a 'kind': {' '.join(AGENT_EVENTS)}"
            )
        self._keeper.record_event(kind, instance, text[:WHY_CHARACTERS], requester(request))
        return {"instances": () if instance is None else (instance,)}

    def _signal(self, _client: Client, request: Request) -> Request:
        number = _signal_number(request.get("signal"))
        group = request.get("group") is True
        asked = self._instances(request)
        sent = tuple(n for n in asked if self._send(n, number, group=group))
        if not sent:
            raise RefusedRequestError("refused", "none of these instances has a worker to signal")
        text = requested_text(f"signal {signal.Signals(number).name}", request, sent)
        self._keeper.record_event("requested", None, text, requester(request))
        return {"instances": sent}

    def _send(self, instance: int, number: int, *, group: bool) -> bool:
        slot = apps.find_slot(self._keeper.app, instance)
        if slot is None or slot.worker is None:
            return False
        return self._keeper.workers.send(slot.worker.pid, number, group=group)

    # ------------------------------------------------------------ common parts

    def _refuse_if_missing(self, accepted: AcceptedRequest, request: Request) -> None:
        """Refuse to stop a worker when the next one could not start."""
        if all(_worker_pid(self._keeper.app, n) is None for n in accepted.instances):
            return
        env: Any = request.get("env")
        path = cast("Request", env).get("PATH") if isinstance(env, dict) else None
        inherited = {b"PATH": os.fsencode(path)} if isinstance(path, str) else None
        search = self._keeper.variables.merged(self._keeper.spec, inherited).get(b"PATH")
        missing = self._keeper.variables.missing(self._keeper.spec)
        try:
            missing = missing or self._keeper.orders.missing(self._keeper.spec, search)
        except OSError as error:
            missing = error.strerror
        if missing is not None:
            raise RefusedRequestError("failed", f"nothing was stopped: {missing}")

    def _accept(self, do: str, request: Request) -> AcceptedRequest:
        return accept(do, self._keeper.app, self._keeper.spec, request, now())

    def _carry_out(self, accepted: AcceptedRequest) -> Request:
        self._accepted = accepted
        return {"instances": accepted.instances}

    def _carry_out_now(self, accepted: AcceptedRequest) -> Request:
        self._keeper.supervisor.carry_out(accepted)
        return {"instances": accepted.instances}

    def _instances(self, request: Request) -> tuple[int, ...]:
        return requested_instances(self._keeper.app, self._keeper.spec, request)

    def _take_env(self, request: Request) -> None:
        """Use the environment that an accepted request brings."""
        env: Any = request.get("env")
        if env is None:
            return
        try:
            inherited = environment.env_from_json(env)
        except (AttributeError, TypeError, ValueError) as error:
            text = f"'env' is not an environment: {error}"
            raise RefusedRequestError("bad_request", text) from error
        self._keeper.variables.inherit(inherited)
        self._keeper.supervisor.publish_app()


def _unknown_fields(request: Request) -> str | None:
    """Return that a request has fields that its kind does not have; None when it has none."""
    do = request["do"]
    known = REQUEST_FIELDS.get(do)
    unknown = () if known is None else sorted({*request} - {"id", "do", *known})
    if known is None or not unknown:
        return None
    return f"{do!r} has no field {', '.join(map(repr, unknown))}; it knows {', '.join(known)}"


def _worker_pid(app: apps.App, instance: int) -> int | None:
    slot = apps.find_slot(app, instance)
    return slot.worker.pid if slot is not None and slot.worker is not None else None


def _signal_number(name: Any) -> int:
    text = str(name).upper()
    if text.isdigit():
        number = int(text)
    else:
        full = text if text.startswith("SIG") else f"SIG{text}"
        number = signal.Signals.__members__.get(full, 0)
    if number not in signal.valid_signals():
        raise RefusedRequestError("bad_request", f"there is no signal {name!r}")
    return int(number)
