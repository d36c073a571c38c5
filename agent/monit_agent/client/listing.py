"""What agents answer to `Listing`, without ZeroMQ's library, msgspec and the types of messages.

`monit list` is typed more often than all else, and importing these three takes four times as long
as the rest of it (73 of 97 ms of CPU, Python 3.11). So one request is sent here, over a plain
socket, and the answer is JSON. Who gets no listing of every app uses ``client/live`` instead, which
finds out why.
"""

import select
import time
from collections.abc import Iterable, Mapping, Sequence

from monit_agent import __version__
from monit_agent.client.plain_link import PlainLink
from monit_agent.client.view import AppView, InstanceView
from monit_agent.system import jsonline
from monit_agent.typed import Any, cast
from monit_agent.wire.ids import local_app
from monit_agent.wire.metrics import PROCESS_FIELDS
from monit_agent.wire.paths import AppPaths
from monit_agent.wire.zmtp import ProtocolError

ANSWER_WITHIN_S = 0.5
"""An agent answers within milliseconds. One that does not is reported by the long way, which waits
for it again."""

REQUEST = b"\x81\xa4type\xa7listing"
"""`Listing` in msgpack."""

ANSWER = b"\x82\xa4type\xaclisting_part\xa4json"
"""How a `ListingPart` in msgpack begins; its bytes follow."""

_SIZES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""How many bytes the length of bytes has in msgpack, by what stands before it."""

_PARTS = ("heap", "collector", "scheduling", "loop", "http", "health")


class NoListingError(Exception):
    """An agent sends no listing, or none that this version understands."""


class PlainRecord:
    """A record of ``wire/messages.py`` whose fields came as JSON. A field that was left out has
    its default, None."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> None:
        return None

    @property
    def __struct_fields__(self) -> tuple[str, ...]:
        return tuple(self.__dict__)


def request_apps(apps: Sequence[AppPaths], within_s: float = ANSWER_WITHIN_S) -> list[AppView]:
    """Return these apps as their agents list them. Raise `NoListingError` if one does not within
    that time."""
    links = [PlainLink(paths.ctl) for paths in apps]
    try:
        named = {paths.name: link for paths, link in zip(apps, links, strict=True)}
        return list_apps(named, within_s)
    finally:
        for each in links:
            each.close()


def list_apps(links: Mapping[str, PlainLink], within_s: float = ANSWER_WITHIN_S) -> list[AppView]:
    """Return the apps of these names as their agents list them, which the links lead to. Raise
    `NoListingError` if one does not within that time."""
    try:
        answers = _receive(links, within_s)
        return [app_of_listing(name, answers[name]) for name in links]
    except (OSError, ProtocolError, LookupError, TypeError, ValueError) as error:
        raise NoListingError(str(error)) from error


def _receive(links: Mapping[str, PlainLink], within_s: float) -> dict[str, bytes]:
    end = time.monotonic() + within_s
    poll = select.poll()
    answers: dict[str, bytes] = {}
    waiting = {link.send(REQUEST): name for name, link in links.items()}
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    while waiting:
        ready = poll.poll(max(0.0, end - time.monotonic()) * 1000)
        if not ready:
            raise TimeoutError
        for fd, _ in ready:
            answer = links[waiting[fd]].receive()
            if answer is not None:
                answers[waiting[fd]] = answer
                poll.unregister(fd)
                del waiting[fd]
    return answers


def app_of_listing(name: str, answer: bytes) -> AppView:
    """Return the app of a `ListingPart`. Raise `NoListingError` where another version wrote it, and
    what Python raises for any other content."""
    listing: Any = jsonline.load(_json_of(answer))
    if listing["agent_version"] != __version__:
        raise NoListingError(f"its agent is of version {listing['agent_version']}")
    app = AppView(local_app(name))
    record: dict[str, Any] = listing["app"]
    record["problems"] = tuple(record["problems"])
    record["watch"], record["log"] = _record(record["watch"]), _record(record["log"])
    record["policy"] = _record(record["policy"])
    app.record = cast("Any", PlainRecord(record))
    app.rollout = _rollout(listing["rollout"])
    app.epoch = listing["epoch"]
    app.agent_version = listing["agent_version"]
    app.agent_pid = listing["agent_pid"]
    app.keeper_alive = listing["keeper_alive"]
    app.link = "live"
    app.alerts, app.hooks = _records(listing["alerts"]), _records(listing["hooks"])
    for fields in sorted(listing["instances"], key=lambda each: each["instance"]):
        view = InstanceView(app.id, _instance(fields))
        view.sample = _sample(listing["samples"].get(str(fields["instance"])))
        app.instances[fields["instance"]] = view
    return app


def _json_of(answer: bytes) -> bytes:
    """Return the JSON in a `ListingPart`."""
    start = len(ANSWER)
    width = _SIZES.get(answer[start], 0) if answer.startswith(ANSWER) else 0
    if not width:
        raise NoListingError("its agent answers something else")
    return answer[start + 1 + width :]


def _instance(fields: dict[str, Any]) -> Any:
    exits, replacement = _records(fields["exits"]), _record(fields["replacement"])
    return PlainRecord({**fields, "exits": exits, "replacement": replacement})


def _rollout(fields: dict[str, Any] | None) -> Any:
    if fields is None:
        return None
    under_way = fields["failed"] is None or bool(fields["current"])
    return PlainRecord({**fields, "under_way": under_way})


def _sample(fields: dict[str, Any] | None) -> Any:
    if fields is None:
        return None
    parts = {name: _record(fields.get(name)) for name in _PARTS}
    processes = [
        PlainRecord(dict(zip(PROCESS_FIELDS, each, strict=True)))
        for each in fields.get("processes", ())
    ]
    metrics = {name: PlainRecord(each) for name, each in fields.get("metrics", {}).items()}
    tree = PlainRecord(fields.get("tree", {}))
    return PlainRecord(
        {**fields, **parts, "tree": tree, "processes": processes, "metrics": metrics}
    )


def _record(fields: dict[str, Any] | None) -> Any:
    return None if fields is None else PlainRecord(fields)


def _records(listed: Iterable[dict[str, Any]]) -> Any:
    return tuple(PlainRecord(fields) for fields in listed)
