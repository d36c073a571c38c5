"""What agents answer to `Listing`, without ZeroMQ's library, msgspec and the types of messages.

`monit list` is typed more often than all else, and importing these three takes four times as long
as the rest of it (73 of 97 ms of CPU, Python 3.11). So one request is sent here, over a plain
socket, and the answer is JSON. Who gets no listing of every app uses ``client/live`` instead, which
finds out why.
"""

import select
import time
from collections.abc import Iterable, Sequence

from monit_agent import __version__
from monit_agent.client.view import AppView, InstanceView
from monit_agent.system import jsonline
from monit_agent.system.sockets import is_own_user, socket
from monit_agent.typed import Any, cast
from monit_agent.wire.ids import local_app
from monit_agent.wire.metrics import PROCESS_FIELDS
from monit_agent.wire.paths import AppPaths
from monit_agent.wire.zmtp import (
    GREETING,
    Inbox,
    Message,
    ProtocolError,
    message_bytes,
    ready_bytes,
)

ANSWER_WITHIN_S = 0.5
"""An agent answers within milliseconds. One that does not is reported by the long way, which waits
for it again."""

LARGEST_BYTES = 64 * 1024 * 1024
"""Largest answer that is accepted."""

_RECEIVED_BYTES = 64 * 1024
"""For more than 128 kB the C library asks the kernel, which takes longer than the rest."""

REQUEST = b"\x81\xa4type\xa7listing"
"""`Listing` in msgpack."""

ANSWER = b"\x82\xa4type\xaclisting_part\xa4json"
"""How a `ListingPart` in msgpack begins; its bytes follow."""

_SIZES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""How many bytes the length of bytes has in msgpack, by what stands before it."""

_SENT = GREETING + ready_bytes(b"DEALER") + message_bytes([b"1", REQUEST])
"""All at once: an agent does not wait for a turn of its peer."""

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


def request_apps(apps: Sequence[AppPaths]) -> list[AppView]:
    """Return these apps as their agents list them. Raise `NoListingError` if one does not."""
    connections = [_Connection(paths.ctl) for paths in apps]
    try:
        _receive(connections)
        return [
            app_of_listing(paths.name, each.answer)
            for paths, each in zip(apps, connections, strict=True)
        ]
    except (OSError, ProtocolError, LookupError, TypeError, ValueError) as error:
        raise NoListingError(str(error)) from error
    finally:
        for each in connections:
            each.close()


def _receive(connections: Iterable["_Connection"]) -> None:
    end = time.monotonic() + ANSWER_WITHIN_S
    poll = select.poll()
    waiting: dict[int, _Connection] = {}
    for each in connections:
        waiting[each.begin()] = each
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    while waiting:
        ready = poll.poll(max(0.0, end - time.monotonic()) * 1000)
        if not ready:
            raise TimeoutError
        for fd, _ in ready:
            if waiting[fd].receive():
                poll.unregister(fd)
                del waiting[fd]


class _Connection:
    """One request to one agent; ``answer`` is the body of what came back."""

    def __init__(self, path: str) -> None:
        self.answer = b""
        self._path = path
        self._inbox = Inbox(LARGEST_BYTES)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def begin(self) -> int:
        """Send the request; return the descriptor on which the answer comes."""
        self._sock.setblocking(False)
        self._sock.connect(self._path)
        if not is_own_user(self._sock):
            raise PermissionError
        self._sock.send(_SENT)  # the kernel has room for it: nothing was sent before
        return self._sock.fileno()

    def receive(self) -> bool:
        """Take in what has arrived; return whether that was the whole answer."""
        data = self._sock.recv(_RECEIVED_BYTES)
        if not data:
            raise ConnectionError
        self._inbox.add(data)
        while (message := self._inbox.next_message()) is not None:
            if isinstance(message, Message):
                self.answer = message.frames[-1]
                return True
        return False

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()


def app_of_listing(name: str, answer: bytes) -> AppView:
    """Return the app of a `ListingPart`. Raise `NoListingError` where another version wrote it, and
    what Python raises for any other content."""
    listing: Any = jsonline.load(_json_of(answer))
    if listing["agent_version"] != __version__:
        raise NoListingError(f"its agent is of version {listing['agent_version']}")
    app = AppView(local_app(name))
    record: dict[str, Any] = listing["app"]
    record["problems"] = tuple(record["problems"])
    record["watch"] = _record(record["watch"])
    app.record = cast("Any", PlainRecord(record))
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
    return PlainRecord({**fields, "exits": _records(fields["exits"])})


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
