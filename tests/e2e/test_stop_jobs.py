"""What people run, stopped with a job in hand: it is finished, and nothing is left.

The job says that it has begun, and finishes when the test releases it, after the stop was
requested. So a signal that reached the process at work has killed it by then.
"""

import contextlib
import http.client
import json
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from support.keeper import QUICK, KeptApp
from support.matrix import matrix
from support.ports import free_port, is_listening
from support.processes import end_group, is_running, processes_of
from support.programs import PROGRAMS
from support.waiting import wait_until

BIN = Path(sys.executable).parent
SOURCES = PROGRAMS / "stop"
PATIENT = QUICK._replace(kill_timeout_s=60.0)
CELERY = "{bin}/celery -A celery_job worker -c 2 -P prefork --without-mingle --without-gossip"
SUPERVISOR = """
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={folder}/supervisord.pid
[program:pool]
command={pool}
directory={folder}
stopwaitsecs=60
"""
"""As in a container: in the foreground, one program below it."""


class Kind(NamedTuple):
    """A program, and how its job gets into its hands."""

    command: str
    queue: str = ""
    """The script that queues the job."""
    needs: tuple[str, ...] = ()
    """Programs and modules (with a colon) without which the test is skipped."""
    over_http: bool = False
    """The job is a request."""
    stop_signal: int = 15
    code: int | None = 0
    """How the worker exits, None for by signal."""


KINDS = {
    "celery": Kind(CELERY, "celery_job.py", ("{bin}/celery",)),
    "bash -c celery": Kind(
        f"bash -c '{CELERY}; true'", "celery_job.py", ("{bin}/celery",), code=None
    ),
    "dramatiq": Kind(
        "{bin}/dramatiq dramatiq_job --processes 2 --threads 1", "dramatiq_job.py",
        (":dramatiq", "redis-server"),
    ),
    "rq": Kind(
        "{bin}/rq worker -u unix://{folder}/redis.sock", "rq_job.py", (":rq", "redis-server")
    ),
    "huey": Kind(
        "{bin}/huey_consumer huey_job.queue -k process -w 2", "huey_job.py", (":huey",),
        stop_signal=2,
    ),
    "ProcessPoolExecutor": Kind("{python} executor.py"),
    "multiprocessing.Pool": Kind("{python} mppool.py"),
    "node children": Kind("node children.js", needs=("node",)),
    "sh -c 'a | b'": Kind("sh -c '{python} executor.py | cat'", code=None),
    "trap": Kind("bash -c 'trap \"exit 0\" TERM; {python} executor.py; true'"),
    "flock": Kind("flock lock {python} executor.py", needs=("flock",), code=None),
    "make": Kind("make -s pool", needs=("make",), code=None),
    "npm start": Kind("npm start --silent", needs=("npm",), code=None),
    "supervisord": Kind("{bin}/supervisord -c supervisord.conf", needs=(":supervisor",)),
    "gunicorn sync": Kind("{bin}/gunicorn -b 127.0.0.1:{port} wsgi_job:app", over_http=True),
    "gunicorn gthread": Kind(
        "{bin}/gunicorn -w 2 -k gthread -b 127.0.0.1:{port} wsgi_job:app", over_http=True
    ),
    "uvicorn --workers": Kind(
        "{bin}/uvicorn asgi_job:app --workers 2 --port {port}", over_http=True
    ),
    "hypercorn --workers": Kind(
        "{bin}/hypercorn asgi_job:app --workers 2 -b 127.0.0.1:{port} --graceful-timeout 60",
        over_http=True,
    ),
}  # fmt: skip
OFTEN = ("bash -c celery", "ProcessPoolExecutor")


@pytest.fixture(name="app")
def _app(home: Path) -> Iterator[KeptApp]:
    app = KeptApp(home / "home")
    yield app
    app.close()


def why_not(kind: Kind, names: dict[str, object]) -> str | None:
    """Return why a program cannot run here, or None."""
    for need in kind.needs:
        word = need.format(**names)
        there = find_spec(word[1:]) if word.startswith(":") else shutil.which(word)
        if not there:
            return f"no {word} here"
    return None


@contextlib.contextmanager
def broker_for(kind: Kind, folder: Path) -> Iterator[None]:
    """Run the broker that the program needs, if any."""
    (folder / "queue").mkdir()
    if "redis-server" not in kind.needs:
        yield
        return
    words = ["redis-server", "--port", "0", "--unixsocket", "redis.sock", "--save", ""]
    broker = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until((folder / "redis.sock").exists, what="redis listens")
        yield
    finally:
        end_group(broker)


class Client:
    """The job's request, from a thread of its own."""

    def __init__(self, port: int) -> None:
        self.answer = b""
        self._port = port
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", "/")
        self.answer = connection.getresponse().read()
        connection.close()

    def wait(self) -> bytes:
        self._thread.join(60)
        return self.answer


@pytest.mark.parametrize("name", matrix(KINDS, OFTEN))
def test_a_stop_lets_the_job_in_hand_finish(name: str, app: KeptApp, home: Path) -> None:
    """It is finished after the stop was requested, in time, and no process is left."""
    kind, folder, port = KINDS[name], home / "site", free_port()
    names = {"bin": BIN, "python": sys.executable, "folder": folder, "port": port}
    if reason := why_not(kind, names):
        pytest.skip(reason)
    shutil.copytree(SOURCES, folder)
    write_configuration(folder)
    with broker_for(kind, folder):
        if kind.queue:
            subprocess.run([sys.executable, kind.queue], cwd=folder, check=True)
        policy = PATIENT._replace(stop_signal=kind.stop_signal)
        words = shlex.split(kind.command.format(**names))
        app.start(*words, cwd=str(folder), policy=policy)
        client = None
        if kind.over_http:
            wait_until(lambda: is_listening(port), what="it listens", deadline_s=60)
            client = Client(port)
        wait_until((folder / "begun").exists, what="the job has begun", deadline_s=60)
        app.wait_for("online")
        tree = [each.pid for each in psutil.Process(app.slot()["pid"]).children(recursive=True)]
        app.request("stop")
        (folder / "released").touch()
        exit_ = app.wait_for("stopped")["exits"][-1]
        assert (folder / "finished").exists()
        assert client is None or client.wait() == b"done"
    assert app.event_texts("killed") == []
    assert exit_["code"] == kind.code
    assert not any(map(is_running, tree))
    commands = [" ".join(process.cmdline()) for process in processes_of(app.home)]
    assert [each for each in commands if "monit" not in each] == []


def write_configuration(folder: Path) -> None:
    """Write the files by which wrappers find the program."""
    pool = f"{sys.executable} executor.py"
    (folder / "Makefile").write_text(f"pool:\n\t{pool}\n")
    (folder / "package.json").write_text(json.dumps({"scripts": {"start": pool}}))
    (folder / "supervisord.conf").write_text(SUPERVISOR.format(folder=folder, pool=pool))
