"""Web servers as tests put them under monit: programs that know nothing of it.

``/`` answers with the pid of who answers, ``/slow`` does so a second later.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from support.programs import program

BIN = Path(sys.executable).parent
NODE_MODULES = Path(__file__).parent.parent / "node" / "node_modules"

SLOW_S = 1.0

HTTP_SERVER = program("servers/http_server.py")

FLASK = program("servers/flask_app.py")

WSGI = program("servers/wsgi.py")

ASGI = program("servers/asgi.py")

AIOHTTP = program("servers/aiohttp_app.py")

TORNADO = program("servers/tornado_app.py")

NODE = program("servers/node.js")

EXPRESS = program("servers/express.js")

INHERITED = program("servers/inherited.py")


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
    """Return why a server cannot run here, or None."""
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
    """Write the program into ``folder``; return its path."""
    script = folder / f"web{SERVERS[kind].suffix}"
    script.write_text(SERVERS[kind].code)
    modules = folder / "node_modules"
    if script.suffix == ".js" and NODE_MODULES.is_dir() and not modules.exists():
        os.symlink(NODE_MODULES, modules)
    return script


def start_words(kind: str, folder: Path, port: int, instances: int) -> list[str]:
    """Return what follows ``monit start`` for the program in ``folder``."""
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
