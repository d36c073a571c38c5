"""What happens to each server at a start, a good and a broken reload, and a stop.

Every test is a row of ``docs/servers.md`` and is compared with it; ``make server-table`` writes the
page.
"""

import os
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from support.command_line import MONIT, command, pids, row, rows
from support.load import Load
from support.matrix import matrix
from support.ports import free_port
from support.processes import is_running
from support.programs import PROGRAMS
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

BIN = Path(sys.executable).parent
SOURCES = PROGRAMS / "table"
PAGE = Path(__file__).parent.parent.parent / "docs" / "servers.md"
BROKEN = {".py": "import no_such_module\n", ".js": "require('no-such-module');\n"}


class Server(NamedTuple):
    """A program as people run it. ``{port}``, ``{bin}`` and ``{python}`` are filled in."""

    words: str
    """What follows ``monit start``."""
    source: str
    """The file that a broken release breaks."""
    needs: str = ""
    """A program or a module (with a colon) without which the row is skipped."""
    over_http: bool = True


GUNICORN = "-- {bin}/gunicorn -b 127.0.0.1:{port} -w 2"
SERVERS = {
    "gunicorn, sync": Server(f"{GUNICORN} wsgi:app", "wsgi.py"),
    "gunicorn, gthread": Server(f"{GUNICORN} -k gthread --threads 4 wsgi:app", "wsgi.py"),
    "gunicorn, gevent": Server(f"{GUNICORN} -k gevent wsgi:app", "wsgi.py", ":gevent"),
    "gunicorn, uvicorn worker": Server(
        f"{GUNICORN} -k uvicorn.workers.UvicornWorker asgi:app", "asgi.py"
    ),
    "gunicorn --preload": Server(f"{GUNICORN} --preload wsgi:app", "wsgi.py"),
    "uvicorn": Server("-i 2 -- {bin}/uvicorn --port {port} asgi:app", "asgi.py"),
    "uvicorn --workers 2": Server("-- {bin}/uvicorn --port {port} --workers 2 asgi:app", "asgi.py"),
    "hypercorn": Server("-i 2 -- {bin}/hypercorn -b 127.0.0.1:{port} asgi:app", "asgi.py"),
    "hypercorn -w 2": Server("-- {bin}/hypercorn -b 127.0.0.1:{port} -w 2 asgi:app", "asgi.py"),
    "granian --workers 2": Server(
        "-- {bin}/granian --interface asgi --port {port} --workers 2 asgi:app",
        "asgi.py", ":granian",
    ),
    "Django in gunicorn": Server(f"{GUNICORN} django_site:app", "django_site.py", ":django"),
    "Django, runserver": Server(
        "django_site.py --interpreter {python} -- runserver 127.0.0.1:{port} --noreload",
        "django_site.py", ":django",
    ),
    "http.server": Server("plain.py -i 2 --interpreter {python}", "plain.py"),
    "aiohttp": Server("aiohttp_app.py -i 2 --interpreter {python}", "aiohttp_app.py", ":aiohttp"),
    "Node": Server("web.js -i 2", "web.js", "node"),
    "Node's own cluster": Server("cluster.js", "web.js", "node"),
    "npm start": Server("-- npm start --silent", "web.js", "npm"),
    "bash -c": Server(f"-- bash -c 'cd . && {GUNICORN[3:]} wsgi:app'", "wsgi.py"),
    "a queue's worker": Server(
        "queue_worker.py -i 2 --interpreter {python}", "queue_worker.py", over_http=False
    ),
}  # fmt: skip
QUICK = ("gunicorn, sync", "a queue's worker")


class Site:
    """A folder with the programs, and the app ``web`` that runs one of them."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.port = free_port()
        self.server = server
        shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
        (folder / "queue").mkdir()
        (folder / "package.json").write_text('{"scripts": {"start": "node web.js"}}')

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the folder until it exits."""
        return command(*words, cwd=self.folder)

    def start_words(self) -> list[str]:
        filled = self.server.words.format(port=self.port, bin=BIN, python=sys.executable)
        port = ["--port", str(self.port)] if self.server.over_http else []
        options = ["--name", "web", "--listen-timeout", "15s", "--kill-timeout", "30s", *port]
        return ["start", *options, *shlex.split(filled)]

    def marks(self, name: str) -> set[str]:
        """Return the marks that the program left (``hold.py``)."""
        return {path.name for path in self.folder.glob(f"{name}-*")}

    def work(self, name: str) -> str:
        """Let the app do something, and return what becomes of it."""
        if not self.server.over_http:
            (self.folder / "queue" / name).touch()
            wait_until((self.folder / f"done-{name}").exists, what="it is done", deadline_s=60)
            return "ok"
        path = "slow" if name == "slow" else ""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=60) as answer:
            return answer.read().decode()


@pytest.mark.parametrize("name", matrix(SERVERS, QUICK))
def test_a_server_does_what_its_row_says(name: str, tmp_path: Path) -> None:
    """Start, good reload, broken reload and stop end as the page has it."""
    server = SERVERS[name]
    reason = why_not(server)
    if reason is not None:
        pytest.skip(reason)
    site = Site(tmp_path / "site", server)
    found = [at_start(site), at_good_reload(site), at_broken_reload(site), at_stop(site)]
    line = f"| {name} | {' | '.join(found)} |"
    if os.environ.get("MONIT_WRITE_SERVER_TABLE"):
        write_row(name, line)
    assert line in PAGE.read_text().splitlines()


def why_not(server: Server) -> str | None:
    """Return why a server cannot run here, or None."""
    need = server.needs
    there = find_spec(need[1:]) if need.startswith(":") else not need or shutil.which(need)
    return None if there else f"no {need.lstrip(':')} here"


# ---------------------------------------------------------------- columns


def at_start(site: Site) -> str:
    """Return when the app counts as online, seen while its import is held."""
    (site.folder / "hold").touch()
    with subprocess.Popen(
        [*MONIT, *site.start_words()], cwd=site.folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as start:  # fmt: skip
        wait_until(lambda: site.marks("importing"), what="it imports")
        wait_until(lambda: (row("web", 0)["uptime_s"] or 0) > 4, what="it could count as online")
        early = row("web", 0)["status"] == "online"
        (site.folder / "hold").unlink()
        assert start.wait(60) == 0
    assert site.work("first") == "ok"
    return "online after `min_uptime`" if early else "online when it answers"


def at_good_reload(site: Site) -> str:
    """Return how many requests a reload to good code loses."""
    before = pids("web")
    if not site.server.over_http:
        jobs = [f"job{n}" for n in range(20)]
        with ThreadPoolExecutor() as pool:
            doing = [pool.submit(site.work, job) for job in jobs]
            assert site.run("reload", "web").returncode == 0
            assert [each.result() for each in doing] == ["ok"] * len(jobs)
        lost = 0
    else:
        with Load(site.port) as load:
            load.more(20)
            assert site.run("reload", "web").returncode == 0
            load.more(20)
        lost = len(load.failures)
    assert not before & pids("web")
    what = "request" if site.server.over_http else "job"
    return f"no {what} fails" if lost == 0 else "stopped, then started"


def at_broken_reload(site: Site) -> str:
    """Return what becomes of the workers when the new release cannot be imported."""
    before = pids("web")
    source = site.folder / site.server.source
    good = source.read_text()
    source.write_text(BROKEN[source.suffix])
    done = site.run("reload", "web")
    assert done.returncode == 1
    assert "no_such_module" in done.stderr or "no-such-module" in done.stderr
    kept = pids("web") == before and all(map(is_running, before))
    if kept:
        assert site.work("again") == "ok"
    source.write_text(good)
    if not kept:
        assert site.run("restart", "web").returncode == 0
    return "the old release keeps running" if kept else "stopped, then not started"


def at_stop(site: Site) -> str:
    """Return what becomes of a request that is in progress when the app is stopped."""
    (site.folder / "work").touch()
    with ThreadPoolExecutor(1) as pool:
        slow: Future[str] = pool.submit(_outcome, lambda: site.work("slow"))
        wait_until(lambda: site.marks("working"), what="it works")
        with subprocess.Popen(
            [*MONIT, "stop", "web"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as stop:
            wait_until(
                lambda: {each["status"] for each in rows("web")} <= {"stopping", "stopped"},
                what="it is stopping",
            )
            (site.folder / "work").unlink()
            assert stop.wait(60) == 0
        outcome = slow.result()
    assert {each["status"] for each in rows("web")} == {"stopped"}
    return outcome


def _outcome(work: Callable[[], str]) -> str:
    try:
        return "finished" if work() == "ok" else "answered wrongly"
    except (OSError, urllib.error.URLError):
        return "lost: it exits at SIGTERM"


def write_row(name: str, line: str) -> None:
    """Put the row of a server into the page."""
    lines = PAGE.read_text().splitlines()
    place = [number for number, each in enumerate(lines) if each.startswith(f"| {name} |")]
    if place:
        lines[place[0]] = line
    else:
        last = max(number for number, each in enumerate(lines) if each.startswith("| "))
        lines.insert(last + 1, line)
    PAGE.write_text("\n".join(lines) + "\n")
