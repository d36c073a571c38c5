"""Single Node programs: the channel that they are given changes nothing unless they use it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import keeper_pid, logs, monit, printed, row, rows
from support.ports import free_port
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here")


def start(home: Path, code: str, *options: str) -> None:
    (home / "web.js").write_text(code)
    monit("start", str(home / "web.js"), *options)


def test_ready_is_the_programs_word(home: Path) -> None:
    """With --wait-ready it is starting until it says so by pm2's message."""
    code = "console.log('up'); process.on('SIGUSR2', () => process.send('ready'));"
    code += "setInterval(() => {}, 1000)"
    (home / "web.js").write_text(code)
    command = [sys.executable, "-P", "-m", "monit_agent", "start", str(home / "web.js")]
    with subprocess.Popen([*command, "--wait-ready"], stdout=subprocess.DEVNULL) as starting:
        wait_until(lambda: rows("web"), what="it is known")
        printed("web", "up")
        assert row("web")["status"] == "starting"
        os.kill(row("web")["pid"], signal.SIGUSR2)
        assert starting.wait(20) == 0
    assert row("web")["status"] == "online"


def test_a_script_that_has_come_to_its_end_ends(home: Path) -> None:
    """The channel does not keep it alive."""
    start(home, "console.log('done', process.connected)", "--no-autorestart")
    printed("web", "done")
    wait_until(lambda: row("web")["status"] == "stopped", what="it has ended")
    assert row("web")["last_exit"]["code"] == 0


CLOSES = """
const server = require('http').createServer((_, res) => res.end('ok'));
server.listen(Number(process.env.PORT), () => console.log('up'));
process.on('SIGTERM', () => { console.log('asked'); server.close(); });
process.on('exit', () => console.log('left'));
"""
LISTENS_FOR_MESSAGES = "process.on('message', () => {}); process.on('disconnect', () => {});"
LETS_THE_CLUSTER_END = """
require('http').createServer((_, res) => res.end('ok')).listen(Number(process.env.PORT));
const { worker } = require('cluster');
process.on('SIGTERM', () => worker.disconnect());
worker.on('disconnect', () => console.log('left'));
"""


@pytest.mark.parametrize(
    ("code", "options"),
    [
        pytest.param(CLOSES, ("-i", "2"), id="shares its port"),
        pytest.param(LISTENS_FOR_MESSAGES + CLOSES, ("--wait-ready",), id="listens for messages"),
        pytest.param(LETS_THE_CLUSTER_END, ("-i", "2"), id="leaves the cluster"),
    ],
)
def test_a_program_that_closes_its_server_ends(home: Path, code: str, options: tuple[str]) -> None:
    """It exits by itself at the stop signal, and what it does at its exit is done."""
    if "--wait-ready" in options:
        code = code.replace("console.log('up')", "process.send('ready')")
    start(home, code, "--port", str(free_port()), *options)
    monit("stop", "web")
    printed("web", "left")
    for each in rows("web"):
        assert each["last_exit"]["code"] == 0
        assert each["last_exit"]["signal"] is None


@pytest.mark.parametrize("options", [("-i", "2"), ("--port", "{port}")])
def test_a_job_that_could_share_a_port_ends(home: Path, options: tuple[str]) -> None:
    """A script of several instances, or with a port, ends when it has nothing left to do."""
    filled = [word.format(port=free_port()) for word in options]
    start(home, "console.log('done', process.connected)", "--no-autorestart", *filled)
    wait_until(lambda: {each["status"] for each in rows("web")} == {"stopped"}, what="ended")
    assert "done true" in logs("web")
    assert {each["last_exit"]["code"] for each in rows("web")} == {0}


def test_a_drained_program_handles_its_stop_signal(home: Path) -> None:
    """Although nothing keeps it alive any more when a reload has closed its server."""
    start(home, CLOSES, "--port", str(free_port()))
    monit("reload", "web")
    lines = [line.rpartition("| ")[2] for line in logs("web").splitlines()]
    assert lines == ["up", "up", "asked", "left"]


def test_a_program_outlives_its_keeper(home: Path) -> None:
    """`disconnect` does not come, and the next keeper reads its messages."""
    code = """
    process.on('disconnect', () => console.log('cut off'));
    process.on('SIGUSR2', () => { process.send('hello'); console.log('sent'); });
    console.log('up');
    setInterval(() => {}, 1000);
    """
    start(home, code)
    printed("web", "up")
    pid = row("web")["pid"]
    old = keeper_pid("web")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: keeper_pid("web") != old, what="another keeper", deadline_s=30)
    wait_until(lambda: not row("web")["stale"], what="it is known again")
    os.kill(pid, signal.SIGUSR2)
    assert "cut off" not in printed("web", "sent")
    assert row("web")["pid"] == pid
    assert row("web")["restarts"] == 0


def test_a_program_that_forks_has_channels_of_its_own(home: Path) -> None:
    """Its children speak with it, not with us."""
    code = """
    const { fork } = require('child_process');
    if (process.argv[2] === 'child') {
      process.send('from ' + process.pid);
      process.on('message', (text) => { console.log('child heard', text); process.exit(); });
    } else {
      const child = fork(__filename, ['child']);
      child.on('message', (text) => {
        console.log('heard', text === 'from ' + child.pid);
        child.send('thanks');
      });
      setInterval(() => {}, 1000);
    }
    """
    start(home, code)
    printed("web", "heard true")
    printed("web", "child heard thanks")
