"""Node programs that npm, tsx or nodemon run share a port, and reload without a lost request."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from support.command_line import command, keeper_pid, monit, pids, row, rows
from support.load import Load
from support.ports import free_port, is_listening
from support.processes import is_running
from support.servers import NODE_MODULES
from support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(
        shutil.which("npm") is None or not NODE_MODULES.is_dir(), reason="no npm here"
    ),
    pytest.mark.usefixtures("home"),
]

SERVER = """\
require("http").createServer((_request, response) => response.end(String(process.pid)))
  .listen(process.env.PORT);
process.on("SIGTERM", () => process.exit(0));
"""
OWN_CLUSTER = """\
const cluster = require("cluster");
if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  cluster.on("exit", () => cluster.fork());
} else {
  const answer = (response) => response.end(String(process.pid));
  require("http").createServer((_request, response) => setTimeout(answer, 200, response))
    .listen(process.env.PORT);
}
"""
"""Its requests take so long that some are open whenever it is stopped."""
SCRIPTS = {
    "direct": "node server.js",
    "background": "node -e 'setInterval(() => {}, 1000)' & node server.js",
    "tsx": "tsx server.js",
    "cluster": "node cluster.js",
}
STRANGER = """\
const { spawn } = require("child_process");
const { PATH, NODE_OPTIONS, MONIT_SHARE, PORT } = process.env;
spawn("node", ["server.js"], { detached: true, stdio: "inherit",
                               env: { PATH, NODE_OPTIONS, MONIT_SHARE, PORT } });
setInterval(() => {}, 1000);
"""
"""Starts the server in a session and an environment that no longer show whose it is."""


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    (tmp_path / "server.js").write_text(SERVER)
    (tmp_path / "cluster.js").write_text(OWN_CLUSTER)
    (tmp_path / "package.json").write_text(json.dumps({"name": "web", "scripts": SCRIPTS}))
    os.symlink(NODE_MODULES, tmp_path / "node_modules")
    return tmp_path


def _start(project: Path, port: int, name: str, instances: int = 2) -> None:
    words = ("-n", "web", "--port", str(port), "-i", str(instances), "--cwd", str(project))
    monit("start", *words, "--", "npm", "run", "--silent", name)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_reload_below_a_wrapper_loses_no_request(project: Path, name: str) -> None:
    """Two instances share the port; both are replaced while clients ask."""
    port = free_port()
    if name == "tsx" and not (NODE_MODULES / "tsx").is_dir():
        pytest.skip("no tsx here")
    _start(project, port, name)
    before = pids("web")
    with Load(port, clients=8) as load:
        wait_until(lambda: len(load.bodies) >= 2, what="two processes answer")
        monit("reload", "web")
    assert load.failures == []
    assert not before & pids("web")
    assert {each["mode"] for each in rows("web")} == {"cluster"}
    monit("stop", "web")
    answered = {int(body) for body in load.bodies}
    wait_until(lambda: not any(map(is_running, answered)), what="all servers have exited")


def test_workers_of_an_own_cluster_answer_before_it_stops(project: Path) -> None:
    """The primary is stopped with its workers when these have answered what they had."""
    port = free_port()
    words = ("-n", "web", "--port", str(port))
    monit("start", str(project / "cluster.js"), *words)
    with Load(port, clients=16) as load:
        wait_until(lambda: len(load.bodies) >= 2, what="both workers answer")
        monit("reload", "web")
    assert load.failures == []


def test_a_broken_release_below_a_wrapper_does_not_go_live(project: Path) -> None:
    """A single instance keeps its old worker, and the error is printed."""
    port = free_port()
    _start(project, port, "direct", instances=1)
    before = pids("web")
    (project / "server.js").write_text(f'throw new Error("a broken release");\n{SERVER}')
    with Load(port) as load:
        done = command("reload", "web")
    assert load.failures == []
    assert done.returncode == 1
    assert "a broken release" in done.stderr
    assert pids("web") == before


def test_a_server_that_the_keeper_does_not_know_opens_its_port_itself(project: Path) -> None:
    """It listens, although nobody shares a port with it."""
    port = free_port()
    (project / "stranger.js").write_text(STRANGER)
    scripts = {"start": "node stranger.js"}
    (project / "package.json").write_text(json.dumps({"name": "web", "scripts": scripts}))
    options = ("--env", f"PORT={port}", "--mode", "cluster", "--cwd", str(project))
    monit("start", "-n", "web", *options, "--", "npm", "start")
    wait_until(lambda: is_listening(port), what="it listens")


def test_servers_below_a_wrapper_outlive_their_keeper(project: Path) -> None:
    """They connect to the next keeper, which reloads them without a lost request."""
    port = free_port()
    _start(project, port, "direct")
    before = pids("web")
    keeper = keeper_pid("web")
    with Load(port) as load:
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: keeper_pid("web") != keeper, what="another keeper is there")
        wait_until(lambda: row("web")["status"] == "online", what="it knows the workers")
        assert pids("web") == before
        monit("reload", "web")
    assert load.failures == []
    assert not before & pids("web")
