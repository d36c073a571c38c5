"""Who is at the other end of a Unix socket."""

import os
import socket
from pathlib import Path

from monit_agent.system.sockets import CREDENTIALS_SPACE, peer_credentials, peer_pid, sender_pid


def test_the_peer_of_a_connection_is_named_by_the_kernel() -> None:
    """A connection from this process comes from this process and its user."""
    here, there = socket.socketpair()
    with here, there:
        assert peer_pid(here) == os.getpid()
        assert peer_credentials(here) == (os.getpid(), os.getuid(), os.getgid())


def test_a_datagram_has_its_sender_only_where_it_was_requested(tmp_path: Path) -> None:
    """Without ``SO_PASSCRED`` the sender is unknown, and nothing fails."""
    path = str(tmp_path / "s")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outbox,
    ):
        inbox.bind(path)
        outbox.sendto(b"1", path)
        assert sender_pid(inbox.recvmsg(8, CREDENTIALS_SPACE)[1]) is None
        inbox.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        outbox.sendto(b"2", path)
        assert sender_pid(inbox.recvmsg(8, CREDENTIALS_SPACE)[1]) == os.getpid()
