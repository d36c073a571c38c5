"""Who opens the ports of an app: monit for all workers, or each worker by itself."""

import http.client
import json
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest

from support.command_line import (
    command,
    logs,
    monit,
    monit_error,
    pids,
    printed,
    row,
    rows,
    script,
)
from support.load import Load
from support.matrix import matrix
from support.ports import free_port, is_listening
from support.servers import HTTP_SERVER
from support.waiting import wait_until

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed here")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here")

NODE = """
require('http').createServer((_, res) => res.end(String(process.pid)))
  .listen(Number(process.env.PORT), 'localhost', () => console.log('listening'));
"""
OWN_CLUSTER = """
const cluster = require('node:cluster');
if (cluster.isPrimary) {
  console.log('primary code');
  cluster.fork();
  cluster.fork();
} else {
  require('http').createServer((_, res) => res.end(String(process.pid)))
    .listen(process.env.PORT, () => console.log('worker listens'));
}
"""


def answer(port: int) -> int:
    """Return the pid of the process that answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/", headers={"Connection": "close"})
    return int(connection.getresponse().read())


@needs_node
@pytest.mark.parametrize("options", [(), ("--mode", "fork")])
def test_a_program_with_a_cluster_of_its_own_runs_its_primary_code(
    home: Path, options: tuple[str, ...]
) -> None:
    """One instance with a port is no member of monit's cluster, whoever opens the port."""
    port = free_port()
    monit("start", str(script(home, "own.js", OWN_CLUSTER)), "--port", str(port), *options)
    wait_until(lambda: logs("own").count("worker listens") == 2, what="both of its workers listen")
    assert logs("own").count("primary code") == 1
    assert answer(port) != row("own")["pid"]
    assert row("own")["mode"] == ("fork" if options else "cluster")


@needs_node
def test_mode_cluster_makes_a_single_worker_a_member(home: Path) -> None:
    """What `isPrimary` guards is skipped, as with several instances, and the command says so."""
    options = ("--port", str(free_port()), "--mode", "cluster")
    done = command("start", str(script(home, "own.js", OWN_CLUSTER)), *options)
    assert done.returncode == 0
    assert "cluster.isPrimary is skipped" in done.stderr
    assert "--mode fork" in done.stderr
    assert "primary code" not in printed("own", "worker listens")


@needs_node
@pytest.mark.parametrize("code", [NODE, OWN_CLUSTER], ids=["plain", "own cluster"])
def test_a_single_node_worker_with_a_port_is_replaced_without_a_gap(home: Path, code: str) -> None:
    """The next one shares its port, although it is no member of a cluster."""
    port = free_port()
    monit("start", str(script(home, "web.js", code)), "--port", str(port))
    wait_until(lambda: is_listening(port), what="it listens")
    first = row("web")["pid"]
    monit("reload", "web")
    assert row("web")["pid"] != first
    assert answer(port)
    monit("stop", "web")
    assert not is_listening(port)


@needs_node
def test_a_single_node_worker_loses_no_request(home: Path) -> None:
    """Old and new one accept from the same socket."""
    port = free_port()
    monit("start", str(script(home, "web.js", NODE)), "--port", str(port))
    with Load(port, clients=2) as load:
        load.more(50)
        monit("reload", "web")
        load.more(50)
    assert load.failures == []


@needs_node
def test_a_port_in_use_is_an_error_of_the_programs(home: Path) -> None:
    """In Node's own words; a second server at the same port of one process is one, too."""
    code = """
    const { createServer } = require('net');
    const place = { port: Number(process.env.PORT), host: '127.0.0.1' };
    createServer().listen(place, () => {
      createServer().on('error', (error) => console.log(error.message)).listen(place);
    });
    """
    port = free_port()
    monit("start", str(script(home, "web.js", code)), "--port", str(port))
    printed("web", f"listen EADDRINUSE: address already in use 127.0.0.1:{port}")


WRAPPERS = {
    "sh -c": ("sh", "-c", "{program}; true"),
    "env": ("env", "A=1", "{words}"),
    "script": ("{script}",),
}


@pytest.mark.parametrize(
    ("wrapper", "kind"),
    matrix(
        [(wrapper, kind) for wrapper in WRAPPERS for kind in ("node", "python")],
        [("sh -c", "node"), ("script", "python")],
    ),
)
def test_wrappers_share_like_the_program_that_they_run(home: Path, wrapper: str, kind: str) -> None:
    """All instances listen on one port, and a reload replaces each beside the old one."""
    node = shutil.which("node")
    if kind == "node" and node is None:
        pytest.skip("node is not installed here")
    port = free_port()
    program = (
        (str(node), str(script(home, "web.js", NODE)))
        if kind == "node"
        else (sys.executable, str(script(home, "web.py", HTTP_SERVER)))
    )
    shown = shlex.join(program)
    run = script(home, "run.sh", f"#!/bin/bash\ncd /\nexec {shown}\n")
    run.chmod(0o755)
    words: list[str] = []
    for word in WRAPPERS[wrapper]:
        words += program if word == "{words}" else [word.format(program=shown, script=run)]
    options = ("--name", "web", "-i", "2", "--port", str(port), "--env", f"TEST_PORT={port}")
    monit("start", *options, "--", *words)
    assert {each["mode"] for each in rows("web")} == {"cluster"}
    with Load(port, clients=2) as load:
        load.more(20)
        monit("reload", "web")
        load.more(20)
    assert load.failures == []
    assert {each["restarts"] for each in rows("web")} == {1}


def test_instances_that_would_open_one_port_are_not_started(home: Path) -> None:
    """The error names the ways out, and nothing is left of the app."""
    program = (shutil.which("sleep") or "sleep", "1000")
    message = monit_error("start", "-i", "2", "--port", "8000", "--", *program, code=2)
    for way in ("--listen 8000", "--increment-var PORT", "--mode fork"):
        assert way in message
    assert rows() == []


@pytest.mark.parametrize("kind", matrix(["node", "python"], ["python"]))
def test_a_scaled_app_shares_the_port_that_its_first_worker_opened(home: Path, kind: str) -> None:
    """All accept from one socket, the first worker is not restarted, and no request is lost."""
    if kind == "node" and shutil.which("node") is None:
        pytest.skip("node is not installed here")
    port = free_port()
    code = NODE.replace("process.env.PORT", str(port)) if kind == "node" else HTTP_SERVER
    path = script(home, "web.js" if kind == "node" else "web.py", code)
    by = () if kind == "node" else ("--interpreter", sys.executable, "--env", f"TEST_PORT={port}")
    monit("start", str(path), *by)
    assert row("web")["mode"] == "fork"
    first = row("web")["pid"]
    wait_until(lambda: is_listening(port), what="it listens")
    with Load(port, clients=4, think_s=0) as load:
        monit("scale", "web", "3")
        wait_until(lambda: len({int(body) for body in load.bodies}) == 3, what="all three answered")
        assert {each["mode"] for each in rows("web")} == {"cluster"}
        assert row("web")["pid"] == first
    assert load.failures == []
    monit("reload", "web")
    assert is_listening(port)
    assert {each["restarts"] for each in rows("web")} == {1}


def test_a_scale_to_instances_that_would_open_one_port_is_refused(home: Path) -> None:
    """The error names the ways out, and the app keeps running as it was."""
    port = free_port()
    server = script(home, "web.py", HTTP_SERVER)
    # hidden in a way that monit does not follow
    opaque = ("perl", "-e", "exec @ARGV", sys.executable, str(server))
    if shutil.which("perl") is None:
        pytest.skip("perl is not installed here")
    options = ("--name", "web", "--port", str(port), "--env", f"TEST_PORT={port}")
    monit("start", *options, "--", *opaque)
    message = monit_error("scale", "web", "2")
    for way in (f"--listen {port}", "--increment-var PORT", "--mode fork"):
        assert way in message
    assert [each["status"] for each in rows("web")] == ["online"]


REUSES = """
import contextlib, os, socket
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind(("127.0.0.1", int(os.environ["PORT"])))
    server.listen()
    while True:
        client, _ = server.accept()
        body = str(os.getpid()).encode()
        with client, contextlib.suppress(OSError):
            client.settimeout(5)
            client.recv(9999)
            head = b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
            client.sendall(head + body)
"""


@pytest.mark.parametrize("instances", [1, 2])
def test_a_server_that_opens_its_port_with_reuseport_is_replaced_beside_the_old_one(
    home: Path, instances: int
) -> None:
    """Its mode says what it does, and the port is open all the time."""
    port = free_port()
    server = script(home, "web.py", REUSES)
    # isolated, so that nothing of monit is in it, as in a server that binds in Rust or Go
    isolated = (sys.executable, "-I", str(server))
    options = ("--name", "web", "-i", str(instances), "--port", str(port), "--mode", "fork")
    monit("start", *options, "--", *isolated)
    wait_until(lambda: row("web")["mode"] == "reuseport", what="the mode is known")
    assert "SO_REUSEPORT" in monit("describe", "web")
    before = pids("web")
    with Load(port, clients=1) as load:
        load.more(20)
        monit("reload", "web")
        load.more(20)
    assert not [each for each in load.failures if each.startswith("refused")]
    assert not pids("web") & before


def test_a_program_that_cannot_take_a_shared_port_is_in_mode_fork(home: Path) -> None:
    """The mode is what its worker does, not what a Python program could do."""
    port = free_port()
    server = script(home, "web.py", HTTP_SERVER)
    isolated = (sys.executable, "-I", str(server))
    options = ("--name", "web", "--port", str(port), "--env", f"TEST_PORT={port}")
    monit("start", *options, "--", *isolated)
    wait_until(lambda: row("web")["mode"] == "fork", what="the mode is known")
    monit("reload", "web")
    assert is_listening(port)
    assert "a reload stops the old worker first" in monit("describe", "web")

    server.write_text("raise SystemExit('no flour left')")
    answer = monit_error("reload", "web")
    assert "the old worker was stopped first, because each opens its port itself" in answer
    assert "no flour left" in answer


@needs_node
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed here")
def test_instances_that_do_not_share_a_port_say_why_they_fail(home: Path) -> None:
    """The port is in the program, so the start is not refused; the reason names the ways out."""
    port = free_port()
    code = NODE.replace("process.env.PORT", str(port))
    start = {"start": f"NODE_OPTIONS= node {script(home, 'web.js', code)}"}  # monit's part is out
    script(home, "package.json", json.dumps({"name": "web", "scripts": start}))
    # the command's own result is a race: both count as online until the second one binds
    command("start", "--name", "web", "-i", "2", "--cwd", str(home), "--", "npm", "start")
    wait_until(
        lambda: "--increment-var PORT" in monit("describe", "web"),
        what="the reason names the ways out",
        deadline_s=40,
    )
    assert is_listening(port)


OPENS_A_PORT = """
import sys
from http.server import HTTPServer, BaseHTTPRequestHandler
try:
    server = HTTPServer(("127.0.0.1", {port}), BaseHTTPRequestHandler)
except OSError as error:
    print("bind:", error.strerror, file=sys.{stream}, flush=True)
    sys.exit(1)
server.serve_forever()
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("place", ["", "one.log", "none"])
def test_a_port_in_use_is_noticed_wherever_the_program_prints_it(
    home: Path, stream: str, place: str
) -> None:
    """On either stream, also when both go into one file or nowhere."""
    code = OPENS_A_PORT.format(port=free_port(), stream=stream)
    words = (sys.executable, "-I", str(script(home, "web.py", code)))
    places = ("--log-out", place, "--log-err", place) if place else ()
    command("start", "--name", "web", "-i", "2", "--cwd", str(home), *places, "--", *words)
    wait_until(
        lambda: "--increment-var PORT" in monit("describe", "web"),
        what="the reason names the ways out",
    )


LOOKS_FIRST = """
import os, socket, sys
from http.server import ThreadingHTTPServer, BaseHTTPRequestHandler

def somebody_answers(port):
    with socket.socket() as look:
        try:
            return not look.HOW(("127.0.0.1", port))
        except ConnectionRefusedError:
            return False

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass

port = int(os.environ["PORT"])
if somebody_answers(port):
    sys.exit(f"Port {port} not free on 127.0.0.1.")
server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("it is taken now" if somebody_answers(port) else "nobody answers", flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize("how", ["connect_ex", "connect"])
def test_a_program_that_looks_whether_its_port_is_free_shares_it(home: Path, how: str) -> None:
    """As CherryPy and many scripts do: it finds the port free before it has it, and taken
    afterwards, in each instance, at a reload and after a crash."""
    port = free_port()
    code = LOOKS_FIRST.replace("HOW", how)
    words = (str(script(home, "web.py", code)), "--interpreter", sys.executable)
    monit("start", *words, "--port", str(port), "-i", "2")
    before = pids("web")
    with Load(port) as load:
        monit("reload", "web")
        load.more(20)
    assert load.failures == []
    after = pids("web")
    assert not before & after
    os.kill(min(after), signal.SIGKILL)
    wait_until(
        lambda: after != pids("web") and {each["status"] for each in rows("web")} == {"online"},
        what="the next worker",
    )
    assert logs("web").count("it is taken now") == 5


def test_an_interpreter_that_ignores_the_environment_cannot_share(home: Path) -> None:
    """So two instances with one port are refused, with the ways out, and do not start to fail."""
    port = free_port()
    code = LOOKS_FIRST.replace("HOW", "connect_ex")
    server = str(script(home, "web.py", code))
    monit("start", "--name", "web", "--port", str(port), "--", sys.executable, "-I", server)
    assert (row("web")["mode"], row("web")["status"]) == ("fork", "online")
    assert "--increment-var PORT" in monit_error("scale", "web", "2")
    assert "--increment-var PORT" in monit_error(
        "start",
        "--name",
        "two",
        "-i",
        "2",
        "--port",
        str(port),
        "--",
        sys.executable,
        "-I",
        server,
        code=2,
    )


TRIES_FIRST_IN_NODE = """
const net = require('net');
const port = Number(process.env.PORT);
const free = (host) => new Promise((resolve) => {
  const server = net.createServer();
  server.once('error', () => resolve(false));
  server.listen(port, host, () => server.close(() => resolve(true)));
});
(async () => {
  for (const host of ['0.0.0.0', '::', undefined, 'localhost']) await free(host);
  require('http').createServer((_, res) => res.end('ok')).listen(port, '127.0.0.1');
})();
"""
LISTENS_AGAIN = """
const server = require('http').createServer((_, response) => response.end('ok'));
const port = Number(process.env.PORT);
let left = 40;
server.on('error', (error) => console.log('failed', error.code));
server.on('listening', () => {
  if (left-- > 0) server.close(() => server.listen(port, 'localhost'));
  else console.log('done');
});
server.listen(port, 'localhost');
"""
TRIES_FIRST_IN_PYTHON = """
import os, socket
from http.server import ThreadingHTTPServer, SimpleHTTPRequestHandler
port = int(os.environ["PORT"])
for host in ("0.0.0.0", "localhost", "127.0.0.1", ""):
    try:
        with socket.create_server((host, port)):
            pass
    except OSError:
        pass
SimpleHTTPRequestHandler.log_message = lambda *_: None
ThreadingHTTPServer(("127.0.0.1", port), SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.mark.parametrize("instances", ["1", "2"])
@pytest.mark.parametrize(
    "start",
    ["web.py", pytest.param("web.js", marks=needs_node), pytest.param("npm", marks=needs_npm)],
)
def test_a_port_that_was_tried_at_other_addresses_can_be_opened(
    home: Path, start: str, instances: str
) -> None:
    """Programs look whether a port is free by opening it at every address, as Vite does; what they
    closed again is in nobody's way, also at a reload."""
    port = free_port()
    script(home, "web.py", TRIES_FIRST_IN_PYTHON)
    script(home, "web.js", TRIES_FIRST_IN_NODE)
    script(home, "package.json", json.dumps({"name": "web", "scripts": {"start": "node web.js"}}))
    by = ("--interpreter", sys.executable) if start == "web.py" else ()
    words = ("--", "npm", "start") if start == "npm" else (str(home / start), *by)
    options = ("--name", "web", "--port", str(port), "-i", instances, "--cwd", str(home))
    monit("start", *options, *words)
    before = pids("web")
    with Load(port) as load:
        load.more(10)
        monit("reload", "web")
        load.more(10)
    assert load.failures == []
    assert not before & pids("web")


@needs_node
@pytest.mark.parametrize("start", ["cluster", "alone", pytest.param("npm", marks=needs_npm)])
def test_a_server_that_closes_and_listens_again_gets_its_port(home: Path, start: str) -> None:
    """As Vite restarts: nobody else has the port meanwhile, and no event says so."""
    port = free_port()
    script(home, "web.js", LISTENS_AGAIN)
    script(home, "package.json", json.dumps({"name": "web", "scripts": {"start": "node web.js"}}))
    words = ("--", "npm", "start") if start == "npm" else (str(home / "web.js"),)
    options = ("--name", "web", "--port", str(port), "--cwd", str(home))
    monit("start", *options, *(("--mode", "cluster") if start == "cluster" else ()), *words)
    text = wait_until(
        lambda: next((each for each in ("failed", "done") if each in logs("web")), None),
        what="it listens for the last time, or could not",
    )
    assert text == "done", logs("web")
    assert "in use" not in monit("events", "web")


TRACES_CONNECT = """
import functools, os, socket
connect = socket.socket.connect

@functools.wraps(connect)
def traced(sock, address):
    print("traced", address, flush=True)
    return connect(sock, address)

socket.socket.connect = traced
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
with socket.socket() as client:
    client.connect(server.getsockname())
    print("connected", flush=True)
while True:
    server.accept()
"""


def test_a_tracer_of_connections_stays(home: Path) -> None:
    """A library that wraps connect() sees also what is connected after the port was opened."""
    path = str(script(home, "web.py", TRACES_CONNECT))
    port = str(free_port())
    monit("start", path, "--interpreter", sys.executable, "--port", port, "-i", "2")
    printed("web", "connected")
    assert f"traced ('127.0.0.1', {port})" in logs("web")
