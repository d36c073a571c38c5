"""A file in memory, without a name, that another program gets as a descriptor."""

import os


def anonymous_file(name: str, content: bytes = b"") -> int:
    """Return the descriptor of such a file; raise OSError when there is no memory for it."""
    fd = os.memfd_create(name)
    try:
        while content:
            content = content[os.write(fd, content) :]
    except OSError:
        os.close(fd)
        raise
    return fd


def read_anonymous_file(fd: int) -> bytes:
    """Return all that is in such a file, wherever its descriptor points to."""
    return os.pread(fd, os.fstat(fd).st_size, 0)
