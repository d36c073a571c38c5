"""Programs that are masters with workers of their own: their children and figures are shown."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.command_line import logs, monit, row, script
from support.ports import free_port
from support.programs import PROGRAMS
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("home")

SEED = PROGRAMS / "seed"

WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""

ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
"""

CELERY = """
from celery import Celery
app = Celery("tasks", broker="memory://")
"""

POOL = """
import concurrent.futures, time

def work(_):
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        pass

if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        while True:
            list(pool.map(work, range(2)))
            time.sleep(0.2)
"""


def family(app: str, ready: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the row of an app is as ``ready`` wants it."""
    found = wait_until(
        lambda: now if ready(now := row(app)) else None,
        deadline_s=40, what=f"the processes of {app}\n{logs(app)}",
    )  # fmt: skip
    assert found is not None
    return found


def reporting(count: int) -> Callable[[dict[str, Any]], bool]:
    """Whether so many children report by a probe, with CPU known, and so does the first process,
    whose heap is in the sum."""

    def ready(now: dict[str, Any]) -> bool:
        described = [
            each for each in now["processes"] if each["probe"] and each["cpu_percent"] is not None
        ]
        heaps = [each["heap_used_bytes"] or 0 for each in described]
        return len(heaps) >= count and all(heaps) and (now["heap_used_bytes"] or 0) > sum(heaps)

    return ready


def check_sums(now: dict[str, Any]) -> None:
    """The instance's figures are those of all its processes: never less than its children's, or
    than the largest one's where they share pages."""
    children = now["processes"]
    assert now["children"] == len(children)
    for field in ("threads", "fds", "heap_used_bytes"):
        assert now[field] > sum(each[field] for each in children)
    assert now["rss_bytes"] >= max(each["rss_bytes"] for each in children)
    lags = [each["loop_lag_p95_ms"] for each in children if each["loop_lag_p95_ms"] is not None]
    assert (now["loop_lag_p95_ms"] or 0.0) >= max(lags, default=0.0)
    assert all(each["ppid"] for each in children)


def test_gunicorn_shows_its_workers(tmp_path: Path) -> None:
    """Two workers with names and heaps; the list shows the next one when one is killed."""
    pytest.importorskip("gunicorn")
    script(tmp_path, text=WSGI)
    port = free_port()
    words = ("-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}", "app:app")
    monit("start", "--name", "shop", "--", sys.executable, *words, cwd=tmp_path)

    now = family("shop", reporting(2))
    check_sums(now)
    assert {each["ppid"] for each in now["processes"]} == {now["pid"]}
    assert all("gunicorn" in each["name"] for each in now["processes"])
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read() == b"hello"

    gone, stays = (each["pid"] for each in now["processes"])
    os.kill(gone, signal.SIGKILL)
    after = family("shop", lambda now: gone not in (pids := _pids(now)) and len(pids) == 2)
    assert stays in _pids(after)
    assert after["pid"] == now["pid"]


def _pids(now: dict[str, Any]) -> list[int]:
    return [each["pid"] for each in now["processes"]]


def test_uvicorn_shows_its_workers(tmp_path: Path) -> None:
    """The workers of uvicorn have loops of their own, the worst of which is the instance's."""
    pytest.importorskip("uvicorn")
    script(tmp_path, text=ASGI)
    words = ("-m", "uvicorn", "--workers", "2", "--port", str(free_port()), "app:app")
    monit("start", "--name", "shop", "--", sys.executable, *words, cwd=tmp_path)

    def loops(now: dict[str, Any]) -> bool:
        busy = [each for each in now["processes"] if each["loop_utilization"] is not None]
        return len(busy) == 2 and reporting(2)(now)

    now = family("shop", loops)
    check_sums(now)
    assert now["loop_pid"] in {now["pid"], *_pids(now)}
    spawned = [each for each in now["processes"] if each["name"].endswith("multiprocessing.spawn")]
    assert len(spawned) == 2


def test_celery_shows_its_pool(tmp_path: Path) -> None:
    """The processes of a celery worker's pool are listed below it."""
    pytest.importorskip("celery")
    script(tmp_path, text=CELERY)
    words = ("-m", "celery", "-A", "app", "worker", "-P", "prefork", "-c", "2")
    monit("start", "--name", "tasks", "--", sys.executable, *words, cwd=tmp_path)

    now = family("tasks", reporting(2))
    check_sums(now)
    assert len(now["processes"]) == 2
    assert all("celery" in each["name"] for each in now["processes"])


def test_a_process_pool_shows_who_works(tmp_path: Path) -> None:
    """The CPU of a pool is its processes', which have theirs one by one."""
    path = script(tmp_path, text=POOL)
    monit("start", str(path), "--name", "pool")

    def busy_ones(now: dict[str, Any]) -> list[dict[str, Any]]:
        return [each for each in now["processes"] if (each["cpu_percent"] or 0) > 5]

    now = family("pool", lambda now: len(busy_ones(now)) == 2)
    busy = busy_ones(now)
    assert now["cpu_percent"] >= 0.5 * sum(each["cpu_percent"] for each in busy)


def test_nodes_cluster_shows_its_workers(tmp_path: Path) -> None:
    """The workers of Node's cluster module are listed with heap and loop."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed here")
    path = tmp_path / "cluster.js"
    path.write_text((SEED / "cluster.js").read_text())
    monit("start", str(path))

    now = family("cluster", reporting(2))
    check_sums(now)
    assert {each["name"] for each in now["processes"]} == {"node cluster.js"}
    assert all(each["loop_lag_p95_ms"] is not None for each in now["processes"])


HERD = """
import subprocess, sys, time

for _ in range(299):
    subprocess.Popen(["sleep", "600"])
subprocess.Popen([sys.executable, "-c", "while True: pass"])
time.sleep(600)
"""


def test_of_hundreds_of_children_the_largest_are_listed(tmp_path: Path) -> None:
    """300 children are counted, 64 listed, the one that works among them; the list says how many
    are left out, and the agent's answers stay small."""
    monit("start", str(script(tmp_path, "herd.py", HERD)))

    def working(now: dict[str, Any]) -> bool:
        return now["children"] == 300 and (now["processes"][0]["cpu_percent"] or 0) > 10

    now = family("herd", working)
    assert len(now["processes"]) == 64
    assert now["processes"][0]["name"].endswith(" -c")
    assert now["threads"] > sum(each["threads"] for each in now["processes"])
    drawn = monit("list", "--tree").splitlines()
    assert len(drawn) == 1 + 1 + 64 + 1
    assert "└ 236 smaller" in drawn[-1]
    assert "the 64 largest of 300" in monit("describe", "herd")


SHELL = "#!/bin/sh\nsh -c 'sleep 600; true' --token=secret &\nexec sleep 700\n"


def test_list_and_describe_draw_the_tree(tmp_path: Path) -> None:
    """--tree and describe indent what is below a worker; an argument that may be secret is
    nowhere, and without --tree only instances are listed."""
    path = tmp_path / "night.sh"
    path.write_text(SHELL)
    path.chmod(0o755)
    monit("start", str(path))
    now = family("night", lambda now: now["children"] == 2)

    drawn = monit("list", "--tree").splitlines()
    assert len(drawn) == 4
    assert "└ sh" in drawn[2]
    assert "  └ sleep" in drawn[3]
    assert str(_named(now, "sleep")) in drawn[3]
    assert len(monit("list").splitlines()) == 2
    described = monit("describe", "night")
    assert "child processes" in described
    assert f"{_named(now, 'sleep')}    sleep" in described
    children = json.dumps(json.loads(monit("describe", "night", "--json"))[0]["processes"])
    assert "secret" not in children + described + "".join(drawn)


def _named(now: dict[str, Any], name: str) -> int:
    (found,) = (each["pid"] for each in now["processes"] if each["name"] == name)
    return found


def test_children_come_and_go(tmp_path: Path) -> None:
    """A worker that is alone again lists none."""
    path = tmp_path / "brief.sh"
    path.write_text("#!/bin/sh\nsleep 600 &\necho $!\nwait\nexec sleep 601\n")
    path.chmod(0o755)
    monit("start", str(path))
    now = family("brief", lambda now: now["children"] == 1)

    subprocess.run(["kill", str(now["processes"][0]["pid"])], check=True)

    alone = family("brief", lambda now: now["children"] == 0)
    assert alone["processes"] == []
    assert alone["restarts"] == 0
