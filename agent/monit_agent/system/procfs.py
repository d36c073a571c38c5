"""Processes as ``/proc`` shows them. What is gone or not ours to see reads as None."""

import os
from collections.abc import Iterator

from monit_agent.system.memory.shortage import with_spare

_STAT_BYTES = 4096
"""More than the kernel writes: a name of 64 bytes and 52 numbers."""


class ProcessStat:
    """One process in ``/proc/<pid>/stat``, see proc_pid_stat(5). Times are in clock ticks.

    Fields are converted when they are read: the agent reads every process once a second.
    """

    __slots__ = ("_fields", "name")

    def __init__(self, raw: bytes) -> None:
        # the name stands in parentheses and may hold any byte, also parentheses
        end = raw.rindex(b")")
        self.name = raw[raw.index(b"(") + 1 : end]
        self._fields = raw[end + 2 :].split()

    @property
    def state(self) -> str:
        """One letter; ``T`` is stopped, ``Z`` a zombie."""
        return self._fields[0].decode("ascii")

    @property
    def exited(self) -> bool:
        """Whether only its exit code is left of it."""
        return self._fields[0] in b"ZX"

    @property
    def parent(self) -> int:
        """Pid of its parent."""
        return int(self._fields[1])

    @property
    def session(self) -> int:
        """Pid of the leader of its session."""
        return int(self._fields[3])

    @property
    def terminal(self) -> int:
        """Device number of its terminal; 0 without one."""
        return int(self._fields[4])

    @property
    def faults(self) -> int:
        """Pages that the kernel provided, without and with reading a disk."""
        return int(self._fields[7]) + int(self._fields[9])

    @property
    def cpu_ticks(self) -> int:
        """CPU time, user and system."""
        return int(self._fields[11]) + int(self._fields[12])

    @property
    def reaped_cpu_ticks(self) -> int:
        """CPU time of the children that exited and were reaped."""
        return int(self._fields[13]) + int(self._fields[14])

    @property
    def threads(self) -> int:
        """Number of its threads."""
        return int(self._fields[17])

    @property
    def start_ticks(self) -> int:
        """When it was started, since boot. With the pid it identifies the process."""
        return int(self._fields[19])

    @property
    def arguments(self) -> tuple[int, int]:
        """Where its command line begins and ends in its memory; zeros where that is secret."""
        return int(self._fields[45]), int(self._fields[46])

    @property
    def rss_pages(self) -> int:
        """Resident memory."""
        return int(self._fields[21])


def process_stat(pid: int) -> ProcessStat | None:
    """Return the state of a process; a zombie has one too."""
    try:
        raw = with_spare(_read_once, f"/proc/{pid}/stat")
    except OSError:
        return None
    return ProcessStat(raw) if raw else None


def _read_once(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, _STAT_BYTES)
    except ProcessLookupError:
        return b""  # it exited between open and read
    finally:
        os.close(fd)


def session_of(pid: int) -> int | None:
    """Return the session of a process."""
    stat = process_stat(pid)
    return stat.session if stat else None


def read_file(path: str) -> bytes | None:
    """Return all of a file of ``/proc``."""
    try:
        return with_spare(_read_all, path)
    except OSError:
        return None


def _read_all(path: str) -> bytes:
    parts: list[bytes] = []
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while part := os.read(fd, 65536):
            parts.append(part)
    finally:
        os.close(fd)
    return b"".join(parts)


def environment_of(pid: int) -> dict[bytes, bytes] | None:
    """Return the environment that a process was started with."""
    raw = read_file(f"/proc/{pid}/environ")
    return None if raw is None else _variables(raw)


def processes_with(variables: dict[bytes, bytes]) -> Iterator[tuple[int, dict[bytes, bytes]]]:
    """Return all processes that were started with these variables, each with its environment. Of
    the others, which are many, the environment is not taken apart."""
    entries = [name + b"=" + value for name, value in variables.items()]
    for pid in all_pids():
        raw = read_file(f"/proc/{pid}/environ")
        if raw and all(entry in raw for entry in entries):
            env = _variables(raw)
            if variables.items() <= env.items():
                yield pid, env


def _variables(raw: bytes) -> dict[bytes, bytes]:
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def ids_of(pid: int) -> tuple[int, int, tuple[int, ...]] | None:
    """Return the real ids of a process, user and group, and its groups. Not the effective ones: a
    program that becomes root for a moment, as su does, keeps the real ones."""
    found: dict[bytes, list[int]] = {}
    for line in (read_file(f"/proc/{pid}/status") or b"").splitlines():
        name, _, rest = line.partition(b":")
        if name in (b"Uid", b"Gid", b"Groups"):
            found[name] = [int(part) for part in rest.split()]
    if len(found) < 3:
        return None
    return found[b"Uid"][0], found[b"Gid"][0], tuple(found[b"Groups"])


def handles_signal(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal."""
    return _is_in_mask(pid, b"SigCgt:", number)


def awaits_signal(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal, or blocks it, as programs do that read
    signals from a descriptor. Also True where that cannot be seen."""
    raw = read_file(f"/proc/{pid}/status")
    if not raw:
        return True
    return _is_in_mask(pid, b"SigCgt:", number) or _is_in_mask(pid, b"SigBlk:", number)


def ignores_signal(pid: int, number: int) -> bool:
    """Return whether a process ignores a signal."""
    return _is_in_mask(pid, b"SigIgn:", number)


def _is_in_mask(pid: int, name: bytes, number: int) -> bool:
    for line in (read_file(f"/proc/{pid}/status") or b"").splitlines():
        if line.startswith(name):
            return bool(int(line[len(name) :], 16) >> (number - 1) & 1)
    return False


def program_of(pid: int) -> str:
    """Return the name of the file that a process executes, "" where that cannot be seen."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def boot_id() -> str:
    """Return what tells this boot from every other; "" where the kernel does not say."""
    return (read_file("/proc/sys/kernel/random/boot_id") or b"").decode("ascii").strip()


def child_pids(pid: int) -> list[int] | None:
    """Return the children of a process that has one thread; None where the kernel does not say."""
    raw = read_file(f"/proc/{pid}/task/{pid}/children")
    return None if raw is None else [int(part) for part in raw.split()]


def all_pids() -> Iterator[int]:
    """Return the pids of all processes."""
    return (int(name) for name in with_spare(os.listdir, "/proc") if name.isdigit())


def descendant_pids(pid: int) -> list[int]:
    """Return all processes below ``pid`` whose ancestors are running."""
    try:
        tasks = with_spare(os.listdir, f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for task in tasks:
        for child in (read_file(f"/proc/{pid}/task/{task}/children") or b"").split():
            found += [int(child), *descendant_pids(int(child))]
    return found


def open_sockets(pid: int) -> list[tuple[int, int]]:
    """Return descriptor and inode of every socket that a process has open."""
    found: list[tuple[int, int]] = []
    try:
        names = with_spare(os.listdir, f"/proc/{pid}/fd")
    except OSError:
        return found
    for name in names:
        try:
            link = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if link.startswith("socket:["):
            found.append((int(name), int(link[8:-1])))
    return found
