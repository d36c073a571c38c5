"""What a client notices when servers with a master process, and a queue's workers, are reloaded.

Each app takes a second to import, as real ones do. Measured are the failed requests of five reloads
under load and the longest wait of a request, beside the same load without a reload; and the jobs of
a Celery queue that are lost.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster import CLOSE, answers, end, failed, free_port, load, requests
from common import STRAIGHT, Figure, Monit, monit, say, wait_for

RELOADS = 5
SETTLE_S = 1.0
LONG_S = 600.0
JOBS = 200
IDLE_S = 20.0
"""A queue in which nothing was done for so long is finished."""
BIN = Path(sys.executable).parent
WSGI = """
import time; time.sleep(1)
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
ASGI = """
import time; time.sleep(1)
async def app(scope, receive, send):
    if scope["type"] == "http":
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})
"""
CELERY = """
import os, time
from celery import Celery
app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "queue",
}
@app.task
def job(number):
    time.sleep(0.2)
    open(f"done-{number}", "w").close()
if __name__ == "__main__":
    from tasks import job as task
    for number in range(JOBS):
        task.delay(number)
"""
SERVERS = {
    "gunicorn -w 4": (WSGI, "gunicorn", "-b", "127.0.0.1:{port}", "-w", "4", "web:app"),
    "uvicorn --workers 4": (
        ASGI, "uvicorn", "--port", "{port}", "--workers", "4", "--no-access-log",
        "--log-level", "warning", "web:app",
    ),
}  # fmt: skip
NOTE = f"""\
Masters: {STRAIGHT} is the same load on the same workers without a reload. The app takes a second \
to import."""


def measure(quick: bool) -> list[Figure]:
    """Return failed requests, longest waits and lost jobs of five reloads."""
    _ = quick
    figures: list[Figure] = []
    for name, (code, *words) in SERVERS.items():
        say(f"  {name}: {RELOADS} reloads")
        figures += _of_server(name, code, words)
    say(f"  celery: {RELOADS} reloads, {JOBS} jobs")
    figures.append(_of_celery())
    return figures


def _of_server(name: str, code: str, words: list[str]) -> list[Figure]:
    with monit() as manager, tempfile.TemporaryDirectory(prefix="b") as folder:
        port = free_port()
        Path(folder, "web.py").write_text(code)
        program, *rest = (word.format(port=port) for word in words)
        options = ("--name", "web", "--port", str(port), "--cwd", folder)
        manager.run("start", *options, "--", str(BIN / program), *rest)
        wait_for(lambda: answers(port), f"{name} serves")
        reloading = _load(manager, port, reloads=RELOADS)
        took_s = reloading[2]
        steady = _load(manager, port, reloads=0, seconds=took_s)
    what = f"{name}, {RELOADS} reloads under wrk -c32"
    waits = {"monit": [reloading[1]], STRAIGHT: [steady[1]]}
    return [
        Figure(f"{what}: failed requests (of {reloading[3]:,})", "", {"monit": [reloading[0]]}),
        Figure(f"{what}: longest wait", "ms", waits, NOTE),
    ]


def _load(
    manager: Monit, port: int, *, reloads: int, seconds: float = 0.0
) -> tuple[float, float, float, int]:
    """Return failed requests, longest wait in ms, seconds, and requests of one load."""
    begun = time.monotonic()
    running = load(port, LONG_S, (*CLOSE, "--timeout", "30s"))
    for _ in range(reloads):
        time.sleep(SETTLE_S)
        manager.run("reload", "web")
    time.sleep(max(SETTLE_S, begun + seconds - time.monotonic()))
    output = end(running)
    return float(failed(output)), _longest_ms(output), time.monotonic() - begun, requests(output)


def _longest_ms(output: str) -> float:
    found = re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)", output)
    assert found, output
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[found[2]]


def _of_celery() -> Figure:
    with monit() as manager, tempfile.TemporaryDirectory(prefix="b") as folder:
        Path(folder, "tasks.py").write_text(CELERY.replace("JOBS", str(JOBS)))
        Path(folder, "queue").mkdir()
        words = ("-A", "tasks", "worker", "-c", "4", "--without-mingle", "--without-gossip")
        options = ("--name", "web", "--cwd", folder, "--kill-timeout", "30s")
        manager.run("start", *options, "--", str(BIN / "celery"), *words)
        subprocess.run([sys.executable, "tasks.py"], cwd=folder, check=True)
        for _ in range(RELOADS):
            time.sleep(SETTLE_S)
            manager.run("reload", "web")
        lost = JOBS - _jobs_done(folder)
    what = f"celery -c 4, {RELOADS} reloads beside a queue: lost jobs (of {JOBS})"
    return Figure(what, "", {"monit": [float(lost)]})


def _jobs_done(folder: str) -> int:
    """Return how many jobs are done in the end: all, or none more for a while."""
    done, since = 0, time.monotonic()
    while done < JOBS and time.monotonic() - since < IDLE_S:
        time.sleep(SETTLE_S)
        now = len(list(Path(folder).glob("done-*")))
        if now > done:
            done, since = now, time.monotonic()
    return done
