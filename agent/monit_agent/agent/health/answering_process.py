"""Which process answers a check: only an answer of the instance that is checked counts.

Instances that share a port, a reload's two workers, and a stranger on the port are all reached at
the same address. The kernel shows which socket is the server's end of a connection, and ``/proc``
which process has it. A connection that was accepted by another process is closed before anything
was requested, and the check connects again.
"""

import asyncio
import os
import socket
from typing import Protocol

from monit_agent.system import procfs
from monit_agent.system.sockdiag import server_end

DEFERRED_AFTER_S = 0.2
"""A server may leave a connection to the kernel until something was sent (``TCP_DEFER_ACCEPT``)."""

LOOK_S = 0.002
LOOK_LATER_S = 0.05
"""How often the connection is looked at until it is accepted: at first, and later."""


class CheckConnection(Protocol):
    """A client's connection."""

    sock: socket.socket

    def is_open(self) -> bool:
        """Return whether it is open, and nothing was answered."""
        ...

    def send_beginning(self) -> None:
        """Send the first byte of the request, once."""


async def is_accepted_by(worker: int, connection: CheckConnection) -> bool:
    """Wait until a connection was accepted; return whether a process of the worker did it.

    Return True if that cannot be seen: the server is on another machine, or its processes may not
    be looked into. Return False if the connection ends before it was seen.

    Args:
        worker: the pid of the instance's worker.
        connection: the client's end; nothing was sent over it.
    """
    pause_s = waited_s = LOOK_S
    while (inode := server_end(connection.sock)) == 0:
        if not connection.is_open():
            return False
        if waited_s > DEFERRED_AFTER_S:
            connection.send_beginning()
        waited_s += pause_s
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LOOK_LATER_S)
    return inode is None or _has_socket(worker, inode)


def _has_socket(worker: int, inode: int) -> bool:
    for pid in (worker, *procfs.descendant_pids(worker)):
        if any(each == inode for _, each in procfs.open_sockets(pid)):
            return True
        if not os.access(f"/proc/{pid}/fd", os.R_OK) and os.path.exists(f"/proc/{pid}"):
            return True
    return False
