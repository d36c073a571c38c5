"""Commands to a replayed app, carried out by the real decisions."""

from typing import Any, cast

from monit_agent.replay.app import ReplayedApp
from monit_agent.supervise import app as apps
from monit_agent.supervise.requests import (
    RefusedRequestError,
    accept,
    requested_instances,
    requested_text,
    with_ids,
    with_in_place,
)
from monit_agent.supervise.spec import reloads_itself
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    ErrorKind,
    Flush,
    Refused,
    Reload,
    ReopenLogs,
    Request,
    Scale,
    SendSignal,
)

WHO = "anna:4242"
"""Who presses the keys in a scene."""


def carry_out(app: ReplayedApp, request: Request) -> Answer:
    """Return what the keeper would answer; what follows has begun by then."""
    try:
        return Accepted(instances=_carry_out(app, request))
    except RefusedRequestError as refused:
        return Refused(kind=cast("ErrorKind", refused.kind), message=str(refused))


def _carry_out(app: ReplayedApp, request: Request) -> tuple[int, ...]:
    supervisor = app.supervisor
    fields = _fields(request)
    if isinstance(request, Flush | ReopenLogs | SendSignal):
        instances = requested_instances(supervisor.app, supervisor.spec, fields)
        if isinstance(request, Flush):
            return _flush(app, instances)
        if isinstance(request, ReopenLogs):
            return instances  # nobody moves the files of a scene
        return _send_signal(app, request, instances)
    do = cast("str", request.__struct_config__.tag)
    accepted = accept(do, supervisor.app, supervisor.spec, fields, app.workers.moment())
    if isinstance(request, Scale):
        missing = apps.new_slot_count(supervisor.app, request.count)
        accepted = with_ids(accepted, app.take_ids(missing))
    if isinstance(request, Reload) and reloads_itself(supervisor.spec):
        accepted = with_in_place(accepted, accepted.instances, "")
    supervisor.carry_out(accepted)
    return accepted.instances


def _fields(request: Request) -> dict[str, Any]:
    """Return the request as the agent passes it on to the keeper."""
    fields: dict[str, Any] = {"by": WHO}
    for name in ("instances", "count", "parallel"):
        value = getattr(request, name, None)
        if value is not None:
            fields[name] = (
                list(cast("tuple[int, ...]", value)) if isinstance(value, tuple) else value
            )
    return fields


def _flush(app: ReplayedApp, instances: tuple[int, ...]) -> tuple[int, ...]:
    for (number, _), log in app.logs.items():
        if number in instances:
            log.flush()
    for number in instances:
        app.supervisor.record_event("flushed", number, "log files emptied", WHO)
    return instances


def _send_signal(
    app: ReplayedApp, request: SendSignal, instances: tuple[int, ...]
) -> tuple[int, ...]:
    sent = tuple(n for n in instances if app.instances[n].pid is not None)
    if not sent:
        raise RefusedRequestError("refused", "none of these instances has a worker to signal")
    text = requested_text(f"signal {request.signal}", {}, sent)
    app.supervisor.record_event("requested", None, text, WHO)
    if request.signal == "SIGKILL":
        for number in sent:
            app.workers.signal(app.instances[number].pid or 0, 9)
    return sent
