"""Sockets that workers have bound themselves: what they are, and how later workers share them.

An app of one instance opens its port by itself. When it is scaled, the new instances need the same
socket: the keeper copies it out of the worker, which keeps accepting and notices nothing.
"""

import os
from collections.abc import Callable, Iterable, Iterator

from monit_agent.keeper.ports.listeners import BindAddress, HeldSocket
from monit_agent.keeper.workers.spawn import FIRST_FD
from monit_agent.system import kernel_calls, procfs
from monit_agent.system.listening import listening_inodes
from monit_agent.system.sockets import socket
from monit_agent.system.suppress import suppress


def take_held_socket(
    paths: tuple[BindAddress, ...], known: set[int], worker_of: Callable[[int], int | None]
) -> HeldSocket | None:
    """Return the listening socket that a worker has bound at one of ``paths``; None when there is
    none, or the kernel does not hand it over. ``known`` are the inodes of sockets that are shared
    already, ``worker_of(pid)`` is the worker of a process."""
    port = paths[0].port
    if not port or paths[0].kind != socket.SOCK_STREAM:
        return None
    inodes = listening_inodes(os.getpid(), port) - known
    for pid, number in _holders(inodes, procfs.all_pids() if inodes else ()):
        worker = worker_of(pid)
        if worker is None:
            continue
        with suppress(OSError):
            found = _copy(pid, number)
            place = _place_of(found, paths)
            if place is not None:
                return HeldSocket(place, found, worker)
            found.close()
    return None


def _holders(inodes: set[int], pids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield process and descriptor for each open socket with one of these inodes."""
    for pid in pids:
        for number, inode in procfs.open_sockets(pid):
            if inode in inodes:
                yield pid, number


def uses_reuseport(worker: int, port: int | None) -> bool:
    """Return whether a worker opened its port so that others can open it beside it; False where
    the kernel does not show it."""
    if port is None:
        return False
    inodes = listening_inodes(worker, port)
    pids = (worker, *procfs.descendant_pids(worker))
    for pid, number in _holders(inodes, pids):
        with suppress(OSError):
            copied = _copy(pid, number)
            reuses = copied.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
            copied.close()
            return bool(reuses)
    return False


def _copy(pid: int, number: int) -> socket.socket:
    pidfd = os.pidfd_open(pid)
    try:
        return socket.socket(fileno=kernel_calls.copy_fd_of(pidfd, number))
    finally:
        os.close(pidfd)


def _place_of(found: socket.socket, paths: tuple[BindAddress, ...]) -> BindAddress | None:
    """Return which of the paths a socket is bound at."""
    address = found.getsockname()
    for place in paths:
        if (place.family, place.address, place.port) == (int(found.family), *address[:2]):
            return place
    return None


def inherited_sockets() -> dict[int, int]:
    """Return inode and descriptor of each socket that this process was started with: an agent
    passes on what it held. No process inherits them from this one."""
    found: dict[int, int] = {}
    for number, inode in procfs.open_sockets(os.getpid()):
        if number >= FIRST_FD and os.get_inheritable(number):
            os.set_inheritable(number, False)
            found[inode] = number
    return found
