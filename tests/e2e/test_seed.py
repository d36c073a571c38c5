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

from loading import Load
from monit_agent.wire.messages import AppSnapshot, Snapshot
from monit_agent.wire.places import app_places
from observing import Client
from running import free_port, is_listening, measured, monit, printed, row, rows
from serving import NODE_MODULES
from waiting import wait_until

SEED = Path(__file__).parent.parent / "seed"
LOADTEST = NODE_MODULES / "loadtest" / "bin" / "loadtest.js"
PORT = 3000
"""Written in the scripts."""

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here"),
    pytest.mark.xdist_group("port-3000"),
]


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


def test_a_script_that_forks_its_own_workers(home: Path):
    """`cluster.js` is one instance; its workers are its children, and restart and stop take all."""
    if is_listening(PORT):
        pytest.skip(f"port {PORT}, which is written in the script, is taken on this machine")
    cores = int(subprocess.check_output(["node", "-p", "require('os').cpus().length"]))
    monit("start", str(SEED / "cluster.js"))
    first = measured("cluster")
    printed("cluster", f"Running on primary process {first['pid']}")
    wait_until(lambda: is_listening(PORT), what="the cluster serves")
    assert get(PORT).startswith(b"This is a worker process")
    wait_until(lambda: children_told(home) == cores, what=f"{cores} children in the sample")

    tree = [psutil.Process(first["pid"]), *psutil.Process(first["pid"]).children()]
    assert len(tree) == cores + 1
    monit("restart", "cluster")
    second = measured("cluster")
    assert second["pid"] != first["pid"]
    assert second["restarts"] == 1
    assert not psutil.wait_procs(tree, timeout=15)[1]
    wait_until(lambda: is_listening(PORT), what="the cluster serves again")

    tree = [psutil.Process(second["pid"]), *psutil.Process(second["pid"]).children()]
    monit("stop", "all")
    assert row("cluster")["status"] == "stopped"
    assert row("cluster")["restarts"] == 1
    assert not psutil.wait_procs(tree, timeout=15)[1]
    assert not is_listening(PORT)


def children_told(home: Path) -> int | None:
    """Give how many descendants of the instance its agent tells of."""
    client = Client(app_places(str(home), "cluster"))
    try:
        answer = client.ask(Snapshot())
    finally:
        client.close()
    assert isinstance(answer, AppSnapshot)
    sample = answer.samples.get(0)
    return sample.children if sample else None


@pytest.mark.usefixtures("home")
def test_three_instances_of_a_script_that_knows_of_none():
    """`process-pool.js -i 3`: all three answer on port 3000, and a reload replaces them."""
    if is_listening(PORT):
        pytest.skip(f"port {PORT}, which is written in the script, is taken on this machine")
    monit("start", str(SEED / "process-pool.js"), "-i", "3")
    before = {each["pid"] for each in rows("process-pool")}
    seen: set[int] = set()

    def all_seen() -> bool:
        seen.add(int(get(PORT).rsplit(b" ", 1)[1]))
        return seen == before

    with Load(PORT, clients=8) as load:  # whoever is idle answers, so that all must be kept busy
        wait_until(all_seen, what="all three answered", deadline_s=40)
        monit("reload", "process-pool")
    assert load.failures == []
    assert not before & {each["pid"] for each in rows("process-pool")}
    monit("stop", "process-pool")
    assert not is_listening(PORT)


@pytest.mark.usefixtures("home")
def test_the_load_test_of_the_notes():
    """`loadtest -n 400` against three instances ends without an error, also during a reload."""
    if is_listening(PORT):
        pytest.skip(f"port {PORT}, which is written in the script, is taken on this machine")
    if not LOADTEST.exists():
        pytest.skip("loadtest is not installed: there is no npm here")
    monit("start", str(SEED / "process-pool.js"), "-i", "3")
    printed("process-pool", "Started at port 3000")
    assert errors_of_400() == (400, 0)
    command = [sys.executable, "-P", "-m", "monit_agent", "reload", "process-pool"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as reloading:
        rounds = [errors_of_400()]
        while reloading.poll() is None:
            rounds.append(errors_of_400())
    assert reloading.returncode == 0
    assert set(rounds) == {(400, 0)}


def errors_of_400() -> tuple[int, int]:
    """Give how many requests of 400 were made, and how many of them failed."""
    command = ["node", str(LOADTEST), "-n", "400", f"http://localhost:{PORT}/"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = [
        re.search(rf"{what}:\s+(\d+)", said) for what in ("Completed requests", "Total errors")
    ]
    assert all(found), said
    made, failed = (int(each[1]) for each in found if each)
    return made, failed
