"""Clears away what ``monit demo`` started, whatever became of the demo itself.

    python -m monit_agent.cli.demo_guard HOME

Runs in a session of its own, so that neither Ctrl-C nor a terminal that hangs up reaches it, and
waits for the end of its standard input: a pipe that the kernel closes when the demo ends, also by
``kill -9``.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil

DELETE_S = 20.0
"""Longer than the grace that workers have to end."""
SWEEP_S = 5.0


def main() -> int:
    """Wait for the demo to end, then clear away; give 1 if something resisted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    return 0 if clear_away(sys.argv[1]) else 1


def monit_command() -> list[str]:
    """Give the command that runs ``monit`` with this interpreter, wherever it is installed."""
    return [sys.executable, "-P", "-m", "monit_agent"]


def clear_away(home: str) -> bool:
    """Stop everything of ``home`` and remove it; False if a process outlived even SIGKILL.

    The ordinary way first. What that leaves, because a keeper or an agent was killed or is
    stuck, is known by the ``MONIT_HOME`` in its environment and gets SIGKILL.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [*monit_command(), "delete", "all"],
            env={**os.environ, "MONIT_HOME": home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=DELETE_S,
            check=False,
        )
    gone = _sweep(home)
    shutil.rmtree(home, ignore_errors=True)
    return gone


def _sweep(home: str) -> bool:
    end = time.monotonic() + SWEEP_S
    while left := [process for process in psutil.process_iter() if _belongs(process, home)]:
        if time.monotonic() > end:
            return False
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)
    return True


def _belongs(process: psutil.Process, home: str) -> bool:
    try:
        return (
            process.pid != os.getpid()
            and process.status() != psutil.STATUS_ZOMBIE
            and process.environ().get("MONIT_HOME") == home
        )
    except psutil.Error:
        return False


if __name__ == "__main__":
    sys.exit(main())
