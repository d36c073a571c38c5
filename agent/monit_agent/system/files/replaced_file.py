"""Files that are replaced as a whole: after a crash there is the old content or the new one."""

import os


def replace_file(path: str, raw: bytes, *, sync: bool = True) -> None:
    """Write ``raw`` to ``path``, readable by its user only; raise OSError.

    Without ``sync`` it does not wait for the disk: a killed process loses nothing, a power cut may
    lose what was written last.
    """
    temporary = path + ".tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while raw:
            raw = raw[os.write(fd, raw) :]
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
