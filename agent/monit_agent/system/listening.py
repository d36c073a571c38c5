"""Listening sockets of a network namespace: from ``sock_diag(7)``, else from ``/proc``."""

import os

from monit_agent.system import procfs, sockdiag
from monit_agent.system.memory.shortage import with_spare
from monit_agent.system.sockets import socket
from monit_agent.system.suppress import suppress

_LISTEN = b"0A"
_ACCEPTS = b"00010000"


def tcp_listeners(pid: int) -> dict[int, int]:
    """Return the ports of the TCP sockets that listen in the network namespace of a process, by
    inode."""
    with suppress(OSError):  # it has exited, may not be seen, or the kernel does not report them
        if _namespace(pid) == _namespace(os.getpid()):
            ipv6 = sockdiag.tcp_listeners(socket.AF_INET6)
            return {**ipv6, **sockdiag.tcp_listeners(socket.AF_INET)}
    return {inode: port for inode, port, state in _rows(pid, "tcp", "tcp6") if state == _LISTEN}


def listening_inodes(pid: int, port: int) -> set[int]:
    """Return the inodes of the sockets at a port in the network namespace of a process: those that
    listen, and UDP sockets, which accept as soon as they are bound."""
    found = {inode for inode, at, _ in _rows(pid, "udp", "udp6") if at == port}
    return found | {inode for inode, at in tcp_listeners(pid).items() if at == port}


def unix_listeners() -> dict[int, str]:
    """Return the paths of the Unix sockets that listen, by inode; those of abstract sockets begin
    with ``@``."""
    found: dict[int, str] = {}
    for line in (procfs.read_file("/proc/net/unix") or b"").splitlines()[1:]:
        fields = line.split(None, 7)
        if len(fields) == 8 and fields[3] == _ACCEPTS:
            found[int(fields[6])] = os.fsdecode(fields[7])
    return found


def _namespace(pid: int) -> int:
    return with_spare(os.stat, f"/proc/{pid}/ns/net").st_ino


def _rows(pid: int, *tables: str) -> list[tuple[int, int, bytes]]:
    """Return inode, local port and state of each row of these tables."""
    found: list[tuple[int, int, bytes]] = []
    for table in tables:
        for line in (procfs.read_file(f"/proc/{pid}/net/{table}") or b"").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9:
                port = int(fields[1].rpartition(b":")[2], 16)
                found.append((int(fields[9]), port, fields[3]))
    return found
