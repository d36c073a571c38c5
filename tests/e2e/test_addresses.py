"""Shared sockets of every kind: IPv4, IPv6, both, and Unix sockets; reloaded under load."""

import contextlib
import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from support.command_line import monit, pids, printed, row
from support.load import Load
from support.ports import free_port
from support.servers import ASGI, BIN
from support.waiting import wait_until

ASYNCIO = """
import asyncio, os, sys
async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    body = b"%d" % os.getpid()
    head = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n"
    writer.write(head % len(body) + body)
    writer.close()
async def main():
    host, port = sys.argv[1:]
    server = await asyncio.start_server(answer, None if host == "none" else host, int(port))
    print("bound", sorted(sock.getsockname()[0] for sock in server.sockets), flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

NODE = """
const [host, port] = process.argv.slice(2);
const server = require('http').createServer((_, response) => {
  response.end(String(process.pid));
});
const where = host.startsWith('/') ? { path: host } : { port: Number(port) };
if (host !== 'none' && !where.path) where.host = host;
server.listen(where, () => console.log('bound', JSON.stringify(server.address())));
"""

ADDRESSES = {"0.0.0.0": "127.0.0.1", "::1": "::1", "::": "::1", "none": "127.0.0.1"}
"""What a program must listen on, and where the test connects then."""

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here")
needs_ipv6 = pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")


def is_reloaded(*where: tuple[int, str]) -> None:
    """See that both instances answer at each place, that two others do after a reload, and that
    no request is lost."""
    before = pids("web")
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(Load(port, host=host)) for port, host in where]
        for load in loads:
            answered_by(load, 2)
        monit("reload", "web")
        for load in loads:
            answered_by(load, 4)
    assert [load.failures for load in loads] == [[] for _ in loads]
    assert len(before | pids("web")) == 4


def answered_by(load: Load, workers: int) -> None:
    """Wait until so many processes have answered."""
    wait_until(lambda: len(load.bodies) == workers, what=f"{workers} answered", deadline_s=40)


@needs_ipv6
@pytest.mark.parametrize("host", ADDRESSES)
@pytest.mark.parametrize("kind", [pytest.param("node", marks=needs_node), "python"])
def test_instances_share_a_port_on_any_address(kind: str, host: str, home: Path) -> None:
    """Also where a program binds a socket for each family, as asyncio does without a host."""
    script = home / ("web.js" if kind == "node" else "web.py")
    script.write_text(NODE if kind == "node" else ASYNCIO)
    port = free_port()
    by = () if kind == "node" else ("--interpreter", sys.executable)
    monit("start", str(script), *by, "-i", "2", "--name", "web", "--", host, str(port))
    printed("web", "bound")
    places = [(port, ADDRESSES[host])]
    if host == "none":
        places.append((port, "::1"))
    is_reloaded(*places)


@needs_node
def test_node_programs_share_a_unix_socket(home: Path) -> None:
    """Node's own cluster does; the path is gone when the app is stopped."""
    path = home / "web.sock"
    (home / "web.js").write_text(NODE)
    monit("start", str(home / "web.js"), "-i", "2", "--name", "web", "--", str(path), "0")
    printed("web", "bound")
    is_reloaded((0, str(path)))
    monit("stop", "web")
    assert not path.exists()


SERVERS = {
    "uvicorn asyncio": ("uvicorn", "web:app", "--uds", "{path}", "--loop", "asyncio"),
    "uvicorn uvloop": ("uvicorn", "web:app", "--uds", "{path}", "--loop", "uvloop"),
    "hypercorn": ("hypercorn", "web:app", "-b", "unix:{path}"),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_python_servers_share_a_path_that_was_named(kind: str, home: Path) -> None:
    """Each removes what lies at its path before it binds, and again when it ends: what all of them
    share stays there until the app is stopped."""
    path = home / "web.sock"
    (home / "web.py").write_text(ASGI)
    program, *words = (word.format(path=path) for word in SERVERS[kind])
    options = ("--name", "web", "-i", "2", "--cwd", str(home), "--listen", f"unix:{path}")
    monit("start", *options, "--", str(BIN / program), *words)
    is_reloaded((0, str(path)))
    monit("stop", "web")
    assert not path.exists()


def test_other_paths_are_the_programs_own(home: Path) -> None:
    """It binds them, and removes them, also beside one that is shared."""
    path, own = home / "web.sock", home / "own.sock"
    (home / "web.py").write_text(
        f"""
import os, socket
with socket.socket(socket.AF_UNIX) as sock:
    sock.bind({str(own)!r})
    print("bound", os.path.exists({str(own)!r}), flush=True)
    os.unlink({str(own)!r})
    os.remove({str(path)!r})
    try:
        os.unlink({str(own)!r})
    except FileNotFoundError as error:
        print("left", os.listdir({str(home)!r}).count("web.sock"), error.filename, flush=True)
socket.socket(fileno=3).accept()
"""
    )
    by = ("--interpreter", sys.executable, "--name", "web", "--listen", f"unix:{path}")
    monit("start", str(home / "web.py"), *by)
    printed("web", "bound True")
    printed("web", f"left 1 {own}")
    assert row("web")["status"] == "online"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))


@pytest.mark.parametrize("how", ["bound", "inherited"])
def test_answers_in_pieces_are_sent_at_once(how: str, home: Path) -> None:
    """What is accepted has TCP_NODELAY, which servers set on sockets that are then replaced."""
    port = free_port()
    bound = "socket.create_server(('127.0.0.1', PORT))".replace("PORT", str(port))
    listener = bound if how == "bound" else "socket.socket(fileno=3)"
    code = f"""
import socket
listener = {listener}
print("listens", flush=True)
while True:
    try:
        client = listener.accept()[0]
    except BlockingIOError:
        continue
    print("at once:", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), flush=True)
"""
    (home / "web.py").write_text(code)
    by = ("--interpreter", sys.executable, "--name", "web")
    where = ("-i", "2") if how == "bound" else ("--listen", f"127.0.0.1:{port}")
    monit("start", str(home / "web.py"), *by, *where)
    with socket.create_connection(("127.0.0.1", port)):
        printed("web", "at once: 1")
