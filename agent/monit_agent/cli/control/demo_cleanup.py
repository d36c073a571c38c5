"""Remove everything that ``monit demo`` started, however the demo itself ended.

    python -m monit_agent.cli.control.demo_cleanup HOME

It runs in a session of its own, so that neither Ctrl-C nor a closed terminal reaches it. It waits
for the end of its standard input, a pipe that the kernel closes when the demo ends, also after
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
"""Longer than the kill timeout of the workers."""
KILL_S = 5.0


def main() -> int:
    """Wait for the demo to end, then clean up; return 1 if a process could not be stopped."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    return 0 if remove_demo(sys.argv[1]) else 1


def monit_command() -> list[str]:
    """Return the command that runs ``monit`` with this interpreter, wherever it is installed."""
    return [sys.executable, "-P", "-m", "monit_agent"]


def remove_demo(home: str) -> bool:
    """Stop everything in ``home`` and remove it; return False if a process survived SIGKILL.

    ``monit delete all`` comes first. Processes that remain, because a keeper or an agent was killed
    or is stuck, are found by the ``MONIT_HOME`` in their environment and get SIGKILL.
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
    all_ended = _kill_remaining(home)
    shutil.rmtree(home, ignore_errors=True)
    return all_ended


def _kill_remaining(home: str) -> bool:
    end = time.monotonic() + KILL_S
    while remaining := [process for process in psutil.process_iter() if _belongs(process, home)]:
        if time.monotonic() > end:
            return False
        for process in remaining:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(remaining, timeout=0.2)
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
