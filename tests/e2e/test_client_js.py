"""A client in JavaScript that was written from agent/PROTOCOL.md alone works with real agents."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support.command_line import command, monit, row, script
from support.waiting import wait_until

CLIENT = Path(__file__).parent.parent / "client_js" / "monit.mjs"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here"),
    pytest.mark.usefixtures("home"),
]


def _client(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["node", CLIENT, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_stranger_can_list_follow_and_restart(tmp_path: Path) -> None:
    """It shows what `monit list` shows, prints the log without a gap, and restarts the app."""
    done = command("start", str(script(tmp_path)), "--name", "web", "--min-uptime", "0.1s")
    assert done.returncode == 0, done.stderr
    pid = row("web")["pid"]
    assert _client("list").stdout == f"web/0 online {pid} 0\n"

    following = subprocess.Popen(
        ["node", CLIENT, "follow", "web", "0"], stdout=subprocess.PIPE, text=True
    )
    assert following.stdout is not None
    lines = [following.stdout.readline() for _ in range(20)]
    assert lines == ["up\n", *(f"tick {number}\n" for number in range(1, 20))]

    restarted = _client("restart", "web")
    assert (restarted.returncode, restarted.stdout) == (0, "restarted 0\n"), restarted.stderr
    assert row("web")["pid"] != pid
    wait_until(lambda: following.stdout.readline() == "up\n", what="the new worker's first line")  # pyright: ignore[reportOptionalMemberAccess]
    following.kill()
    following.wait()
    following.stdout.close()

    refused = _client("follow", "web", "7")
    assert (refused.returncode, refused.stderr) == (1, "web has no instance 7\n")
    monit("delete", "web")
