"""Which process takes over from a main process that has exited, and by which socket."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers import succession
from monit_agent.keeper.workers.succession import (
    SeenSockets,
    find_successor,
    listening_sockets,
)
from support.keeper_loop import run_until

ALONE = "print(flush=True); input()"
POOL = "import os; child = os.fork(); child and print(child, flush=True); os.read(0, 1)"


class Servers:
    """A listening socket, and programs that have it."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.sock.getsockname()[1]
        self.inode = os.fstat(self.sock.fileno()).st_ino
        self._programs: list[subprocess.Popen[bytes]] = []

    def start(self, code: str, *, has_socket: bool = True) -> list[int]:
        """Start a program; return its pid and that of its child."""
        program = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self.sock.fileno(),) if has_socket else (),
        )
        self._programs.append(program)
        assert program.stdout is not None
        return [program.pid, *map(int, program.stdout.readline().split())]

    def close(self) -> None:
        for program in self._programs:
            program.communicate()  # the end of its input lets it and its child exit
        self.sock.close()


@pytest.fixture(name="servers")
def _servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.close()


@pytest.mark.parametrize(
    ("code", "takes_over"), [(0, True), (1, False), (-1, False), (None, False)]
)
def test_a_single_process_takes_over_only_after_a_clean_exit(
    servers: Servers, code: int | None, takes_over: bool
) -> None:
    """A crash leaves processes with the socket too."""
    (pid,) = servers.start(ALONE)
    found = find_successor([pid], {servers.inode}, code)
    assert found == (pid if takes_over else None)


@pytest.mark.parametrize(("code", "takes_over"), [(0, True), (1, False), (None, True)])
def test_a_process_with_a_pool_takes_over_also_when_the_exit_was_not_seen(
    servers: Servers, code: int | None, takes_over: bool
) -> None:
    """The master of the new pool, and not one of its children."""
    master, child = servers.start(POOL)
    found = find_successor([child, master], {servers.inode}, code)
    assert found == (master if takes_over else None)


def test_only_a_process_with_the_socket_takes_over(servers: Servers) -> None:
    """What the main process left otherwise is not the server."""
    (pid,) = servers.start(ALONE, has_socket=False)
    assert find_successor([pid], {servers.inode}, 0) is None
    assert find_successor([], {servers.inode}, 0) is None


def test_only_listening_sockets_of_a_worker_are_remembered(
    servers: Servers, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server has other connections at every look, which would fill the memory of the keeper."""
    monkeypatch.setattr(succession, "FIRST_LOOK_S", 0.0)
    seen = SeenSockets(loop)
    with contextlib.ExitStack() as connections:
        for _ in range(100):
            connections.enter_context(socket.create_connection(("127.0.0.1", servers.port)))
            connections.enter_context(servers.sock.accept()[0])
        seen.watch(os.getpid())
        found = run_until(loop, lambda: seen.of(os.getpid()), what="the sockets are seen")
    assert servers.inode in found
    assert len(found) < 100


def test_the_sockets_are_those_of_the_port_or_the_shared_or_the_seen(servers: Servers) -> None:
    """A socket that was never seen in the instance proves nothing."""
    left = servers.start(ALONE)
    own = {servers.inode}
    assert listening_sockets([], servers.port, {5}, None) == set()
    assert listening_sockets(left, servers.port, {5}, None) == own | {5}
    assert listening_sockets(left, None, {5}, None) == {5}
    assert listening_sockets(left, None, set(), None) == own
    assert listening_sockets(left, None, set(), own | {7}) == own
    assert listening_sockets(left, None, set(), {7}) == set()
