"""Which process listens on a port or at a path, from ``/proc``."""

import os

from monit_agent.system import listening, procfs

_COMMAND_CHARS = 60


def port_owner(port: int) -> str | None:
    """Return pid and command of the process that listens on a TCP port, None without one."""
    listeners = listening.tcp_listeners(os.getpid())
    return _holder({inode for inode, at in listeners.items() if at == port})


def path_owner(path: str) -> str | None:
    """The same for a Unix socket."""
    return _holder({inode for inode, at in listening.unix_listeners().items() if at == path})


def _holder(inodes: set[int]) -> str | None:
    if not inodes:
        return None
    for pid in procfs.all_pids():
        if any(inode in inodes for _, inode in procfs.open_sockets(pid)):
            return f"pid {pid} ({command_line(pid)})"
    return "another user's process"


def command_line(pid: int) -> str:
    """Return the beginning of a process's command line, for people."""
    raw = procfs.read_file(f"/proc/{pid}/cmdline") or b""
    words = raw.rstrip(b"\0").split(b"\0")
    if words[0].startswith((b"/", b".")) or b" " not in words[0]:  # else it is a title
        words[0] = os.path.basename(words[0])
    text = b" ".join(words).decode("utf-8", "replace")
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return plain if len(plain) <= _COMMAND_CHARS else plain[: _COMMAND_CHARS - 1] + "…"
