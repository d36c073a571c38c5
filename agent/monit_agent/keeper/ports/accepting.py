"""Whether processes accept connections on a socket, seen from outside in ``/proc``.

A master process that listens for its workers is not ready: nothing accepts until a worker does. A
process accepts on a listening socket if

* one of its epoll descriptors waits for it (``/proc/<pid>/fdinfo``), or
* one of its threads is blocked in accept, poll or select for it
  (``/proc/<pid>/task/*/syscall``), or
* it has a connection that came over it, as a server under full load has, which rarely waits.

Where the kernel does not show this (a process of another user, io_uring), the answer is unknown. A
process that has both, as libuv's, waits for sockets with epoll and uses io_uring for files.
"""

import os
import struct

from monit_agent.system import listening, procfs, sockdiag
from monit_agent.system.memory.shortage import with_spare
from monit_agent.system.suppress import suppress

_ACCEPT, _POLL, _SELECT = "accept", "poll", "select"
_CALLS = {
    "x86_64": {43: _ACCEPT, 288: _ACCEPT, 7: _POLL, 271: _POLL, 23: _SELECT, 270: _SELECT},
    "generic": {202: _ACCEPT, 242: _ACCEPT, 73: _POLL, 72: _SELECT},
}
"""Numbers of system calls; ``generic`` are those of newer architectures (arm64, riscv64)."""
_MACHINE = os.uname().machine
_BLOCKING = _CALLS[_MACHINE if _MACHINE in _CALLS else "generic"]
_POLLFD = struct.Struct("=ihh")
_POLLED_MAX = 1024
"""Entries of a poll that are read; servers that wait for more use epoll."""
_THREADS_MAX = 256
_GLANCES = 3
_LOOKED_UP_MAX = 64
"""Sockets of a process that are looked up one by one, which takes 20 µs each."""


def is_accepting(pids: list[int], inodes: set[int], ports: set[tuple[int, int]]) -> bool | None:
    """Return whether one of the processes accepts on one of the sockets; None if unknown.

    Args:
        pids: the processes of one worker.
        inodes: the listening sockets.
        ports: their address families and port numbers, without Unix sockets.
    """
    unknown = False
    for pid in pids:
        files = _open_files(pid)
        if files is None:
            unknown = True
            continue
        held = {number for number, inode in files.sockets.items() if inode in inodes}
        if not held:
            continue
        if any(_epoll_waits_for(pid, number, inodes) for number in files.epolls):
            return True
        blocked = _thread_waits_for(pid, held)
        if blocked or _has_connection(pid, inodes, ports):
            return True
        unknown = unknown or blocked is None or (files.has_uring and not files.epolls)
    return None if unknown else False


def own_listeners(pids: list[int], shared: set[int]) -> dict[int, str]:
    """Return the listening sockets of these processes by inode, without ``shared`` ones: each with
    its port, or the path of a Unix socket."""
    held: set[int] = set()
    for pid in pids:
        files = _open_files(pid)
        held |= set(files.sockets.values()) if files else set()
    held -= shared
    if not held:
        return {}
    ports = listening.tcp_listeners(pids[0]).items()
    paths = listening.unix_listeners().items()
    return {
        **{inode: f"port {port}" for inode, port in ports if inode in held},
        **{inode: at for inode, at in paths if inode in held and not at.startswith("@")},
    }


class _Files:
    __slots__ = ("epolls", "has_uring", "sockets")

    def __init__(self) -> None:
        self.sockets: dict[int, int] = {}
        """Inode by descriptor."""
        self.epolls: list[int] = []
        self.has_uring = False


def _open_files(pid: int) -> _Files | None:
    """Return what a process has open; None if that may not be seen."""
    files = _Files()
    try:
        names = with_spare(os.listdir, f"/proc/{pid}/fd")
    except PermissionError:
        return None
    except OSError:
        return files  # it has exited
    for name in names:
        try:
            link = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if link.startswith("socket:["):
            files.sockets[int(name)] = int(link[8:-1])
        elif link == "anon_inode:[eventpoll]":
            files.epolls.append(int(name))
        elif link == "anon_inode:[io_uring]":
            files.has_uring = True
    return files


def _epoll_waits_for(pid: int, number: int, inodes: set[int]) -> bool:
    for line in (procfs.read_file(f"/proc/{pid}/fdinfo/{number}") or b"").splitlines():
        _, marker, rest = line.partition(b"ino:")
        if line.startswith(b"tfd:") and marker and int(rest.split()[0], 16) in inodes:
            return True
    return False


def _thread_waits_for(pid: int, numbers: set[int]) -> bool | None:
    """Return whether a thread is blocked for one of these descriptors; None if unknown."""
    try:
        threads = with_spare(os.listdir, f"/proc/{pid}/task")[:_THREADS_MAX]
    except OSError:
        return False
    unknown = False
    for thread in threads:
        raw = procfs.read_file(f"/proc/{pid}/task/{thread}/syscall")
        if raw is None and os.path.exists(f"/proc/{pid}/task/{thread}"):
            unknown = True
        words = (raw or b"").split()
        call = _BLOCKING.get(int(words[0])) if len(words) > 6 else None
        waits = call is not None and _call_waits_for(pid, call, words, numbers)
        # else the call may be over, and what was read from its memory something else
        if waits and procfs.read_file(f"/proc/{pid}/task/{thread}/syscall") == raw:
            return True
    return None if unknown else False


def _call_waits_for(pid: int, call: str, words: list[bytes], numbers: set[int]) -> bool:
    first, second = int(words[1], 16), int(words[2], 16)
    if call == _ACCEPT:
        return first in numbers
    if call == _POLL:
        raw = _memory(pid, first, min(second, _POLLED_MAX) * _POLLFD.size)
        whole = raw[: len(raw) // _POLLFD.size * _POLLFD.size]
        return any(number in numbers for number, _, _ in _POLLFD.iter_unpack(whole))
    bits = int.from_bytes(_memory(pid, second, (min(first, _POLLED_MAX) + 7) // 8), "little")
    return any(bits >> number & 1 for number in numbers)


def _memory(pid: int, address: int, size: int) -> bytes:
    """Return bytes of another process's memory, empty if they may not be read."""
    with suppress(OSError, OverflowError):
        fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, size, address) if address else b""
        finally:
            os.close(fd)
    return b""


def _has_connection(pid: int, listening_ones: set[int], ports: set[tuple[int, int]]) -> bool:
    """Return whether a process has a connection of one of the ports. Both sides of the comparison
    are read at nearly the same time, and several times: a quick answer takes a millisecond.

    The connections of all workers are read only for a process that may have one of them.
    """
    for _ in range(_GLANCES):
        for family, port in ports:
            held = {inode for _, inode in procfs.open_sockets(pid)} - listening_ones
            if _may_be_tcp(held) and held & _connections(family, port):
                return True
    return False


def _may_be_tcp(inodes: set[int]) -> bool:
    """Return whether one of these sockets may be other than a Unix socket."""
    return len(inodes) > _LOOKED_UP_MAX or not all(map(sockdiag.is_unix_socket, inodes))


def _connections(family: int, port: int) -> set[int]:
    with suppress(OSError):  # the kernel does not report them
        return sockdiag.connection_inodes(family, port)
    return set()
