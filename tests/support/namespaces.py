"""Programs as the first process of a PID namespace, which is what a container is to them."""

import functools
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from support.waiting import wait_until

FIRST = ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child")
"""What follows becomes PID 1; the namespace ends with this process."""

_MOUNTS = (
    "mount -o remount,bind,ro / && mount -t tmpfs tmpfs /dev/shm && "
    "for each in /tmp /run /var; do mount -t tmpfs -o ro tmpfs $each 2>/dev/null; done; "
    'exec "$@"'
)

READ_ONLY = (*FIRST, "sh", "-c", _MOUNTS, "sh")
"""The same, with nothing to write into but ``/dev/shm``."""


@functools.cache
def _works(command: tuple[str, ...]) -> bool:
    return shutil.which("unshare") is not None and (
        subprocess.run([*command, "true"], capture_output=True).returncode == 0
    )


def require(command: tuple[str, ...]) -> None:
    """Skip the test where the kernel or the user may not do this."""
    if not _works(command):
        pytest.skip("no PID namespaces here")


def first_process(parent: "subprocess.Popen[bytes]") -> int:
    """Return the pid, outside of it, of the namespace's first process."""
    children = f"/proc/{parent.pid}/task/{parent.pid}/children"

    def child() -> int:
        with open(children, encoding="ascii") as file:
            pids = file.read().split()
        return int(pids[0]) if pids else 0

    return wait_until(child, what="the namespace has its first process")


def inside(pid: int, *words: str) -> Sequence[str]:
    """Return the command that runs ``words`` in the namespace of ``pid``."""
    return ("nsenter", "--target", str(pid), "--pid", "--mount", "--", *words)
