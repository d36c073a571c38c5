"""`monit upgrade`: from an older release to this one, as a user does it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from monit_agent import __version__
from monit_agent.wire.paths import app_paths
from support.command_line import MONIT, command, keeper_pid, listed, monit, pids
from support.load import Load
from support.ports import free_port
from support.programs import PROGRAMS
from support.releases import release
from support.waiting import wait_until

OLD = "0.0.1"
NODE = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")


@pytest.mark.parametrize(
    "server",
    ["server_with_flood.py", pytest.param("server_with_flood.cjs", marks=[pytest.mark.full, NODE])],
)
def test_no_request_and_no_line_is_lost_in_an_upgrade(
    home: Path, tmp_path: Path, server: str
) -> None:
    """Two instances on one port serve and print all the time, while the release that started them
    is replaced. The same processes answer afterwards; every line is in its file once, in order;
    the list marks the old version before and nothing after."""
    port, end = free_port(), tmp_path / "end"
    start_by_old_release(tmp_path / "old", server, port, end)
    workers, keeper = pids("web"), keeper_pid("web")
    marked = command("list")
    assert f"online (monit {OLD})" in marked.stdout
    assert f"monit {OLD} runs web, and {__version__} is installed" in marked.stderr
    with Load(port, clients=2) as load:
        load.more(20)
        (done,) = json.loads(monit("upgrade", "--json"))
        load.more(20)
    assert (done["result"], done["from"], done["version"]) == ("upgraded", OLD, __version__)
    assert load.failures == []
    assert {int(body) for body in load.bodies} == workers == pids("web")
    assert keeper_pid("web") == done["keeper_pid"] == keeper
    end.touch()
    for instance in (0, 1):
        assert_every_line(Path(app_paths(str(home), "web").log(instance, "out")))
    (row, _) = listed("web")
    assert (row["keeper_version"], row["agent_version"]) == (__version__, __version__)
    assert (row["restarts"], row["problems"]) == (0, [])
    assert f"keeper {__version__}, agent {__version__}\n" in monit("describe", "web")
    assert "is of the installed version already" in monit("upgrade", "web")


def start_by_old_release(folder: Path, server: str, port: int, end: Path) -> None:
    release(folder, OLD)
    script = str(PROGRAMS / server)
    words = ("start", script, "--name", "web", "-i", "2", "--port", str(port), "--", str(end))
    subprocess.run(
        [*MONIT, *words], env={**os.environ, "PYTHONPATH": str(folder)}, check=True, timeout=100
    )


def assert_every_line(log: Path) -> None:
    wait_until(lambda: log.read_bytes().endswith(b" lines\n"), what="the last line is there")
    *lines, last = log.read_text().splitlines()
    assert lines == [f"{n:08d} a line of a flood" for n in range(1, int(last.split()[0]) + 1)]


def test_an_app_without_a_keeper_needs_no_upgrade(home: Path, tmp_path: Path) -> None:
    """And an upgrade of an app that is not there is an error that says so."""
    assert "There are no apps" in command("upgrade").stderr
    assert command("upgrade", "ghost").returncode == 3


def test_the_version_is_readable_for_programs() -> None:
    """With the place that it runs from: which of several installations a shell finds."""
    fields = json.loads(monit("--version", "--json"))
    assert fields["version"] == __version__
    assert Path(fields["package"], "keeper", "__main__.py").exists()
    assert Path(fields["python"]).exists()
