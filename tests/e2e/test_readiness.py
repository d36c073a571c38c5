"""Online means able to answer: when a worker counts as ready, at its start and in a reload."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import MONIT, command, monit, pids, row, rows
from support.load import Load
from support.matrix import matrix
from support.ports import free_port, is_listening
from support.processes import is_running
from support.servers import ASGI, BIN, WSGI
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

HOLD = """
import os, time
open(f"importing-{os.getpid()}", "w").close()
while os.path.exists("hold"):
    time.sleep(0.01)
"""
"""The beginning of a program that takes as long to import as there is a file called ``hold``."""

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%d" % os.getpid())
    def log_message(self, *_): pass
Handler.do_HEAD = Handler.do_GET
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

MASTERS = {
    "gunicorn": (WSGI, ("gunicorn", "-b", "127.0.0.1:{port}", "-w", "2", "web:app")),
    "gunicorn-threads": (
        WSGI,
        ("gunicorn", "-b", "127.0.0.1:{port}", "--threads", "2", "web:app"),
    ),
    "gunicorn-uvicorn": (
        ASGI,
        ("gunicorn", "-b", "127.0.0.1:{port}", "-k", "uvicorn.workers.UvicornWorker", "web:app"),
    ),
    "uvicorn": (ASGI, ("uvicorn", "--port", "{port}", "--workers", "2", "web:app")),
    "hypercorn": (ASGI, ("hypercorn", "-b", "127.0.0.1:{port}", "-w", "2", "web:app")),
}
"""Servers whose master process listens for its workers."""

AT_ONCE = ("gunicorn",)
"""Those of every run; the others are combinations of them."""


class Site:
    """A folder with a server's app, ``web.py``."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.hold = folder / "hold"
        self.code, words = MASTERS[name]
        self.script = folder / "web.py"
        self.script.write_text(HOLD + self.code)
        self.workers = 2 if {"-w", "--workers"} & set(words) else 1
        program, *rest = [word.format(port=self.port) for word in words]
        self.command = (str(BIN / program), *rest)

    def start(self, *options: str) -> int:
        """Start one instance; return the pid of its worker."""
        words = ("--name", "web", "--port", str(self.port), *options, "--", *self.command)
        monit("start", *words, cwd=self.folder)
        # one worker accepts; the others must have read the program before a test changes it
        wait_until(lambda: len(self.importing()) >= self.workers, what="all workers import it")
        return int(row("web")["pid"])

    def answer(self) -> str:
        """Return what the server answers, an error unless it answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=30) as response:
            return response.read().decode()

    def importing(self) -> set[str]:
        """Return the marks of the processes that have begun to import the app."""
        return {path.name for path in self.folder.glob("importing-*")}


@contextlib.contextmanager
def typed(*words: str, cwd: Path) -> Generator["subprocess.Popen[str]", None, None]:
    """Type a command and do not wait for its end."""
    out = subprocess.PIPE
    process = subprocess.Popen([*MONIT, *words], cwd=cwd, stdout=out, stderr=out, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def kinds(name: str, instance: int = 0) -> list[str]:
    """Return the kinds of an instance's events, oldest first."""
    found = json.loads(monit("describe", name, "--json"))[instance]
    return [each["kind"] for each in found["history"]["events"]]


def reasons(name: str, kind: str) -> list[str]:
    """Return the texts of the app's events of one kind."""
    found = json.loads(monit("describe", name, "--json"))[0]
    return [each["text"] for each in found["history"]["events"] if each["kind"] == kind]


def masters(*names: str) -> list[Any]:
    return [pytest.param(name, marks=() if name in names else pytest.mark.full) for name in MASTERS]


@pytest.mark.parametrize("name", masters(*AT_ONCE))
def test_a_master_that_only_listens_does_not_take_over(name: str, tmp_path: Path) -> None:
    """As long as the new workers import the app, the old ones answer; then the new ones do."""
    site = Site(tmp_path, name)
    old = site.start()
    before = site.importing()
    site.hold.touch()
    with typed("reload", "web", cwd=tmp_path) as reload:
        wait_until(lambda: site.importing() - before, what="a new worker imports the app")
        assert site.answer()
        assert row("web")["pid"] == old
        assert reload.poll() is None
        site.hold.unlink()
        assert reload.wait(60) == 0
    assert site.answer()
    assert row("web")["pid"] != old
    wait_until(lambda: not is_running(old), what="the old master is gone")


@pytest.mark.parametrize("name", masters(*AT_ONCE))
def test_a_broken_release_does_not_go_live(name: str, tmp_path: Path) -> None:
    """The old workers keep running, and the command ends with 1 and the new one's traceback."""
    site = Site(tmp_path, name)
    old = site.start("--listen-timeout", "6s")
    site.script.write_text("import no_such_module\n" + site.code)
    done = command("reload", "web", cwd=tmp_path)
    assert done.returncode == 1
    assert "no_such_module" in done.stderr
    assert row("web")["pid"] == old
    assert site.answer()


def test_a_saturated_server_is_seen_to_accept(tmp_path: Path) -> None:
    """A synchronous worker that never has to wait for the next connection takes over all the
    same."""
    site = Site(tmp_path, "gunicorn")
    old = site.start("--listen-timeout", "20s")
    with Load(site.port, clients=16, think_s=0.0) as load:
        load.more(50)
        monit("reload", "web")
        load.more(50)
    assert load.failures == []
    assert row("web")["pid"] != old


def test_with_a_port_online_means_accepting(tmp_path: Path) -> None:
    """A program that imports for long is starting; when it is online, it can be reached."""
    port = free_port()
    (tmp_path / "web.py").write_text(HOLD + SERVER)
    (tmp_path / "hold").touch()
    with typed("start", "web.py", "--port", str(port), cwd=tmp_path) as start:
        wait_until(lambda: any(tmp_path.glob("importing-*")), what="it imports")
        wait_until(lambda: (row("web")["uptime_s"] or 0) > 1.5, what="min_uptime has passed")
        assert (row("web")["status"], row("web")["ready"]) == ("starting", False)
        (tmp_path / "hold").unlink()
        assert start.wait(60) == 0
    assert is_listening(port)


@pytest.mark.parametrize("interpreter", matrix([sys.executable, "node"], [sys.executable]))
def test_a_program_that_exits_before_it_accepts_was_never_online(
    interpreter: str, tmp_path: Path
) -> None:
    """Its exits are failed starts with a backoff, however long each took."""
    node = interpreter == "node"
    script = tmp_path / ("web.js" if node else "web.py")
    wait_s = "setTimeout(() => process.exit(3), 1500)" if node else "import time; time.sleep(1.5)"
    script.write_text(wait_s if node else f"{wait_s}; raise SystemExit(3)")
    words = ("--port", str(free_port()), "--max-restarts", "2", "--interpreter", interpreter)
    done = command("start", script.name, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert row("web")["status"] == "errored"
    assert "ready" not in kinds("web")


def test_a_program_on_another_port_is_not_ready_and_says_why(tmp_path: Path) -> None:
    """The reason names the port at which it listens instead."""
    port, other = free_port(), free_port()
    code = SERVER.replace('int(os.environ["PORT"])', str(other))
    (tmp_path / "web.py").write_text(code)
    expected = f"it listens on port {other}, not on port {port}"
    with typed("start", "web.py", "--port", str(port), cwd=tmp_path):
        wait_until(lambda: rows("web"), what="it is listed")
        wait_until(lambda: expected in monit("describe", "web"), what="the reason is known")
    assert row("web")["status"] == "starting"


def test_a_worker_that_is_not_ready_in_time_is_a_failed_start(tmp_path: Path) -> None:
    """It is stopped after ``--listen-timeout``, and the reason stays in the events."""
    (tmp_path / "web.py").write_text("import time\ntime.sleep(3600)\n")
    port = free_port()
    words = ("--port", str(port), "--listen-timeout", "2s", "--max-restarts", "1")
    done = command("start", "web.py", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert row("web")["status"] == "errored"
    (reason,) = reasons("web", "unready")
    assert reason == f"not ready within 2.0 s: no process of it listens on port {port}"


NODE_SERVER = """
require("http").createServer((request, response) => {
  response.writeHead(200);
  response.end(String(process.pid));
}).listen(Number(process.env.PORT), "127.0.0.1");
"""
WSGI_SERVER = """
import os
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]
"""
CHECKED = {
    "http.server": ("web.py", SERVER, "send_response(200)", "send_response(503)"),
    "node": ("web.js", NODE_SERVER, "writeHead(200)", "writeHead(503)"),
    "gunicorn": ("web.py", WSGI_SERVER, "200 OK", "503 Service Unavailable"),
}
"""Servers that share a port: script, its code, and what makes another release answer 503."""


@pytest.mark.parametrize("instances", matrix([1, 2], [2]))
@pytest.mark.parametrize("kind", matrix(CHECKED, ["http.server"]))
def test_only_the_new_worker_can_answer_for_itself(
    kind: str, instances: int, tmp_path: Path
) -> None:
    """A release that answers 503 fails the reload, though the old workers answer 200."""
    name, good, status, other = CHECKED[kind]
    port = free_port()
    script = tmp_path / name
    script.write_text(good)
    url = f"http://127.0.0.1:{port}/"
    words = ("--name", "web", "-i", str(instances), "--port", str(port), "--ready-url", url)
    command_words = [str(BIN / "gunicorn"), "-b", f"127.0.0.1:{port}", "web:app"]
    what = ["--", *command_words] if kind == "gunicorn" else [name]
    monit("start", *words, "--listen-timeout", "6s", *what, cwd=tmp_path)
    old = pids("web")
    script.write_text(good.replace(status, other))
    done = command("reload", "web", cwd=tmp_path)
    assert done.returncode == 1
    assert "status 503" in done.stderr
    assert pids("web") == old
    script.write_text(good)
    monit("reload", "web")
    assert not pids("web") & old


def test_a_health_check_concerns_one_instance(tmp_path: Path) -> None:
    """Of two instances on one port the one that hangs is replaced, though the other answers."""
    port = free_port()
    (tmp_path / "web.py").write_text(SERVER)
    health = ("--health-url", f"http://127.0.0.1:{port}/", "--health-interval", "0.5s",
              "--health-timeout", "1s", "--health-failures", "2",
              "--kill-timeout", "1s")  # fmt: skip
    monit("start", "web.py", "-i", "2", "--port", str(port), *health, cwd=tmp_path)
    well, ill = (row("web", number)["pid"] for number in (0, 1))
    wait_until(
        lambda: all((each["health"] or {}).get("ok") for each in rows("web")), what="both are well"
    )
    os.kill(ill, signal.SIGSTOP)
    wait_until(
        lambda: row("web", 1)["pid"] not in (ill, None), what="it is replaced", deadline_s=60
    )
    assert row("web", 0)["pid"] == well
    assert "unhealthy" in kinds("web", 1)


# ---------------------------------------------------------------- without a port

QUEUE_WORKER = """
import os, signal, time
def finish(*_):
    time.sleep(0.2)
    open(f"finished-{os.getpid()}", "w").close()
    raise SystemExit
signal.signal(signal.SIGTERM, finish)
print("working", flush=True)
while True:
    time.sleep(0.05)
"""


def test_a_worker_without_a_port_is_replaced_when_the_new_one_runs(tmp_path: Path) -> None:
    """Until the new one has settled the old one works; then it finishes and exits."""
    (tmp_path / "worker.py").write_text(QUEUE_WORKER)
    monit("start", "worker.py", cwd=tmp_path)
    old = row("worker")["pid"]
    (tmp_path / "worker.py").write_text(HOLD.replace("time.sleep(0.01)", "pass") + QUEUE_WORKER)
    (tmp_path / "hold").touch()
    with typed("reload", "worker", cwd=tmp_path) as reload:
        wait_until(lambda: any(tmp_path.glob("importing-*")), what="the new one imports")
        assert is_running(old)
        assert not (tmp_path / f"finished-{old}").exists()
        (tmp_path / "hold").unlink()
        assert reload.wait(60) == 0
    assert (tmp_path / f"finished-{old}").exists()
    assert row("worker")["pid"] != old


@pytest.mark.parametrize("instances", matrix([1, 2], [2]))
def test_a_broken_release_of_a_worker_without_a_port_changes_nothing(
    instances: int, tmp_path: Path
) -> None:
    """The old workers keep running, and the command ends with 1 and the traceback."""
    (tmp_path / "worker.py").write_text(QUEUE_WORKER)
    monit("start", "worker.py", "-i", str(instances), cwd=tmp_path)
    old = pids("worker")
    (tmp_path / "worker.py").write_text("import no_such_module\n")
    done = command("reload", "worker", cwd=tmp_path)
    assert done.returncode == 1
    assert "no_such_module" in done.stderr
    assert pids("worker") == old
    assert [each["status"] for each in rows("worker")] == ["online"] * instances


# ---------------------------------------------------------------- what is missing


@pytest.mark.parametrize(
    ("gone", "verb"),
    matrix(
        [
            (gone, verb)
            for gone in ("folder", "script", "interpreter")
            for verb in ("reload", "restart")
        ],
        [("folder", "reload"), ("script", "restart"), ("interpreter", "reload")],
    ),
)
def test_what_is_missing_is_noticed_before_anything_stops(
    gone: str, verb: str, tmp_path: Path
) -> None:
    """The command ends with 1 and names what is missing; the worker keeps running."""
    release = tmp_path / "release"
    release.mkdir()
    script = release / "worker.py"
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    script.write_text("import time\ntime.sleep(3600)\n")
    monit("start", "worker.py", "--interpreter", str(python), cwd=release)
    old = row("worker")["pid"]
    missing = {"folder": release, "script": script, "interpreter": python}[gone]
    missing.rename(tmp_path / "moved")
    done = command(verb, "worker", cwd=tmp_path)
    assert done.returncode == 1
    assert str(missing) in done.stderr
    assert row("worker")["pid"] == old
    assert is_running(old)


def test_a_symbolic_link_to_a_release_is_followed(tmp_path: Path) -> None:
    """An app that was started in ``current`` runs what ``current`` points to when it is reloaded,
    also when the former release is gone."""
    for name in ("r1", "r2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.py").write_text(
            f"import time\nprint('this is {name}', flush=True)\ntime.sleep(3600)\n"
        )
    current = tmp_path / "current"
    current.symlink_to("r1")
    done = command("start", "m.py", cwd=current, env={"PWD": str(current)})
    assert done.returncode == 0, done.stderr
    assert "this is r1" in monit("logs", "m", "--no-follow")
    current.unlink()
    current.symlink_to("r2")
    (tmp_path / "r1" / "m.py").unlink()
    os.rmdir(tmp_path / "r1")
    monit("reload", "m")
    assert "this is r2" in monit("logs", "m", "--no-follow")
