"""Work on when descriptors are short: some are kept spare for what must not fail.

A process that cannot open `/proc` takes its running workers for dead, and a listener whose
connections cannot be accepted is ready for ever. So a few descriptors are held, and given away for
the moment of a call that finds none left. This is for processes with one thread.
"""

import errno
import os
from collections.abc import Callable

from monit_agent.typed import Any

SPARE = 6
"""A fork needs two, a look into a folder of /proc two; the rest outlives what was started."""

SHORT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_SHORT = (
    *SHORT_OF_DESCRIPTORS,
    errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOBUFS,
)  # fmt: skip

_spare: list[int] = []


def is_shortage(number: int | None) -> bool:
    """Return whether an error with this errno passes when the machine has room again: descriptors,
    memory, processes, disk."""
    return number in _SHORT


def hold_spare() -> None:
    """Open what is missing of the spare descriptors, as far as there are any."""
    while len(_spare) < SPARE:
        try:
            _spare.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return


def with_spare(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return ``call(*arguments)``; if no descriptor is left for it, once more with the spare
    ones. Raise the OSError of the last call."""
    try:
        return call(*arguments)
    except OSError as error:
        if error.errno not in SHORT_OF_DESCRIPTORS or not _spare:
            raise
    while _spare:
        os.close(_spare.pop())
    try:
        return call(*arguments)
    finally:
        hold_spare()


def spare_left() -> int:
    """Return how many spare descriptors are held."""
    return len(_spare)


def open_descriptors() -> int:
    """Return how many descriptors this process has open; raise OSError."""
    return len(with_spare(os.listdir, "/proc/self/fd")) - 1
