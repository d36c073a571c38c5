"""The table of the notes that this project began with: each of its rows, by a command."""

import json
import os
import shutil
from pathlib import Path

import pexpect
import pytest

from support.command_line import command, in_terminal, measured, monit, pids, printed, row
from support.foreground import Foreground
from support.load import Load
from support.ports import free_port
from support.processes import kill
from support.programs import PROGRAMS
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here")


@pytest.fixture(name="folder")
def _folder(home: Path, tmp_path: Path) -> Path:
    """Write an unchanged server of the notes, on a free port, and pm2's JSON file for it."""
    assert home.exists()
    text = (PROGRAMS / "seed" / "process-pool.js").read_text()
    (tmp_path / "pool.js").write_text(text.replace("3000", str(free_port())))
    app = {"name": "pool", "script": "pool.js", "instances": 2, "exec_mode": "cluster"}
    (tmp_path / "pool.json").write_text(json.dumps({"apps": [app]}))
    return tmp_path


def port_of(folder: Path) -> int:
    text = (folder / "pool.js").read_text()
    return int(text.partition("listen(")[2].partition(",")[0])


def test_json_file_cluster_balance_restart_monitoring_logs_and_deploy(folder: Path) -> None:
    """One file starts a cluster. Both workers answer on the port, and one that was killed is
    replaced. CPU and memory are listed, and lines are shown. A new release goes live without a
    failed request."""
    monit("start", "pool.json", cwd=folder)
    first = pids("pool")
    assert len(first) == 2
    assert {row("pool", number)["mode"] for number in (0, 1)} == {"cluster"}
    assert measured("pool")["rss_bytes"] > 0
    printed("pool", f"Started at port {port_of(folder)}")
    kill(row("pool")["pid"])
    wait_until(lambda: row("pool")["pid"] not in (None, *first), what="the worker is replaced")
    wait_until(lambda: row("pool")["status"] == "online", what="it is online")
    assert row("pool")["restarts"] == 1
    before = pids("pool")
    script = folder / "pool.js"
    with Load(port_of(folder), clients=4) as load:
        wait_until(lambda: load.answered > 20, what="it serves")
        script.write_text(script.read_text().replace("This is a worker process", "release 2"))
        done = command("apply", "pool.json", "--reload", cwd=folder)
        assert done.returncode == 0, done.stderr
    assert load.failures == []
    assert not before & pids("pool")


def test_dashboard(folder: Path) -> None:
    """`monit` is a full-screen dashboard; q leaves it, and the app keeps running."""
    monit("start", "pool.json", cwd=folder)
    before = pids("pool")
    with in_terminal(columns=120, rows=35) as screen:
        screen.expect_exact("pool")
        screen.send("q")
        screen.expect(pexpect.EOF)
    assert pids("pool") == before


def test_docker_and_ecosystem(folder: Path) -> None:
    """The same file is run in the foreground, as in a container, until TERM."""
    with Foreground("pool.json", cwd=folder) as run:
        run.read_until(f"pool/1 | Started at port {port_of(folder)}")
        run.process.terminate()
        assert run.exit_code() == 0
    assert not os.listdir(Path(os.environ["MONIT_HOME"]) / "apps")
