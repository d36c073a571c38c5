"""Which process listens on a port or at a path, from ``/proc``."""

import os

from monit_agent.system import procfs

_LISTEN = b"0A"
_ACCEPTS = b"00010000"
_COMMAND_CHARS = 60


def port_owner(port: int) -> str | None:
    """Return pid and command of the process that listens on a TCP port, None without one."""
    return _holder(_inodes(port))


def path_owner(path: str) -> str | None:
    """The same for a Unix socket."""
    return _holder(_inodes_at(path))


def _holder(inodes: set[int]) -> str | None:
    if not inodes:
        return None
    for pid in procfs.all_pids():
        if any(inode in inodes for _, inode in procfs.open_sockets(pid)):
            return f"pid {pid} ({command_line(pid)})"
    return "another user's process"


def _inodes_at(path: str) -> set[int]:
    wanted, found = os.fsencode(path), set[int]()
    for line in (procfs.read_file("/proc/net/unix") or b"").splitlines()[1:]:
        fields = line.split(None, 7)
        if len(fields) == 8 and fields[3] == _ACCEPTS and fields[7] == wanted:
            found.add(int(fields[6]))
    return found


def _inodes(port: int) -> set[int]:
    """Return the inodes of the sockets that listen there, on any address."""
    suffix = b":%04X" % port
    found: set[int] = set()
    for table in ("tcp", "tcp6"):
        for line in (procfs.read_file(f"/proc/net/{table}") or b"").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[1].endswith(suffix) and fields[3] == _LISTEN:
                found.add(int(fields[9]))
    return found


def command_line(pid: int) -> str:
    """Return the beginning of a process's command line, for people."""
    raw = procfs.read_file(f"/proc/{pid}/cmdline") or b""
    words = raw.rstrip(b"\0").split(b"\0")
    words[0] = os.path.basename(words[0])
    text = b" ".join(words).decode("utf-8", "replace")
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return plain if len(plain) <= _COMMAND_CHARS else plain[: _COMMAND_CHARS - 1] + "…"
