"""A folder of this user on a file system in memory: for what must not reach a disk, and need not
outlive this boot."""

import os
import stat

from monit_agent.system.procfs import read_file
from monit_agent.system.suppress import suppress

_IN_MEMORY = (b"tmpfs", b"ramfs")


def memory_folders() -> list[str]:
    """Return the folders that may hold such files, the best first. Their names do not depend on the
    environment: the next keeper may be started from another one."""
    user = os.geteuid()
    return [f"/dev/shm/monit-{user}", f"/run/user/{user}/monit"]  # noqa: S108  checked before use


def is_private_memory(folder: str) -> bool:
    """Return whether the folder is in memory, and only this user can look into it."""
    device = _device_of_private(folder)
    return device is not None and _is_in_memory(device)


def _device_of_private(folder: str) -> int | None:
    """Return the device of a folder into which only this user can look; None for any other."""
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    private = found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return found.st_dev if private and stat.S_ISDIR(found.st_mode) else None


def make_memory_folder() -> str | None:
    """Return the first of the folders that can be used, made if it is missing; None when there is
    none."""
    for folder in memory_folders():
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        except OSError:
            continue
        if is_private_memory(folder):
            return folder
    return None


def write_memory_file(name: str, raw: bytes) -> bool:
    """Write a file that only this user can read; return False where there is no folder for it.

    Raise OSError when it cannot be written.
    """
    folder = make_memory_folder()
    if folder is None:
        return False
    path = os.path.join(folder, name)
    temporary = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(temporary, flags, 0o600)
    try:
        while raw:
            raw = raw[os.write(fd, raw) :]
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    return True


def read_memory_file(name: str) -> bytes | None:
    """Return what was written under ``name``; None when there is nothing."""
    for folder in memory_folders():
        if is_private_memory(folder):
            raw = read_file(os.path.join(folder, name))
            if raw is not None:
                return raw
    return None


def has_memory_file(name: str) -> bool:
    """Return whether what was written under ``name`` is still there. Cheaper than to read it: the
    list of all mounts is long where containers run."""
    return any(
        _device_of_private(folder) is not None and os.path.lexists(os.path.join(folder, name))
        for folder in memory_folders()
    )


def names_in_memory() -> list[str]:
    """Return the names of all that was written."""
    found: list[str] = []
    for folder in memory_folders():
        with suppress(OSError):
            found += os.listdir(folder)
    return found


def remove_memory_file(name: str) -> None:
    """Remove what was written under ``name``."""
    for folder in memory_folders():
        try:
            os.unlink(os.path.join(folder, name))
        except OSError:
            continue  # it is not there


def _is_in_memory(device: int) -> bool:
    """Return whether a device number is that of a file system in memory, see proc(5)."""
    wanted = b"%d:%d" % (os.major(device), os.minor(device))
    for line in (read_file("/proc/self/mountinfo") or b"").splitlines():
        before, _, after = line.partition(b" - ")
        words = before.split()
        if len(words) > 2 and words[2] == wanted:
            return after.split()[:1] in ([kind] for kind in _IN_MEMORY)
    return False
