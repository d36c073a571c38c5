"""Web servers as tests put them under monit: programs that know nothing of it.

``/`` answers with the pid of who answers, ``/slow`` does so a second later.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

BIN = Path(sys.executable).parent
NODE_MODULES = Path(__file__).parent / "node" / "node_modules"

SLOW_S = 1.0

HTTP_SERVER = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = os.environ.get("TEST_PROTOCOL", "HTTP/1.0")
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        body = b"%d" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
at = (os.environ.get("TEST_HOST", "127.0.0.1"), int(os.environ["TEST_PORT"]))
http.server.ThreadingHTTPServer(at, Handler).serve_forever()
"""

FLASK = """
import os, time, flask
app = flask.Flask(__name__)
@app.get("/")
def at_once():
    return str(os.getpid())
@app.get("/slow")
def slow():
    time.sleep(1)
    return str(os.getpid())
if __name__ == "__main__":
    app.run(port=int(os.environ["TEST_PORT"]))
"""

WSGI = """
import os, time
def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    body = b"%d" % os.getpid()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
"""

ASGI = """
import asyncio, os
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    body = b"%d" % os.getpid()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""

AIOHTTP = """
import asyncio, os
from aiohttp import web
async def at_once(request):
    return web.Response(text=str(os.getpid()))
async def slow(request):
    await asyncio.sleep(1)
    return web.Response(text=str(os.getpid()))
app = web.Application()
app.add_routes([web.get("/", at_once), web.get("/slow", slow)])
web.run_app(app, host="127.0.0.1", port=int(os.environ["TEST_PORT"]), print=None)
"""

TORNADO = """
import asyncio, os, tornado.web
class AtOnce(tornado.web.RequestHandler):
    def get(self):
        self.write(str(os.getpid()))
class Slow(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(1)
        self.write(str(os.getpid()))
async def main():
    app = tornado.web.Application([("/", AtOnce), ("/slow", Slow)])
    app.listen(int(os.environ["TEST_PORT"]), "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
"""

NODE = """
const { createServer } = require('http');
createServer((request, response) => {
  setTimeout(() => response.end(String(process.pid)), request.url === '/slow' ? 1000 : 0);
}).listen(Number(process.env.TEST_PORT), '127.0.0.1');
"""

EXPRESS = """
const app = require('express')();
app.get('/', (_, response) => response.send(String(process.pid)));
app.get('/slow', (_, response) => setTimeout(() => response.send(String(process.pid)), 1000));
app.listen(Number(process.env.TEST_PORT), '127.0.0.1');
"""

INHERITED = """
import os, select, signal, socket, threading, time
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
listener = socket.socket(fileno=3)
listener.setblocking(False)
going = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: going.set())
def answer(connection):
    with connection:
        connection.settimeout(20)
        asked = b""
        while not asked.endswith(b"\\r\\n\\r\\n"):
            part = connection.recv(4096)
            if not part:
                return
            asked += part
        time.sleep(1 if b"/slow" in asked else 0)
        body = b"%d" % os.getpid()
        head = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n"
        connection.sendall(head % len(body) + body)
threads = []
while not going.is_set():
    if not select.select([listener], [], [], 0.05)[0]:
        continue
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        continue
    threads.append(threading.Thread(target=answer, args=(connection,)))
    threads[-1].start()
    threads = [thread for thread in threads if thread.is_alive()]
for thread in threads:
    thread.join()
"""


class Server(NamedTuple):
    """A program and how it is started. ``{port}`` in the words is the port, ``{bin}`` the folder
    of our virtual environment."""

    code: str
    words: tuple[str, ...] = ()
    """The command; without one the code is a script."""
    options: tuple[str, ...] = ()
    suffix: str = ".py"
    env: tuple[str, ...] = ()
    keeps: bool = True
    """It keeps connections for more than one request."""
    may_close: bool = False
    """A worker that goes may close each of its kept connections, on a starved machine some of them
    without having said so before."""


def _uvicorn(*more: str) -> tuple[str, ...]:
    return ("{bin}/uvicorn", "web:app", "--log-level", "warning", "--no-access-log", *more)


def _gunicorn(*more: str) -> tuple[str, ...]:
    return ("{bin}/gunicorn", "web:app", "--log-level", "error", *more)


PORT = ("--port", "{port}")
BIND = ("-b", "127.0.0.1:{port}")

SERVERS = {
    "http.server": Server(HTTP_SERVER, keeps=False),
    "http.server 1.1": Server(HTTP_SERVER, env=("TEST_PROTOCOL=HTTP/1.1",)),
    "flask": Server(FLASK, keeps=False),
    "tornado": Server(TORNADO),
    "aiohttp": Server(AIOHTTP),
    "uvicorn asyncio": Server(ASGI, _uvicorn("--loop", "asyncio", *PORT)),
    "uvicorn uvloop": Server(ASGI, _uvicorn("--loop", "uvloop", *PORT)),
    "hypercorn": Server(ASGI, ("{bin}/hypercorn", "web:app", *BIND)),
    "gunicorn sync": Server(WSGI, _gunicorn(*BIND), keeps=False),
    "gunicorn gthread": Server(WSGI, _gunicorn("-k", "gthread", "--threads", "8", *BIND)),
    "gunicorn asgi": Server(ASGI, _gunicorn("-k", "asgi", *BIND), may_close=True),
    "node": Server(NODE, suffix=".js"),
    "express": Server(EXPRESS, suffix=".js"),
    "inherited": Server(
        INHERITED, (sys.executable, "-S", "web.py"), ("--listen", "127.0.0.1:{port}"), keeps=False
    ),
    "uvicorn --fd": Server(ASGI, _uvicorn("--fd", "3"), ("--listen", "127.0.0.1:{port}")),
    "gunicorn inherited": Server(WSGI, _gunicorn(), ("--listen", "127.0.0.1:{port}"), keeps=False),
    "hypercorn fd://": Server(
        ASGI, ("{bin}/hypercorn", "web:app", "-b", "fd://3"), ("--listen", "127.0.0.1:{port}")
    ),
}


def why_not(kind: str) -> str | None:
    """Say why a server cannot run here, or give None."""
    server = SERVERS[kind]
    if server.suffix == ".js" and shutil.which("node") is None:
        return "node is not installed here"
    if kind == "express" and not (NODE_MODULES / "express").is_dir():
        return "express is not installed here"
    program = server.words[0] if server.words else ""
    if program.startswith("{bin}") and not Path(program.format(bin=BIN, port=0)).exists():
        return f"no {program} here"
    return None


def write(kind: str, folder: Path) -> Path:
    """Write the program into ``folder``; give its path."""
    script = folder / f"web{SERVERS[kind].suffix}"
    script.write_text(SERVERS[kind].code)
    modules = folder / "node_modules"
    if script.suffix == ".js" and NODE_MODULES.is_dir() and not modules.exists():
        os.symlink(NODE_MODULES, modules)
    return script


def start_words(kind: str, folder: Path, port: int, instances: int) -> list[str]:
    """Give what follows ``monit start`` for the program in ``folder``."""
    server = SERVERS[kind]
    filled = {"bin": BIN, "port": port}
    options = [word.format(**filled) for word in server.options]
    for variable in (f"TEST_PORT={port}", *server.env):
        options += ["--env", variable]
    options += ["--name", "web", "-i", str(instances), "--cwd", str(folder)]
    if server.words:
        return [*options, "--", *(word.format(**filled) for word in server.words)]
    by = [] if server.suffix == ".js" else ["--interpreter", sys.executable]
    return [str(folder / f"web{server.suffix}"), *options, *by]
