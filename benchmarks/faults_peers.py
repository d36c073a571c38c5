"""What becomes of a program when its manager is killed with -9: monit, pm2, supervisor.

Prints the table of ``docs/faults.md``. ``SUPERVISORD`` names a supervisord; without it, supervisor
is left out.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import psutil
from common import (
    PROGRAMS,
    BenchmarkError,
    Manager,
    end_on_signals,
    monit,
    pm2,
    say,
    temporary_home,
    wait_for,
)

RUNS_S = 2.0
WATCHED_S = 10.0
"""How long a new manager is waited for."""


class Peer(NamedTuple):
    """A manager: ``pids`` are its own, ``log`` has what the program prints."""

    name: str
    pids: Callable[[], list[int]]
    log: str


def main() -> None:
    """Measure each manager once."""
    end_on_signals()
    for started in (_monit, _pm2, _supervisor):
        with temporary_home("NUMBERED_HOME") as folder, started(Path(folder)) as peer:
            if peer is not None:
                print(f"{peer.name}: {_measure(peer, Path(folder) / 'number')}", flush=True)


@contextlib.contextmanager
def _monit(folder: Path) -> Generator[Peer | None]:
    with monit() as manager:
        manager.start("numbered", "numbered.py", str(folder / "number"))
        yield Peer("monit", lambda: _pids(manager), manager.log_file("numbered"))


@contextlib.contextmanager
def _pm2(folder: Path) -> Generator[Peer | None]:
    with pm2() as manager:
        if manager is None:
            yield None
            return
        manager.start("numbered", "numbered.py", str(folder / "number"))
        yield Peer("pm2", lambda: _pids(manager), manager.log_file("numbered"))


@contextlib.contextmanager
def _supervisor(folder: Path) -> Generator[Peer | None]:
    program = os.environ.get("SUPERVISORD")
    if program is None:
        yield None
        return
    log = folder / "out.log"
    (folder / "supervisord.conf").write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/supervisord.log\npidfile={folder}/pid\n"
        f"[program:numbered]\ncommand={sys.executable} {PROGRAMS}/numbered.py {folder}/number\n"
        f"stdout_logfile={log}\n"
    )
    process = subprocess.Popen(
        [program, "-c", str(folder / "supervisord.conf")],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "NUMBERED_HOME": str(folder)},
    )
    yield Peer("supervisor", lambda: [process.pid] if process.poll() is None else [], str(log))


def _pids(manager: Manager) -> list[int]:
    with contextlib.suppress(BenchmarkError, OSError, psutil.Error):
        kinds = manager.managers()
        found = kinds.get("keeper") or kinds["daemon"]
        return [each.pid for each in found if each.status() != psutil.STATUS_ZOMBIE]
    return []


def _measure(peer: Peer, record: Path) -> str:
    wait_for(record.exists, "the program runs")
    time.sleep(RUNS_S)
    (killed,) = peer.pids()
    os.kill(killed, signal.SIGKILL)
    end = time.monotonic() + WATCHED_S
    again = None
    while again is None and time.monotonic() < end:
        again = next((pid for pid in peer.pids() if pid != killed), None)
    time.sleep(RUNS_S)
    printed = int(record.read_text() or 0)
    time.sleep(1.0)
    going_on = int(record.read_text() or 0) > printed
    written = len(Path(peer.log).read_bytes().splitlines())
    back = "a new manager runs" if again is not None else f"no manager after {WATCHED_S:.0f} s"
    runs = "the program runs on" if going_on else "the program has ended"
    say(f"  {peer.name}: killed pid {killed}")
    return f"{back}; {runs}; {max(0, printed - written)} of {printed} lines are not in the log"


if __name__ == "__main__":
    main()
