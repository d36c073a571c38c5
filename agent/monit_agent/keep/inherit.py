"""Sockets that workers inherit, as systemd hands them over: ``LISTEN_FDS`` (sd_listen_fds(3)).

`AppSpec.listen` says which: ``HOST:PORT``, ``[IPV6]:PORT``, ``:PORT`` (every address of the
machine, both families as systemd and Node do it) or ``unix:PATH``.
"""

import _socket as socket
import errno
import os

from monit_agent.keep import taken
from monit_agent.keep.listeners import Listener, Listeners, Place, key_of
from monit_agent.supervise.spec import AppSpec

_ANY4, _ANY6 = "0.0.0.0", "::"  # noqa: S104  what a port without a host means
UNIX = "unix:"
_MODE = 0o666
"""Whoever may enter the folder may connect, as systemd has it (the server in front is another
user)."""


def opened(spec: AppSpec, listeners: Listeners) -> list[Listener]:
    """Give the sockets of ``spec.listen`` in its order, bound now if they are not yet. OSError
    with a text for a person, which says who has what is taken."""
    return [_open(text, listeners) for text in spec.listen]


def variables(spec: AppSpec) -> dict[bytes, bytes]:
    """Give what tells a program of them; ``LISTEN_PID`` is added when its pid is known."""
    if not spec.listen:
        return {}
    names = ":".join(_name(text) for text in spec.listen)
    return {
        b"LISTEN_FDS": b"%d" % len(spec.listen),
        b"LISTEN_FDNAMES": names.encode("utf-8", "surrogateescape"),
    }


def _open(text: str, listeners: Listeners) -> Listener:
    try:
        places = _places(text)
        key = key_of(places[0])
        found = listeners.find(key)
        if found is None:
            found = listeners.get(key, places)
            # a program that was handed a socket expects it as systemd gives it: blocking. Done
            # once: those that want it otherwise set it so for all who have it
            found.sock.setblocking(True)
            if found.place.family == socket.AF_UNIX:
                os.chmod(found.place.address, _MODE)
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            why = f"taken by {_owner(text) or 'somebody else'}"
        raise OSError(error.errno, f"cannot listen on {text}: {why}") from error
    return found


def _places(text: str) -> tuple[Place, ...]:
    stream = socket.SOCK_STREAM
    if text.startswith(UNIX):
        return (Place(socket.AF_UNIX, stream, text[len(UNIX) :], 0),)
    host, _, number = text.rpartition(":")
    port = int(number)
    if not host:
        everywhere = Place(socket.AF_INET6, stream, _ANY6, port)
        return (everywhere, Place(socket.AF_INET, stream, _ANY4, port))
    found = socket.getaddrinfo(host.strip("[]"), port, 0, stream)
    return tuple(
        Place(int(family), stream, str(address[0]), port, family == socket.AF_INET6)
        for family, _, _, _, address in found
    )


def _owner(text: str) -> str | None:
    if text.startswith(UNIX):
        return taken.owner_of_path(text[len(UNIX) :])
    return taken.owner_of(int(text.rpartition(":")[2]))


def _name(text: str) -> str:
    last = text.rpartition("/" if text.startswith(UNIX) else ":")[2]
    return last.replace(":", "_")
