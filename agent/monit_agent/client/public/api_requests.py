"""The requests of programs. A target is that of the command line: ``all``, ``web``, ``web/0``,
``@namespace``, ``api-*``, ``web1:api``.

An unknown field is refused: a program that means something by it must not get something else.
"""

from typing import Annotated

import msgspec

from monit_agent.wire.messages import Stream

LINES_MAX = 100_000
INSTANCES_MAX = 1000
TARGETS_MAX = 1000

Targets = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=TARGETS_MAX)]
SomeTargets = Annotated[tuple[str, ...], msgspec.Meta(max_length=TARGETS_MAX)]


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
    since: float | None = None
    """All lines from this time on."""
    follow: bool = False
    """Whether new lines are sent too, until the request is cancelled."""
    stream: Stream | None = None
    """Null: both."""


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
    | StartInstances
    | StopInstances
    | RestartInstances
    | ReloadInstances
    | CancelReloads
    | ScaleApp
    | SignalInstances
    | ResetInstances
    | CancelRequest
    | PingRequest
)
