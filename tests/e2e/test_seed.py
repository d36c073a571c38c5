"""The Node scripts of the notes that this project began with, unchanged, under monit."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from monit_agent.wire.messages import AppSnapshot, Snapshot
from monit_agent.wire.paths import app_paths
from support.agent import Client
from support.command_line import measured, monit, printed, row, rows
from support.load import Load
from support.ports import free_port, is_listening
from support.programs import PROGRAMS
from support.servers import NODE_MODULES
from support.waiting import wait_until

SEED = PROGRAMS / "seed"
LOADTEST = NODE_MODULES / "loadtest" / "bin" / "loadtest.js"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here")


def with_free_port(name: str, folder: Path) -> tuple[Path, int]:
    """Return a copy of a script with another port written in it, and that port."""
    text, port = (SEED / name).read_text(), free_port()
    assert "3000" in text
    script = folder / name
    script.write_text(text.replace("3000", str(port)))
    return script, port


def get(port: int) -> bytes:
    """Fetch what the server at ``port`` says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return answer.read()


@pytest.mark.usefixtures("home")
def test_one_script_as_three_apps_on_three_ports():
    """Three apps of one script with an argument each: all are listed, answer, stop and start."""
    ports = {f"jokes-{number}": free_port() for number in range(3)}
    for name, port in ports.items():
        monit("start", str(SEED / "joke-server.js"), "--name", name, "--", str(port))
    for name, port in ports.items():
        assert measured(name)["restarts"] == 0
        printed(name, f"joke server on {port}")
        assert int(json.loads(get(port))["port"]) == port
    monit("stop", "all")
    assert {each["status"] for each in rows()} == {"stopped"}
    assert {each["pid"] for each in rows()} == {None}
    assert not any(is_listening(port) for port in ports.values())
    monit("start", "all")
    for name, port in ports.items():
        measured(name)
        wait_until(lambda port=port: is_listening(port), what=f"a server at {port} again")


def test_a_script_that_forks_its_own_workers(home: Path, tmp_path: Path):
    """`cluster.js` is one instance; its workers are its children, and restart and stop take all."""
    script, port = with_free_port("cluster.js", tmp_path)
    cores = int(subprocess.check_output(["node", "-p", "require('os').cpus().length"]))
    monit("start", str(script))
    first = measured("cluster")
    printed("cluster", f"Running on primary process {first['pid']}")
    wait_until(lambda: is_listening(port), what="the cluster serves")
    assert get(port).startswith(b"This is a worker process")
    wait_until(lambda: children_reported(home) == cores, what=f"{cores} children in the sample")

    tree = [psutil.Process(first["pid"]), *psutil.Process(first["pid"]).children()]
    assert len(tree) == cores + 1
    monit("restart", "cluster")
    second = measured("cluster")
    assert second["pid"] != first["pid"]
    assert second["restarts"] == 1
    assert not psutil.wait_procs(tree, timeout=15)[1]
    wait_until(lambda: is_listening(port), what="the cluster serves again")

    tree = [psutil.Process(second["pid"]), *psutil.Process(second["pid"]).children()]
    monit("stop", "all")
    assert row("cluster")["status"] == "stopped"
    assert row("cluster")["restarts"] == 1
    assert not psutil.wait_procs(tree, timeout=15)[1]
    assert not is_listening(port)


def children_reported(home: Path) -> int | None:
    """Return how many descendants of the instance its agent reports."""
    client = Client(app_paths(str(home), "cluster"))
    try:
        answer = client.request(Snapshot())
    finally:
        client.close()
    assert isinstance(answer, AppSnapshot)
    sample = answer.samples.get(0)
    return sample.tree.children if sample else None


@pytest.mark.usefixtures("home")
def test_three_instances_of_an_unchanged_script(tmp_path: Path):
    """`process-pool.js -i 3`: all three answer on one port, and a reload replaces them."""
    script, port = with_free_port("process-pool.js", tmp_path)
    monit("start", str(script), "-i", "3")
    before = {each["pid"] for each in rows("process-pool")}
    seen: set[int] = set()

    def all_seen() -> bool:
        seen.add(int(get(port).rsplit(b" ", 1)[1]))
        return seen == before

    with Load(port, clients=8) as load:  # whoever is idle answers, so that all must be kept busy
        wait_until(all_seen, what="all three answered", deadline_s=40)
        monit("reload", "process-pool")
    assert load.failures == []
    assert not before & {each["pid"] for each in rows("process-pool")}
    monit("stop", "process-pool")
    assert not is_listening(port)


@pytest.mark.usefixtures("home")
def test_the_load_test_of_the_notes(tmp_path: Path):
    """`loadtest -n 400` against three instances ends without an error, also during a reload."""
    if not LOADTEST.exists():
        pytest.skip("loadtest is not installed: there is no npm here")
    script, port = with_free_port("process-pool.js", tmp_path)
    monit("start", str(script), "-i", "3")
    printed("process-pool", f"Started at port {port}")
    assert errors_of_400(port) == (400, 0)
    command = [sys.executable, "-P", "-m", "monit_agent", "reload", "process-pool"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as reloading:
        rounds = [errors_of_400(port)]
        while reloading.poll() is None:
            rounds.append(errors_of_400(port))
    assert reloading.returncode == 0
    assert set(rounds) == {(400, 0)}


def errors_of_400(port: int) -> tuple[int, int]:
    """Return how many requests of 400 were made, and how many of them failed."""
    command = ["node", str(LOADTEST), "-n", "400", f"http://localhost:{port}/"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = [
        re.search(rf"{what}:\s+(\d+)", output) for what in ("Completed requests", "Total errors")
    ]
    assert all(found), output
    made, failed = (int(each[1]) for each in found if each)
    return made, failed
