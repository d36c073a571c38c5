"""Which files a process tree has open for writing: the app's own data, no reason to restart it."""

import contextlib
import os
from collections.abc import Collection, Iterable
from itertools import islice

from monit_agent.system.mounts import mount_of, waiting_mounts

PROCESSES = 256
"""Of an app with more processes, only so many are looked at: 0.1 ms each with 50 descriptors."""


def written_by(pids: Iterable[int], paths: Collection[str]) -> set[str]:
    """Return those of ``paths`` that one of the processes has open for writing."""
    mounts = waiting_mounts()
    real = {path if mount_of(path, mounts) else os.path.realpath(path): path for path in paths}
    found: set[str] = set()
    for pid in islice(pids, PROCESSES):
        if len(found) == len(real):
            break
        found.update(path for each in _descriptors(pid) if (path := _written(pid, each, real)))
    return found


def _descriptors(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it exited, or belongs to another user
        return []


def _written(pid: int, descriptor: str, real: dict[str, str]) -> str | None:
    with contextlib.suppress(OSError):  # closed meanwhile
        path = real.get(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        if path is not None and _is_for_writing(f"/proc/{pid}/fdinfo/{descriptor}"):
            return path
    return None


def _is_for_writing(path: str) -> bool:
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False
