"""The disk of the home, and the kernel's count of processes that it killed for memory."""

import contextlib
import os

from monit_agent.agent.alerts.engine import Reading
from monit_agent.agent.alerts.facts import Noted
from monit_agent.agent.alerts.rules import Disk, read_disk
from monit_agent.system.files.file_lock import lock_file
from monit_agent.system.procfs import read_file
from monit_agent.wire.messages import InstanceRecord
from monit_agent.wire.paths import disk_lock

SIGKILL = 9


class DiskWatch:
    """Reads how full the disk of a home is. One agent of the home speaks of it: the one that holds
    a lock, which the kernel takes from it when it exits."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._lock: int | None = None

    def read(self) -> Reading | None:
        """Return what the rule finds; None where that is unknown, or another agent speaks of it."""
        try:
            found = os.statvfs(self._home)
        except OSError:
            return None
        reading = read_disk(Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize))
        if reading.level > 0 and self._lock is None:
            with contextlib.suppress(OSError):
                self._lock = lock_file(disk_lock(self._home))
        return reading if reading.level <= 0 or self._lock is not None else None

    def release(self) -> None:
        """Let another agent speak of the disk."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def count_of_memory_kills() -> int | None:
    """Return how many processes the kernel has killed because memory was short, of the machine or
    of a control group; None where it does not count them."""
    for line in (read_file("/proc/vmstat") or b"").splitlines():
        name, _, count = line.partition(b" ")
        if name == b"oom_kill" and count.isdigit():
            return int(count)
    return None


class MemoryKills:
    """Finds out whether a worker that was killed by SIGKILL was killed for memory: the kernel's
    count of such kills has grown since the last look."""

    def __init__(self) -> None:
        self._count = count_of_memory_kills()

    def have_grown(self) -> bool:
        """Return whether there was one since the last look."""
        before, self._count = self._count, count_of_memory_kills()
        return before is not None and self._count is not None and self._count > before

    def look_at_exits(self, record: InstanceRecord, noted: Noted, now: float) -> None:
        """Note in ``noted`` that a worker of the instance was killed for memory since the last
        call."""
        if not record.exits or record.exits[-1].at == noted.exits_seen:
            return
        seen, noted.exits_seen = noted.exits_seen, record.exits[-1].at
        new = [each for each in record.exits if seen is None or each.at > seen]
        killed = any(each.signal == SIGKILL and not each.requested for each in new)
        if killed and self.have_grown():
            noted.out_of_memory_at = now
