"""Which sockets listen, on a busy machine and in another network namespace."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from monit_agent.system.listening import listening_inodes, tcp_listeners
from support.counting import bytes_read

CLOSED = 400
ROW = 50
"""Bytes for each connection: a row of ``/proc/net/tcp`` has 150. The table of UDP is read, and
grows by the few sockets that other programs open meanwhile."""
LISTEN = """
import socket, sys
sock = socket.create_server(("127.0.0.1", 0))
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""
"""Prints the port on which it listens, until its input ends."""


def _inode(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino


def test_a_bound_udp_socket_is_found_at_its_port() -> None:
    """UDP has no accept: a bound socket can be reached."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        found = listening_inodes(os.getpid(), sock.getsockname()[1])
        assert found == {os.fstat(sock.fileno()).st_ino}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_listeners_are_found_at_their_port(address: str) -> None:
    """With IPv4 and IPv6; a connection of the port is no listener."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        with socket.create_connection((address, port)):
            assert listening_inodes(os.getpid(), port) == {_inode(server)}
            assert tcp_listeners(os.getpid())[_inode(server)] == port


def test_connections_cost_nothing_when_listeners_are_looked_for() -> None:
    """A busy server leaves tens of thousands of closed connections in the kernel's tables."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = server.getsockname()
        before = bytes_read(lambda: listening_inodes(os.getpid(), where[1]))
        for _ in range(CLOSED):
            with socket.create_connection(where):
                server.accept()[0].close()
        after = bytes_read(lambda: listening_inodes(os.getpid(), where[1]))
        assert after < before + CLOSED * ROW


@pytest.mark.skipif(
    shutil.which("unshare") is None or os.geteuid() != 0, reason="needs root and unshare"
)
def test_a_listener_in_another_network_namespace_is_found() -> None:
    """A program in a container has a table of its own, which is read where the kernel reports
    only ours."""
    words = ["unshare", "--net", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"]
    with subprocess.Popen(
        [*words, sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        (inode,) = listening_inodes(process.pid, port)
        assert tcp_listeners(process.pid) == {inode: port}
        assert inode not in tcp_listeners(os.getpid())
        process.communicate()
