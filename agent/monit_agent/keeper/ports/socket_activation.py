"""Sockets that workers inherit, as from systemd: ``LISTEN_FDS`` (sd_listen_fds(3)).

`AppSpec.listen` says which: ``HOST:PORT``, ``[IPV6]:PORT``, ``:PORT`` (every address of the
machine, both trees as systemd and Node do it) or ``unix:PATH``.
"""

import errno
import os

from monit_agent.keeper.ports import port_owner
from monit_agent.keeper.ports.listeners import BindAddress, Listener, Listeners, key_of
from monit_agent.supervise.spec import AppSpec, port_of
from monit_agent.system.sockets import socket
from monit_agent.system.users import RunAs, acting_as, is_only_roots

_ANY4, _ANY6 = "0.0.0.0", "::"  # noqa: S104  what a port without a host means
UNIX = "unix:"
_MODE = 0o666
"""Every user who may enter the folder may connect, as with systemd (the proxy in front runs as
another user)."""


def open_sockets(spec: AppSpec, listeners: Listeners, user: RunAs | None) -> list[Listener]:
    """Return the sockets of ``spec.listen`` in order; bind those that are not bound yet. Raise
    OSError with a text for a person, which names the process that has the port. ``user`` is the
    workers' where that is another one: root makes files only where nobody else can put links."""
    return [_open(text, listeners, user) for text in spec.listen]


def names_port(spec: AppSpec, instance: int, port: int) -> bool:
    """Return whether the settings of the app name a port, as one of this instance."""
    return port == port_of(spec, instance) or port in listed_ports(spec)


def listed_ports(spec: AppSpec) -> list[int]:
    """Return the ports that ``listen`` names."""
    places = (text for text in spec.listen if not text.startswith(UNIX))
    return [int(text.rpartition(":")[2]) for text in places]


def listen_variables(spec: AppSpec) -> dict[bytes, bytes]:
    """Return the variables that announce them; ``LISTEN_PID`` is added when the pid is known."""
    if not spec.listen:
        return {}
    names = ":".join(_name(text) for text in spec.listen)
    return {
        b"LISTEN_FDS": b"%d" % len(spec.listen),
        b"LISTEN_FDNAMES": names.encode("utf-8", "surrogateescape"),
    }


def _open(text: str, listeners: Listeners, user: RunAs | None) -> Listener:
    try:
        paths = _paths(text)
        key = key_of(paths[0])
        found = listeners.find(key)
        if found is None:
            found = _bind(key, paths, listeners, user)
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            why = f"in use by {_owner(text) or 'another process'}"
        raise OSError(error.errno, f"cannot listen on {text}: {why}") from error
    return found


def _bind(
    key: str, paths: tuple[BindAddress, ...], listeners: Listeners, user: RunAs | None
) -> Listener:
    is_path = paths[0].family == socket.AF_UNIX
    maker = user if is_path and not is_only_roots(paths[0].address) else None
    found = listeners.get(key, paths, lambda _place: maker)
    # a program expects an inherited socket as from systemd: blocking. Set once: a
    # program that wants it otherwise changes it for all workers
    found.sock.setblocking(True)
    if is_path:
        with acting_as(maker):
            os.chmod(paths[0].address, _MODE)
    return found


def _paths(text: str) -> tuple[BindAddress, ...]:
    stream = socket.SOCK_STREAM
    if text.startswith(UNIX):
        return (BindAddress(socket.AF_UNIX, stream, text[len(UNIX) :], 0),)
    host, _, number = text.rpartition(":")
    port = int(number)
    if not host:
        everywhere = BindAddress(socket.AF_INET6, stream, _ANY6, port)
        return (everywhere, BindAddress(socket.AF_INET, stream, _ANY4, port))
    found = socket.getaddrinfo(host.strip("[]"), port, 0, stream)
    return tuple(
        BindAddress(int(family), stream, str(address[0]), port, family == socket.AF_INET6)
        for family, _, _, _, address in found
    )


def _owner(text: str) -> str | None:
    if text.startswith(UNIX):
        return port_owner.path_owner(text[len(UNIX) :])
    return port_owner.port_owner(int(text.rpartition(":")[2]))


def _name(text: str) -> str:
    last = text.rpartition("/" if text.startswith(UNIX) else ":")[2]
    return last.replace(":", "_")
