"""Reloads as somebody sees them who typed the command, or saved a file: at once, called off,
failed, interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from monit_agent.wire.paths import app_paths
from support.command_line import keeper_pid, monit, monit_error, pids, rows
from support.load import Load
from support.ports import free_port
from support.servers import HTTP_SERVER
from support.waiting import wait_until
from support.watching import watches_files

WAITS = """
import os, time
print("this is", os.getpid(), flush=True)
while os.path.exists("gate"):
    time.sleep(0.01)
"""
WAITS += HTTP_SERVER
"""A web server that does not listen while there is a file called ``gate``."""


class Site:
    """The app ``web``, and its gate."""

    def __init__(self, home: Path, folder: Path | None = None, code: str = WAITS) -> None:
        self.port = free_port()
        self.folder = folder or home
        self.script = self.folder / "web.py"
        self.gate = self.folder / "gate"
        self.script.write_text(code)
        self.paths = app_paths(str(home), "web")

    def start(self, instances: int, *more: str) -> set[int]:
        by = ("--interpreter", sys.executable, "--cwd", str(self.folder))
        options = ("--name", "web", "-i", str(instances), *by, *more)
        monit("start", str(self.script), *options, "--env", f"TEST_PORT={self.port}")
        return pids("web")

    def processes(self) -> set[int]:
        """Return the pids of all workers there are, of whatever release."""
        found = psutil.Process(keeper_pid("web")).children()
        return {each.pid for each in found if str(self.script) in each.cmdline()}

    def is_written_down(self, pid: int) -> bool:
        """Return whether the next keeper would know of a worker."""
        return re.search(rf"\b{pid}\b", Path(self.paths.state).read_text()) is not None

    def wait_for(self, number: int) -> None:
        """Wait until there are so many workers."""
        wait_until(lambda: len(self.processes()) == number, what=f"{number} workers")


@pytest.fixture(name="site")
def _site(home: Path) -> Site:
    return Site(home)


@pytest.fixture(name="begin")
def _begin() -> Generator[Callable[..., "subprocess.Popen[str]"], None, None]:
    """Return what types a command and does not wait for its end."""
    begun: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", "-m", "monit_agent", *words]
        out = subprocess.PIPE
        begun.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def test_so_many_at_a_time(site, begin):
    """With --parallel 2 two new workers start beside the old ones, and then the next two."""
    before = site.start(4)
    site.gate.touch()
    command = begin("reload", "web", "--parallel", "2")
    site.wait_for(6)
    assert pids("web") == before
    site.gate.unlink()
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 0, output
    assert not before & pids("web")
    site.wait_for(4)


def test_a_reload_that_is_called_off(site, begin):
    """The new worker that is not ready goes, the old ones stay, both commands say so."""
    before = site.start(2)
    site.gate.touch()
    with Load(site.port, clients=2) as load:
        command = begin("reload", "web")
        site.wait_for(3)
        assert "the reload was cancelled by" in monit_error("reload", "web", "--cancel", code=0)
        output, _ = command.communicate(timeout=60)
        assert command.returncode == 1, output
        assert "cancelled" in output
        site.wait_for(2)
        load.more(20)
    assert load.failures == []
    assert pids("web") == site.processes() == before
    assert {each["status"] for each in rows("web")} == {"online"}
    site.gate.unlink()
    monit("reload", "web")
    assert not before & pids("web")


def test_nothing_to_call_off(site):
    """It is refused, and changes nothing."""
    before = site.start(2)
    assert "no reload is in progress" in monit_error("reload", "web", "--cancel")
    assert pids("web") == before


def test_a_failed_reload_shows_what_the_new_worker_printed(site):
    """Its last lines stand under the reason, so that no one needs to look for them."""
    before = site.start(2)
    site.script.write_text("print('reading the recipe')\nraise SystemExit('no flour left')")
    output = monit_error("reload", "web")
    assert "the old one keeps running" in output
    assert "no flour left" in output
    assert pids("web") == before


@pytest.mark.parametrize("parallel", ["1", "2"])
def test_the_next_keeper_finishes_the_reload(site, begin, parallel):
    """Killed while new workers start: no request is lost, and all are replaced in the end."""
    before = site.start(3)
    site.gate.touch()
    with Load(site.port, clients=2) as load:
        begin("reload", "web", "--parallel", parallel)
        site.wait_for(3 + int(parallel))
        wait_until(lambda: all(map(site.is_written_down, site.processes())), what="a saved state")
        old = keeper_pid("web")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: keeper_pid("web") != old, what="another keeper", deadline_s=30)
        site.gate.unlink()
        wait_until(lambda: not before & pids("web"), what="all are replaced", deadline_s=60)
        wait_until(lambda: pids("web") == alive(site), what="and the old ones are gone")
    assert load.failures == []
    assert {each["status"] for each in rows("web")} == {"online"}


def alive(site: Site) -> set[int]:
    """Return the workers that live; some are no children of this keeper."""
    found = psutil.process_iter(["cmdline"])
    return {each.pid for each in found if str(site.script) in (each.info["cmdline"] or ())}


# ------------------------------------------------------------ without a command

SWELLS = """
import contextlib, os, threading, time
swollen = []
def swell():
    while not swollen:
        time.sleep(0.01)
        with contextlib.suppress(FileNotFoundError):
            os.unlink("swell")
            swollen.append(b"x" * (150 << 20))
threading.Thread(target=swell, daemon=True).start()
"""
SWELLS += HTTP_SERVER
"""A web server one of whose instances, once there is a file ``swell``, needs 150 MiB more."""


def test_too_much_memory_is_a_reload(home, tmp_path):
    """Where a port is shared the swollen worker alone is replaced, and no request is lost."""
    web = Site(home, tmp_path, SWELLS)
    before = web.start(2, "--max-memory", "100M")
    with Load(web.port, path="/slow") as load:
        load.more(4)
        (tmp_path / "swell").touch()
        wait_until(lambda: not before <= pids("web"), what="one is replaced", deadline_s=60)
        wait_until(lambda: pids("web") == alive(web), what="the swollen one is gone")
        load.more(4)
    assert load.failures == []
    assert len(before & pids("web")) == 1
    assert {each["status"] for each in rows("web")} == {"online"}


def test_changed_files_are_a_reload(home, tmp_path):
    """Where a port is shared a new release is put in the place of the old one as by the command."""
    web = Site(home, tmp_path)
    before = web.start(2, "--watch")
    described, *_ = json.loads(monit("describe", "web", "--json"))
    wait_until(lambda: watches_files(described["agent_pid"]), what="the agent watches")
    with Load(web.port, path="/slow") as load:
        load.more(4)
        web.script.write_text(f"{WAITS}\n# another release\n")
        wait_until(lambda: not before & pids("web"), what="all are replaced", deadline_s=60)
        wait_until(lambda: pids("web") == alive(web), what="and the old ones are gone")
        load.more(4)
    assert load.failures == []
    assert {each["status"] for each in rows("web")} == {"online"}
