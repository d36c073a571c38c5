"""The requests of programs. A target is that of the command line: ``all``, ``web``, ``web/0``,
``@namespace``, ``api-*``, ``web1:api``.

An unknown field is refused: a program that means something by it must not get something else.
"""

from typing import Annotated, TypeVar

import msgspec

from monit_agent.wire.limits import ACTION_S, CRASHES, EVENTS_READ, HISTORY_NAMES
from monit_agent.wire.messages import Stream

LINES_MAX = 100_000
LATEST = 1e11
"""Seconds since 1970 beyond which a number is no time: the year 5138."""

INSTANCES_MAX = 1000
TARGETS_MAX = 1000

Targets = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=TARGETS_MAX)]
SomeTargets = Annotated[tuple[str, ...], msgspec.Meta(max_length=TARGETS_MAX)]
Moment = Annotated[float, msgspec.Meta(ge=0, le=LATEST)]


class ApiRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """Base of all of them."""


class ListInstances(ApiRequest, frozen=True, kw_only=True, tag="list"):
    """Return the instances."""

    targets: SomeTargets = ("all",)
    """What it is about, as on the command line."""


class WatchInstances(ApiRequest, frozen=True, kw_only=True, tag="watch"):
    """Send the instances, then what changes, until the request is cancelled. Apps that appear later
    are included where a target means them."""

    targets: SomeTargets = ("all",)
    """What it is about, as on the command line."""
    samples: bool = True
    """Whether new figures, which come once a second, are a change."""


class ReadLogs(ApiRequest, frozen=True, kw_only=True, tag="logs"):
    """Send log lines, merged by time, and with `follow` those that come. Every line is sent once:
    what a slow reader leaves waits in the log files."""

    targets: SomeTargets = ("all",)
    """What it is about, as on the command line."""
    lines: Annotated[int, msgspec.Meta(ge=0, le=LINES_MAX)] = 15
    """The last ones of each app; not used with `since`."""
    since: Moment | None = None
    """All lines from this time on."""
    follow: bool = False
    """Whether new lines are sent too, until the request is cancelled."""
    stream: Stream | None = None
    """Null: both."""


class ReadEvents(ApiRequest, frozen=True, kw_only=True, tag="events"):
    """Return the newest events of the past, the oldest of them first. Agents keep 10,000 of each
    app on disk; `watch` sends those that come."""

    targets: SomeTargets = ("all",)
    """What it is about, as on the command line."""
    since: Moment | None = None
    """Events from this time on; null: from the first."""
    until: Moment | None = None
    """Events before this time; null: up to now."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=EVENTS_READ)] = 100
    """How many at most, of all targets together."""
    kinds: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    """Only events of these kinds; empty: of any."""


class ReadHistory(ApiRequest, frozen=True, kw_only=True, tag="history"):
    """Send metrics of the past: for each instance, each metric that is known of that time. An app
    with several instances has also series of its own, with `instance` null, if all are meant."""

    targets: SomeTargets = ("all",)
    """What it is about, as on the command line."""
    metrics: Annotated[tuple[str, ...], msgspec.Meta(max_length=HISTORY_NAMES)] = ()
    """Figures of `Instance`, such as `rss_bytes`, and the app's own by name; empty: all."""
    since: Moment | None = None
    """Begin of the first step; null: an hour ago."""
    until: Moment | None = None
    """End of the last step; null: now."""
    step_s: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Length of a step in seconds. Null, or one that makes more than 2000 steps: the shortest that
    makes fewer."""


class ReadCrashes(ApiRequest, frozen=True, kw_only=True, tag="crashes"):
    """Send the newest crash reports of each instance, newest first. An exit that nobody requested
    leaves one on disk."""

    targets: SomeTargets = ("all",)
    """What it is about, as on the command line."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=CRASHES)] = 1
    """How many at most, of each instance."""


class CommandRequest(ApiRequest, frozen=True, kw_only=True):
    """Base of those that change something. Their answer comes when it is done."""

    targets: Targets
    """What it is about, as on the command line."""


class StartInstances(CommandRequest, frozen=True, kw_only=True, tag="start"):
    """Start what is stopped or errored."""


class StopInstances(CommandRequest, frozen=True, kw_only=True, tag="stop"):
    """Stop; what is stopped stays listed."""


class RestartInstances(CommandRequest, frozen=True, kw_only=True, tag="restart"):
    """Stop and start. An instance that is stopped is started only where it, or its app, is
    named."""


class ReloadInstances(CommandRequest, frozen=True, kw_only=True, tag="reload"):
    """Replace instances, each when the one before is ready. The first failure ends it. Over several
    hosts: host after host."""

    parallel: Annotated[int, msgspec.Meta(ge=1, le=INSTANCES_MAX)] = 1
    """How many at once."""


class CancelReloads(CommandRequest, frozen=True, kw_only=True, tag="cancel_reload"):
    """End the reload in progress; what is replaced stays so."""


class ScaleApp(CommandRequest, frozen=True, kw_only=True, tag="scale"):
    """Set the number of instances of one app, which is the only target."""

    count: Annotated[int, msgspec.Meta(ge=1, le=INSTANCES_MAX)]
    """How many instances there are to be."""


class SignalInstances(CommandRequest, frozen=True, kw_only=True, tag="signal"):
    """Send a signal to workers."""

    signal: Annotated[str, msgspec.Meta(max_length=20)]
    """`HUP`, `SIGHUP`, or a number as text."""
    group: bool = False
    """To the whole process group of each worker."""


class ResetInstances(CommandRequest, frozen=True, kw_only=True, tag="reset"):
    """Set restart counters to zero."""


class FlushLogs(CommandRequest, frozen=True, kw_only=True, tag="flush"):
    """Delete the content of log files. Offsets are not used again."""


class DeleteApps(CommandRequest, frozen=True, kw_only=True, tag="delete"):
    """Stop whole apps and remove them from the list. Their log files are kept. An instance
    (``web/0``) is refused; an id means the app if it has no other instance."""


class TriggerAction(CommandRequest, frozen=True, kw_only=True, tag="trigger"):
    """Run an action in every process that offers it. It fails where no process does, and where one
    of them answers with an error or not in time."""

    action: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    """Its name: `gc`, `stacks`, or one of the app's own."""
    args: Annotated[tuple[str, ...], msgspec.Meta(max_length=1000)] = ()
    """What it gets."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=ACTION_S)] = 10.0
    """How long answers are waited for."""


class CancelRequest(ApiRequest, frozen=True, kw_only=True, tag="cancel"):
    """End a `watch` or a `logs`, or the waiting for a command, which is carried out all the same.
    The cancelled request is answered too."""

    request: int | str
    """Its `id`."""


class PingRequest(ApiRequest, frozen=True, kw_only=True, tag="ping"):
    """Return an answer, with the time there."""


AnyRequest = (
    ListInstances
    | WatchInstances
    | ReadLogs
    | ReadEvents
    | ReadHistory
    | ReadCrashes
    | StartInstances
    | StopInstances
    | RestartInstances
    | ReloadInstances
    | CancelReloads
    | ScaleApp
    | SignalInstances
    | ResetInstances
    | FlushLogs
    | DeleteApps
    | TriggerAction
    | CancelRequest
    | PingRequest
)


AnyApiRequest = TypeVar("AnyApiRequest", bound=ApiRequest)


def request_of(kind: type[AnyApiRequest], **fields: object) -> AnyApiRequest:
    """Return a request with the arguments that a program gave. Raise `TypeError` for one of another
    type and `ValueError` for a value that is not allowed."""
    verb = kind.__struct_config__.tag
    if issubclass(kind, CommandRequest) and fields.get("targets") == ():
        raise ValueError(f'{verb}: no target; name apps or instances, or "all" for every app')
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        where = f"{place.rstrip('`')}: " if place else ""
        is_type = "got `" in text
        raise (TypeError if is_type else ValueError)(f"{verb}: {where}{text}") from error
