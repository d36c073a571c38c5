"""`monit start --listen`: workers inherit their listening sockets, whatever they are written in."""

import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from support.command_line import keeper_pid, logs, monit, monit_error, pids, rows
from support.load import Load
from support.matrix import matrix
from support.ports import free_port, is_listening
from support.waiting import wait_until

PRINTS = """
import json, os, select, socket
mine = os.environ["LISTEN_PID"] == str(os.getpid())
socks = [socket.socket(fileno=n) for n in range(3, 3 + int(os.environ["LISTEN_FDS"]))]
told = [[s.family.name, s.getsockname(), os.get_blocking(s.fileno())] for s in socks]
print(json.dumps([mine, os.environ["LISTEN_FDNAMES"], told]), flush=True)
select.select(socks, [], [])
"""

PERL = r"""
use Socket;
open(my $listener, "+<&=", 3) or die;
my $end = 0;
$SIG{TERM} = sub { $end = 1 };
until ($end) {
    accept(my $client, $listener) or next;
    1 until defined(sysread($client, my $asked, 4096));
    my $body = $$;
    syswrite($client, "HTTP/1.0 200 OK\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
    close($client);
}
"""

NODE = """
require('http').createServer((_, response) => {
  response.end(String(process.pid));
}).listen({ fd: 3 });
"""

PROGRAMS = {"perl": ("perl", "web.pl", PERL), "node": ("node", "web.js", NODE)}


def start_program(kind: str, home: Path, *options: str) -> None:
    """Start a program that serves at descriptor 3."""
    program, name, code = PROGRAMS[kind]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
    (home / name).write_text(code)
    words = ("--name", "web", *options, "--", program, str(home / name))
    monit("start", "-i", "2", "--kill-timeout", "3s", *words)


def test_a_worker_finds_what_systemd_would_give_it(home: Path) -> None:
    """Sockets from descriptor 3 on, blocking, in order; their number, its own pid, their names."""
    port, port6, path = free_port(), free_port(), home / "web.sock"
    (home / "tells.py").write_text(PRINTS)
    listen = (f"127.0.0.1:{port}", f"[::1]:{port6}", "unix:web.sock")
    options = [word for where in listen for word in ("--listen", where)]
    words = ("--name", "web", "--cwd", str(home), *options)
    monit("start", *words, "--", sys.executable, "-S", "tells.py")
    (line,) = (line for line in logs("web").splitlines() if "[true" in line)
    assert json.loads(line[line.index("[true") :]) == [
        True,
        f"{port}:{port6}:web.sock",
        [
            ["AF_INET", ["127.0.0.1", port], True],
            ["AF_INET6", ["::1", port6, 0, 0], True],
            ["AF_UNIX", str(path), True],
        ],
    ]
    assert path.stat().st_mode & 0o777 == 0o666
    assert {each["mode"] for each in rows("web")} == {"cluster"}
    monit("stop", "web")
    assert not path.exists()
    assert not is_listening(port)
    monit("start", "web")
    assert is_listening(port)


@pytest.mark.parametrize("kind", matrix(PROGRAMS, ["perl"]))
def test_any_program_is_reloaded_beside_the_old_one(kind: str, home: Path) -> None:
    """One that can exit gracefully loses nothing, also when the next keeper does it."""
    port = free_port()
    start_program(kind, home, "--listen", f"127.0.0.1:{port}")
    before = pids("web")
    with Load(port) as load:
        load.more(50)
        monit("reload", "web")
        load.more(50)
        second = pids("web")
        old = keeper_pid("web")
        os.kill(old, signal.SIGKILL)
        wait_until(
            lambda: (
                keeper_pid("web") != old
                and all(not each["stale"] and each["status"] == "online" for each in rows("web"))
            ),
            what="another keeper",
            deadline_s=30,
        )
        assert pids("web") == second
        monit("reload", "web")
        load.more(50)
    assert load.failures == []
    assert not before & second
    assert not second & pids("web")


TWO_PORTS = """
import os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args): pass
servers = [ThreadingHTTPServer(("127.0.0.1", int(os.environ[name])), Handler)
           for name in ("SECOND", "PORT")]
threading.Thread(target=servers[0].serve_forever, daemon=True).start()
servers[1].serve_forever()
"""


def test_a_second_port_needs_a_name_and_is_then_shared_with_the_first(home: Path) -> None:
    """Without it, a reload fails and says what to do; with it, no request fails at either port."""
    port, second = free_port(), free_port()
    (home / "two.py").write_text(TWO_PORTS)
    words = (str(home / "two.py"), "--interpreter", sys.executable, "--env", f"SECOND={second}")
    monit("start", *words, "--port", str(port))
    before = pids("two")
    said = monit_error("reload", "two")
    assert "in use by the old worker; share it with --listen HOST:PORT" in said
    assert pids("two") == before
    monit("delete", "two")

    monit("start", *words, "--port", str(port), "--listen", f"127.0.0.1:{second}")
    before = pids("two")
    with Load(port) as load, Load(second) as other:
        load.more(20)
        monit("reload", "two")
        load.more(20)
        other.more(20)
    assert load.failures + other.failures == []
    assert not before & pids("two")


def test_every_address_is_listened_on_by_a_port_alone(home: Path) -> None:
    """IPv4 and IPv6 by one socket, as systemd and Node have it."""
    port = free_port()
    start_program("perl", home, "--listen", str(port))
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as client:
            client.settimeout(20)
            client.connect((host, port))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.0 200")


def test_a_unix_socket_is_served_through_a_reload(home: Path) -> None:
    """At its path, where a stale socket without a listener lay before."""
    path = home / "web.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    start_program("perl", home, "--listen", f"unix:{path}")
    before = pids("web")
    with Load(0, host=str(path)) as load:
        load.more(50)
        monit("reload", "web")
        load.more(50)
    assert load.failures == []
    assert not before & pids("web")


def test_what_is_taken_is_refused_before_anything_starts(home: Path) -> None:
    """With pid and command of the owner, for ports and for paths; nothing is left of it."""
    path = home / "web.sock"
    (home / "tells.py").write_text(PRINTS)
    run = ("--", sys.executable, "-S", str(home / "tells.py"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        message = monit_error("start", "--name", "web", "--listen", where, *run)
        assert f"cannot listen on {where}: in use by pid {os.getpid()} (" in message
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        message = monit_error("start", "--name", "web", "--listen", f"unix:{path}", *run)
        assert f"cannot listen on unix:{path}: in use by pid {os.getpid()} (" in message
    path.unlink()
    path.write_text("not a socket")
    message = monit_error("start", "--name", "web", "--listen", f"unix:{path}", *run)
    assert f"cannot listen on unix:{path}" in message
    assert path.read_text() == "not a socket"
    missing = home / "no" / "web.sock"
    message = monit_error("start", "--name", "web", "--listen", f"unix:{missing}", *run)
    assert "No such file" in message
    assert rows() == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("where", ["1.2.3.4", "::1:80", "a b:80", "0", "127.0.0.1:99999", "unix:"])
def test_nonsense_is_refused_with_examples(where: str) -> None:
    """As wrong usage."""
    message = monit_error("start", "--listen", where, "--", "sleep", "9", code=2)
    assert "write" in message
