"""The command line of this process, as the kernel keeps it and `ps` shows it."""

import os

from monit_agent.system import procfs
from monit_agent.typed import NamedTuple


class ArgumentSpace(NamedTuple):
    """Where it lies in our memory. It can be written, and never be longer."""

    start: int
    size: int


def argument_space() -> ArgumentSpace:
    """Return where the command line lies. Raise OSError where the kernel does not say."""
    stat = procfs.process_stat(os.getpid())
    start, end = stat.arguments if stat else (0, 0)
    if not 0 < start < end:
        raise OSError("the command line cannot be found")
    return ArgumentSpace(start, end - start)


def read_arguments(space: ArgumentSpace) -> bytes:
    """Return the command line, each word with a NUL behind it."""
    fd = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, space.size, space.start)
    finally:
        os.close(fd)


def write_arguments(space: ArgumentSpace, words: bytes) -> None:
    """Replace the command line; the rest of the space is filled with NULs. Raise OSError."""
    fd = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, words.ljust(space.size, b"\0"), space.start)
    finally:
        os.close(fd)
