"""Whether a process accepts connections, seen from outside, for every way to wait for one."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from monit_agent.keeper.ports.accepting import is_accepting, own_listeners
from support.counting import calls_made
from support.waiting import wait_until

BEGIN = """
import os, select, socket, sys, threading, time
sock = socket.socket(fileno=int(sys.argv[1]))
sock.setblocking(sys.argv[2] == "blocking")
print("up", flush=True)
"""

WAYS = {
    "accept": "sock.accept()",
    "accept in a thread": (
        "threading.Thread(target=sock.accept, daemon=True).start(); time.sleep(600)"
    ),
    "poll": "p = select.poll(); p.register(0); p.register(sock, select.POLLIN); p.poll()",
    "select": "select.select([sock], [], [])",
    "epoll": "e = select.epoll(); e.register(sock); e.poll()",
    "epoll, busy": "e = select.epoll(); e.register(sock)\nwhile True: pass",
    "asyncio": (
        "import asyncio\n"
        "async def main():\n"
        "    sock.setblocking(False)\n"
        "    server = await asyncio.start_server(lambda *_: None, sock=sock)\n"
        "    await server.serve_forever()\n"
        "asyncio.run(main())"
    ),
    "in a child": "os.fork() or sock.accept()\nos.wait()",
}
"""How a program waits for connections."""

NOT_WAYS = {
    "sleep": "time.sleep(600)",
    "poll of another": "p = select.poll(); p.register(0, 0); p.poll()",
    "epoll of another": "e = select.epoll(); e.register(os.pipe()[0]); e.poll()",
    "busy": "while True: pass",
}


@pytest.fixture(name="listener")
def _listener() -> Generator[socket.socket, None, None]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def run(listener: socket.socket, code: str) -> "subprocess.Popen[bytes]":
    """Start a program that has the socket, and wait until it runs."""
    number = listener.fileno()
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + code, str(number), "blocking"],
        pass_fds=(number,), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def accepts(process: "subprocess.Popen[bytes]", listener: socket.socket) -> bool | None:
    """Return whether the program accepts, by itself or in a child."""
    pids = [process.pid, *(child.pid for child in psutil.Process(process.pid).children())]
    family, port = listener.family, listener.getsockname()[1]
    inode = os.fstat(listener.fileno()).st_ino
    return is_accepting(pids, {inode}, {(family, port)})


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_waits_for_connections_accepts(way: str, listener: socket.socket) -> None:
    """Whatever call it waits in."""
    with run(listener, WAYS[way]) as process:
        try:
            wait_until(lambda: accepts(process, listener), what="it accepts")
        finally:
            for child in psutil.Process(process.pid).children():
                child.kill()
            process.kill()


@pytest.mark.parametrize("way", NOT_WAYS)
def test_a_process_that_only_has_the_socket_does_not_accept(
    way: str, listener: socket.socket
) -> None:
    """A master that listens for its workers, or a program that still imports."""
    with run(listener, NOT_WAYS[way]) as process:
        try:
            assert accepts(process, listener) is False
        finally:
            process.kill()


def test_a_busy_server_is_known_by_its_connections(listener: socket.socket) -> None:
    """Under full load it never waits for the next connection; it has those that it accepted."""
    code = "c = sock.accept()\nprint('got', flush=True)\nwhile True: pass"
    with run(listener, code) as process, socket.create_connection(listener.getsockname()):
        assert process.stdout is not None
        process.stdout.readline()
        try:
            assert accepts(process, listener)
        finally:
            process.kill()


def test_connections_of_others_cost_nothing_at_a_look(listener: socket.socket) -> None:
    """While a worker starts, those that serve may have tens of thousands."""
    code = "u = socket.socketpair()\nprint('has', flush=True)\ntime.sleep(600)"
    with run(listener, code) as process, contextlib.ExitStack() as connections:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            before = calls_made(lambda: accepts(process, listener))
            for _ in range(200):
                client = socket.create_connection(listener.getsockname())
                connections.enter_context(client)
                connections.enter_context(listener.accept()[0])
            after = calls_made(lambda: accepts(process, listener))
        finally:
            process.kill()
    assert after < before + 200


def test_listeners_of_its_own_are_named(listener: socket.socket, tmp_path: Path) -> None:
    """By their port or path; shared ones are left out."""
    path = os.path.join(tmp_path, "own.sock")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        found = own_listeners([os.getpid()], set())
        port = listener.getsockname()[1]
        assert {f"port {port}", path} <= set(found.values())
        shared = {os.fstat(listener.fileno()).st_ino}
        assert f"port {port}" not in own_listeners([os.getpid()], shared).values()


def test_a_loop_of_libuv_that_does_not_serve_yet_does_not_accept(
    listener: socket.socket,
) -> None:
    """Uvicorn imports its app when the loop runs already, which has an io_uring."""
    code = (
        "import asyncio, uvloop\n"
        "async def main():\n"
        "    print('runs', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "uvloop.run(main())"
    )
    with run(listener, code) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"runs\n"
            assert accepts(process, listener) is False
        finally:
            process.kill()
