"""What ``/proc`` tells about processes. Whatever is gone or not ours to see reads as None."""

import os
from collections.abc import Iterator

from monit_agent.supervise.typed import NamedTuple

OURS = (
    b"MONIT_HOME", b"MONIT_APP", b"MONIT_INSTANCE", b"MONIT_PID", b"NODE_APP_INSTANCE",
    b"NOTIFY_SOCKET", b"MONIT_PROBE_SOCK", b"MONIT_PROBE_NODE_SOCK", b"MONIT_PROBE_ASK",
    b"MONIT_SHARE",
    b"NODE_CHANNEL_FD", b"NODE_CHANNEL_SERIALIZATION_MODE", b"NODE_UNIQUE_ID",
    b"LISTEN_FDS", b"LISTEN_PID", b"LISTEN_FDNAMES",
)  # fmt: skip
"""Variables that the keeper gives to a worker, and that never pass on to the next one."""


class Stat(NamedTuple):
    """The fields of ``/proc/<pid>/stat`` that matter here."""

    state: str
    parent: int
    session: int
    ticks: int
    """When the process was started, in clock ticks since boot."""


def read(path: str) -> bytes | None:
    """Give a file of ``/proc`` whole."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    parts: list[bytes] = []
    try:
        while part := os.read(fd, 65536):
            parts.append(part)
    except OSError:
        return None
    finally:
        os.close(fd)
    return b"".join(parts)


def stat(pid: int) -> Stat | None:
    """Give the state of a process; a zombie has one too, in ``Z``."""
    raw = read(f"/proc/{pid}/stat")
    if not raw:
        return None
    # the command's name stands in parentheses and may hold any byte, also parentheses
    fields = raw[raw.rindex(b")") + 2 :].split()
    return Stat(fields[0].decode("ascii"), int(fields[1]), int(fields[3]), int(fields[19]))


def session(pid: int) -> int | None:
    """Give the session of a process."""
    known = stat(pid)
    return known.session if known else None


def environ(pid: int) -> dict[bytes, bytes] | None:
    """Give the environment that a process was started with."""
    raw = read(f"/proc/{pid}/environ")
    if raw is None:
        return None
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def handles(pid: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal."""
    for line in (read(f"/proc/{pid}/status") or b"").splitlines():
        if line.startswith(b"SigCgt:"):
            return bool(int(line[7:], 16) >> (number - 1) & 1)
    return False


def boot_id() -> str:
    """Give what tells this boot from every other; "" where the kernel does not say."""
    return (read("/proc/sys/kernel/random/boot_id") or b"").decode("ascii").strip()


def children(pid: int) -> list[int] | None:
    """Give the children of a single-threaded process; None where the kernel does not say."""
    raw = read(f"/proc/{pid}/task/{pid}/children")
    return None if raw is None else [int(part) for part in raw.split()]


def everyone() -> Iterator[int]:
    """Give the pids of all processes."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def descendants(pid: int) -> list[int]:
    """Give all below ``pid`` whose ancestors still live."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for task in tasks:
        for child in (read(f"/proc/{pid}/task/{task}/children") or b"").split():
            found += [int(child), *descendants(int(child))]
    return found


def sockets(pid: int) -> list[tuple[int, int]]:
    """Give descriptor and inode of every socket that a process has open."""
    found: list[tuple[int, int]] = []
    try:
        names = os.listdir(f"/proc/{pid}/fd")
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
