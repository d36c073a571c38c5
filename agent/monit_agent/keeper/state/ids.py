"""Instance ids, counted over all apps of a home as pm2 counts them."""

import errno
import os

from monit_agent.system.files.file_lock import lock_file


def allocate(path: str, count: int) -> tuple[int, ...]:
    """Return ``count`` free ids; raise OSError when the file cannot be written."""
    if not count:
        return ()
    fd = lock_file(path, wait=True)
    try:
        written = os.read(fd, 32).strip()
        first = int(written) if written.isdigit() else 0
        # never shorter than before, so that no old digit is left at the end
        os.pwrite(fd, b"%d\n" % (first + count), 0)
    except OSError as error:
        # where nothing can be written, `lock_file` opens the file only for reading
        number = errno.EROFS if error.errno == errno.EBADF else error.errno
        raise OSError(number, os.strerror(number or 0), path) from error
    finally:
        os.close(fd)
    return tuple(range(first, first + count))
