"""Requests to a supervisor: which event a request becomes, or why it is refused. Pure.

A request is a map as it comes over ``keeper.sock`` (``agent/PROTOCOL.md``). Here are the
requests that change what runs; those that need the operating system (``signal``, ``flush``, …)
are in ``keeper/commands.py``.
"""

from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise import rollout as rollouts
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, would_open_one_port
from monit_agent.supervise.state import Now
from monit_agent.typed import Any, NamedTuple, cast

Request = dict[str, Any]

_NOT_A_LIST = "'instances' is a list of numbers, or null for all"


class RefusedRequestError(Exception):
    """The request cannot be carried out; the text says why and what to do."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class AcceptedRequest(NamedTuple):
    """A request that can be carried out."""

    event: e.AppEvent
    instances: tuple[int, ...]
    """The instances that it concerns."""
    text: str
    """Of the entry ``requested`` in the event log."""
    by: str | None


def accept(do: str, app: App, spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    """Return what the request ``do`` means; raise `RefusedRequestError`.

    The event of ``scale`` has no ids yet (`with_ids`).
    """
    accepted = _ACCEPT[do](app, spec, request, now)
    refuse_if_impossible(app, accepted.event)
    return accepted


def with_ids(accepted: AcceptedRequest, ids: tuple[int, ...]) -> AcceptedRequest:
    """Return the ``scale`` request with ids for its new slots."""
    event = accepted.event
    assert isinstance(event, e.ScaleRequested)  # noqa: S101 (for the type checker)
    return accepted._replace(event=event._replace(ids=ids))


def with_beside(accepted: AcceptedRequest, beside: tuple[int, ...]) -> AcceptedRequest:
    """Return the ``reload`` request with the instances whose worker listens nowhere."""
    event = accepted.event
    assert isinstance(event, e.ReloadRequested)  # noqa: S101 (for the type checker)
    return accepted._replace(event=event._replace(beside=beside))


def with_in_place(
    accepted: AcceptedRequest, in_place: tuple[int, ...], replaced: str
) -> AcceptedRequest:
    """Return the ``reload`` request with the instances that reload themselves. ``replaced`` is why
    the others are replaced although the program could reload itself."""
    event = accepted.event
    assert isinstance(event, e.ReloadRequested)  # noqa: S101 (for the type checker)
    text = f"{accepted.text}; {replaced}" if replaced else accepted.text
    return accepted._replace(event=event._replace(in_place=in_place), text=text)


def refuse_if_impossible(app: App, event: e.AppEvent) -> None:
    """Raise `RefusedRequestError` if ``event`` cannot be carried out now."""
    reason = apps.refusal_reason(app, event)
    if reason is not None:
        raise RefusedRequestError("refused", reason)


def requested_instances(app: App, spec: AppSpec, request: Request) -> tuple[int, ...]:
    """Return the instances that ``request`` names, or all; raise `RefusedRequestError`."""
    instances: Any = request.get("instances")
    if instances is None:
        return apps.kept_instances(app)
    if not isinstance(instances, list):
        raise RefusedRequestError("bad_request", _NOT_A_LIST)
    listed = cast("list[Any]", instances)
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in listed):
        raise RefusedRequestError("bad_request", _NOT_A_LIST)
    numbers = tuple(dict.fromkeys(cast("list[int]", listed)))
    unknown = apps.unknown_instances(app, numbers)
    if unknown:
        names = ", ".join(str(n) for n in unknown)
        raise RefusedRequestError("no_such_instance", f"{spec.name} has no instance {names}")
    return numbers


def requested_text(text: str, request: Request, instances: tuple[int, ...] = ()) -> str:
    """Return the text of the event log for ``request``: what, which instances, why."""
    where = " " + ", ".join(str(n) for n in instances) if instances else ""
    why = request.get("why")
    return f"{text}{where}{f': {why}' if isinstance(why, str) else ''}"


def requester(request: Request) -> str | None:
    """Return who requested it, as ``user:pid``; None when nobody did."""
    by = request.get("by")
    return by if isinstance(by, str) else None


# ---------------------------------------------------------------- each request


def _accept_start(app: App, spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    requested = requested_instances(app, spec, request)
    startable = tuple(n for n in apps.startable_instances(app) if n in requested)
    return _for_each("start", request, startable, e.StartRequested(now))


def _accept_stop(app: App, spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    instances = requested_instances(app, spec, request)
    return _for_each("stop", request, instances, e.StopRequested(now))


def _accept_restart(app: App, spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    instances = requested_instances(app, spec, request)
    return _for_each("restart", request, instances, e.RestartRequested(now))


def _accept_reset(app: App, spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    instances = requested_instances(app, spec, request)
    return _for_each("reset", request, instances, e.ResetRequested(now))


def _accept_reload(app: App, spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    requested = requested_instances(app, spec, request)
    parallel = request.get("parallel", 1)
    if not isinstance(parallel, int) or isinstance(parallel, bool) or parallel < 1:
        raise RefusedRequestError(
            "bad_request", "'parallel' is how many to replace at once, 1 or more"
        )
    instances = apps.reloadable_instances(app, requested)
    event = e.ReloadRequested(now, instances, parallel)
    refuse_if_impossible(app, event)
    if not instances:
        raise RefusedRequestError(
            "failed", f"{spec.name} is stopped; run `monit start {spec.name}`"
        )
    return AcceptedRequest(
        event, instances, requested_text("reload", request, instances), requester(request)
    )


def _accept_cancel(app: App, _spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    event = e.CancelRequested(now, requester(request))
    text = requested_text("cancel reload", request)
    return AcceptedRequest(event, rollouts.incoming_instances(app), text, requester(request))


def _accept_scale(app: App, spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    size = request.get("count")
    if not isinstance(size, int) or isinstance(size, bool):
        raise RefusedRequestError("bad_request", "scale needs 'count', a number of instances")
    if size > apps.instance_count(app) and would_open_one_port(spec, size):
        port, name = spec.port, spec.name
        raise RefusedRequestError(
            "refused",
            f"{size} instances would each open port {port}, and monit cannot share a port for this "
            f"command; to run several, stop {name} and start it with --listen {port} if the "
            "program can inherit a listening socket (LISTEN_FDS), with --increment-var PORT to "
            "give each instance a port of its own, or with --mode fork if the program opens its "
            f"port with SO_REUSEPORT: monit stop {name}; monit start {name} --increment-var PORT",
        )
    event = e.ScaleRequested(now, size, ())
    text = requested_text(f"scale to {size}", request)
    return AcceptedRequest(event, tuple(range(size)), text, requester(request))


def _accept_delete(app: App, _spec: AppSpec, request: Request, now: Now) -> AcceptedRequest:
    text = requested_text("delete", request)
    instances = apps.kept_instances(app)
    return AcceptedRequest(e.DeleteRequested(now), instances, text, requester(request))


def _for_each(
    verb: str, request: Request, instances: tuple[int, ...], event: e.SlotEvent
) -> AcceptedRequest:
    text = requested_text(verb, request, instances)
    return AcceptedRequest(e.EachSlot(instances, event), instances, text, requester(request))


_ACCEPT = {
    "start": _accept_start,
    "stop": _accept_stop,
    "restart": _accept_restart,
    "reset": _accept_reset,
    "reload": _accept_reload,
    "cancel_reload": _accept_cancel,
    "scale": _accept_scale,
    "delete": _accept_delete,
}
