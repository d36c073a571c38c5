"""A real systemd that manages units of a user, in namespaces of its own."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.waiting import wait_until

PROGRAM = "/lib/systemd/systemd"
SCRIPT = Path(__file__).parent.parent / "programs" / "systemd" / "manager.sh"
RUNTIME = "/run/of-test"


class UserManager:
    """Commands run inside, where systemctl reaches it."""

    def __init__(self, pid: int, environ: dict[str, str]) -> None:
        self._enter = ["nsenter", f"--target={pid}", "--mount", "--pid", "--cgroup", "--"]
        self._environ = environ

    def run(self, *words: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command inside and check its exit code."""
        done = subprocess.run(
            [*self._enter, *words],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert code in (None, done.returncode), (words, done.returncode, done.stdout, done.stderr)
        return done

    def monit(self, *words: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        """Run ``monit`` inside."""
        return self.run(sys.executable, "-P", "-m", "monit_agent", *words, code=code)

    def show(self, unit: str, what: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "--user", "show", "-p", what, "--value", unit).stdout.strip()


@contextlib.contextmanager
def user_manager(folder: Path) -> Iterator[UserManager]:
    """Yield a manager with its files in ``folder``; skip the test where none can be run."""
    group = _own_group()
    environ = {
        **os.environ,
        "XDG_RUNTIME_DIR": RUNTIME,
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    started = subprocess.Popen(
        [
            "sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(group),
            "unshare", "--mount", "--cgroup", "--pid", "--fork", "--kill-child", "--mount-proc",
            "sh", str(SCRIPT), PROGRAM,
        ],
        env=environ,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        (inside,) = wait_until(psutil.Process(started.pid).children, what="it has namespaces")
        manager = UserManager(inside.pid, environ)
        private = f"{RUNTIME}/systemd/private"
        wait_until(
            lambda: manager.run("test", "-S", private, code=None).returncode == 0,
            what="systemd can be reached",
        )
        yield manager
    finally:
        started.kill()
        started.wait()
        wait_until(lambda: _removed(group), what="its control groups are empty")


def _own_group() -> Path:
    if os.getuid() != 0 or not all(map(shutil.which, (PROGRAM, "unshare", "nsenter"))):
        pytest.skip("needs root, systemd, unshare and nsenter")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " not in line:
            continue
        group = Path(line.split()[4]) / f"monit-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            break
        return group
    pytest.skip("needs a cgroup2 hierarchy that can be written")


def _removed(group: Path) -> bool:
    """Remove a control group and all below it; return False while a process is in one."""
    try:
        for below in sorted(group.glob("**/"), reverse=True):
            below.rmdir()
    except FileNotFoundError:
        return not group.exists()
    except OSError:
        return False
    return True
