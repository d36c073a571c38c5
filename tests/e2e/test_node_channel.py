"""Single Node programs: the channel that they are given changes nothing unless they use it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from running import keeper_pid, monit, printed, row, rows
from waiting import wait_until

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


def test_a_program_outlives_its_keeper(home: Path) -> None:
    """`disconnect` does not come, and the next keeper hears what it says."""
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
