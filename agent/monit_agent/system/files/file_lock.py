"""``flock`` on a file that others may remove; the kernel releases it when its process exits."""

import errno
import fcntl
import os


def lock_file(path: str, *, wait: bool = False) -> int:
    """Lock the file at ``path``, created if it is missing, and return a descriptor of it.

    Where nothing can be written, a file that is there is locked all the same; the descriptor is
    only for reading then. The lock is held until the descriptor is closed. Raise BlockingIOError
    when another process holds it, unless ``wait`` is set, and OSError when the file cannot be
    opened.
    """
    while True:
        fd = _open(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        if is_file_at(fd, path):
            return fd
        os.close(fd)  # removed between open and flock: nobody else would lock this file


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise error from None


def is_file_at(fd: int, path: str) -> bool:
    """Return whether ``fd`` is of the file that is at ``path`` now."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except OSError:
        return False


def is_locked(path: str) -> bool:
    """Return whether a process holds the lock. A file that cannot be read counts as locked."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
