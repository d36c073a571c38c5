"""``--increment-var``: several instances of one script, each at a port of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from monit_agent.config.errors import BadInputError
from monit_agent.config.ports import make_increment
from monit_agent.supervise.spec import Increment
from support.command_line import monit, row, rows
from support.ports import free_port, is_listening
from support.programs import PROGRAMS
from support.waiting import wait_until

SEED = PROGRAMS / "seed"


def joke(port: int) -> int:
    """Return the port that the joke server at ``port`` says it has."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return int(json.loads(answer.read())["port"])


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here")
@pytest.mark.usefixtures("home")
def test_one_script_at_three_ports() -> None:
    """The notes' `joke-server` unchanged: three instances, three ports; what is scaled up goes on
    counting, and what is restarted has its own port again."""
    port = free_port(in_a_row=4)
    monit("start", str(SEED / "joke-server.js"), "-i", "3", "--port", str(port),
          "--increment-var", "PORT")  # fmt: skip
    assert {each["mode"] for each in rows()} == {"fork"}
    for number in range(3):
        wait_until(lambda at=port + number: is_listening(at), what=f"instance {number} listens")
        assert joke(port + number) == port + number
    monit("scale", "joke-server", "4")
    wait_until(lambda: is_listening(port + 3), what="the fourth listens")
    monit("restart", "joke-server/1")
    wait_until(lambda: is_listening(port + 1), what="the second listens again")
    assert joke(port + 1) == port + 1
    assert f"PORT={port}" in monit("describe", "joke-server")


PRINTS = "import os, time; print('seat', os.environ['SEAT'], flush=True); time.sleep(3600)"


def test_the_next_keeper_continues_the_count(home: Path) -> None:
    """A keeper that adopts a worker gives the next ones the numbers that they had."""
    monit("start", "--name", "bus", "-i", "2", "--env", "SEAT=40", "--increment-var", "SEAT",
          "--", sys.executable, "-c", PRINTS)  # fmt: skip
    described = json.loads(monit("describe", "bus", "--json"))
    os.kill(described[0]["keeper_pid"], signal.SIGKILL)
    wait_until(
        lambda: (
            json.loads(monit("describe", "bus", "--json"))[0]["keeper_pid"]
            not in (None, described[0]["keeper_pid"])
        ),
        what="the next keeper",
    )
    assert not row("bus", 1)["restarts"]
    monit("restart", "bus")
    for number, seat in ((0, 40), (1, 41)):
        printed = monit("logs", f"bus/{number}", "--no-follow")
        assert printed.count(f"seat {seat}") == 2, printed


def test_what_cannot_count_is_refused(tmp_path: Path) -> None:
    """No beginning, no number, no port: a clear word, and nothing is started."""
    script = tmp_path / "app.py"
    script.write_text("import time; time.sleep(3600)")
    env = {**os.environ, "MONIT_HOME": str(tmp_path / "h")}
    for words, printed in (
        (("--increment-var", "SEAT"), "set the first number with --env SEAT=N"),
        (("--increment-var", "SEAT", "--env", "SEAT=x"), "'x' is not a whole number"),
        (("--increment-var", "PORT", "--port", "65535", "-i", "2"), "ports are 1 to 65535"),
        (("--increment-var", "1x", "--port", "80"), "not the name of a variable"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "monit_agent", "start", str(script), *words],
            capture_output=True, text=True, env=env, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        assert printed in done.stderr
    assert not (tmp_path / "h" / "apps" / "app").exists()


def test_where_it_begins() -> None:
    """PORT begins at --port, and without one at the environment, as every other variable."""
    assert make_increment("PORT", 3000, {"PORT": "1"}, 2) == Increment("PORT", 3000)
    assert make_increment("PORT", None, {"PORT": "4000"}, 2) == Increment("PORT", 4000)
    assert make_increment("N", 3000, {"N": "0"}, 5) == Increment("N", 0)
    with pytest.raises(BadInputError):
        make_increment("N", 3000, {}, 1)
