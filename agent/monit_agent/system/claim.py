"""The abstract socket that only one keeper of an app can have, wherever the app's folder went.

A lock file protects a folder only as long as both keepers see the same file. An abstract socket
has no file. It is found by a name made from the folder's path, and the kernel releases it with its
process. The name also holds the namespaces of mounts and of processes, because two containers that
share a network may have different folders at one path.

Any user may bind any abstract name, and connect to it: both sides check who is at the other end.
"""

import os

_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
_NAMESPACES = ("mnt", "pid")


def claim_address(folder: str) -> bytes:
    """Return the address of the abstract socket for the app in ``folder``."""
    parts = [os.fsencode(os.path.realpath(folder)), *map(_namespace, _NAMESPACES)]
    return b"\0monit-%d-%016x" % (os.getuid(), _hash(b"\0".join(parts)))


def memory_name(folder: str, what: str = "env") -> str:
    """Return the name of the file in memory that belongs to the app in ``folder``: with its
    environment, or with its ``state``."""
    return f"{_hash(os.fsencode(os.path.realpath(folder))):016x}.{what}"


def _hash(raw: bytes) -> int:
    """Return FNV-1a: the same in every process, without the megabytes of `hashlib`."""
    number = _FNV_OFFSET
    for byte in raw:
        number = (number ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return number


def _namespace(kind: str) -> bytes:
    try:
        return os.readlink(b"/proc/self/ns/" + kind.encode())
    except OSError:
        return b""
