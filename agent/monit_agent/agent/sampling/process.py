"""One process of a worker's tree, as every reader returns it."""

from typing import NamedTuple

TREE_MAX = 4096
"""Processes of one tree that are read: a fork bomb must not take the agent with it."""


class Proc(NamedTuple):
    """One process. ``fds`` is None where it may not be read (another user's process)."""

    pid: int
    ppid: int
    started: float
    """Start time in the kernel's own unit: with the pid it identifies the process."""
    cpu_s: float
    """Own CPU time, user and system."""
    reaped_cpu_s: float
    """CPU time of the children that exited and were reaped; 0.0 where unknown."""
    rss_bytes: int
    threads: int
    fds: int | None
    comm: str = ""
    """The kernel's name for it, which changes when it becomes another program."""
    uid: int | None = None
    """The effective user."""
    faults: int = 0
    """Pages that it had the kernel provide so far: after a fork it needs more. 0 where unknown."""
