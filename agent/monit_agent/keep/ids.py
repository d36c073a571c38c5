"""Instance ids, counted over all apps of a home as pm2 counts them."""

import fcntl
import os


def take(path: str, count: int) -> tuple[int, ...]:
    """Take ``count`` free ids; OSError when the file cannot be written."""
    if not count:
        return ()
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        written = os.read(fd, 32).strip()
        first = int(written) if written.isdigit() else 0
        # never shorter than before, so that no old digit is left at the end
        os.pwrite(fd, b"%d\n" % (first + count), 0)
    finally:
        os.close(fd)
    return tuple(range(first, first + count))
