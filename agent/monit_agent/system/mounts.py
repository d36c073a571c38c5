"""Which paths lie on a file system that may never answer: of another machine (NFS, CIFS), of a
process (FUSE), or one that is mounted on use (autofs).

Every call for such a path can block for as long as the other side is silent, also `os.stat`. So
this reads `/proc` and follows symbolic links itself, and never looks into such a file system.
"""

import os

from monit_agent.system import procfs

_OWN_TYPES = frozenset((
    b"ext2", b"ext3", b"ext4", b"xfs", b"btrfs", b"bcachefs", b"zfs", b"f2fs", b"jfs", b"reiserfs",
    b"tmpfs", b"ramfs", b"rootfs", b"overlay", b"aufs", b"squashfs", b"erofs", b"iso9660", b"udf",
    b"vfat", b"exfat", b"msdos", b"ntfs3", b"hfsplus", b"proc", b"sysfs", b"devtmpfs", b"devpts",
    b"cgroup", b"cgroup2", b"mqueue", b"hugetlbfs", b"debugfs", b"tracefs", b"securityfs",
    b"pstore", b"bpf", b"configfs", b"fusectl", b"binfmt_misc", b"nsfs", b"efivarfs",
    b"selinuxfs", b"rpc_pipefs",
))  # fmt: skip
"""Types that this machine answers for by itself. An unknown one may wait."""

_LINKS = 40
"""The kernel follows as many."""


def waiting_mounts() -> frozenset[str]:
    """Return where file systems are mounted that may never answer; none where the kernel does not
    say."""
    raw = procfs.read_file("/proc/self/mountinfo") or b""
    found: set[str] = set()
    for line in raw.splitlines():
        before, _, after = line.partition(b" - ")
        words = before.split(b" ")
        if len(words) > 4 and after.split(b" ")[0] not in _OWN_TYPES:
            found.add(os.fsdecode(_without_escapes(words[4])))
    return frozenset(found)


def mount_of(path: str, mounts: frozenset[str]) -> str | None:
    """Return the first of ``mounts`` that a look at an absolute ``path`` would enter; None if it
    enters none. Nothing in them is looked at."""
    if "/" in mounts:
        return "/"
    parts, at, links = path.split("/")[::-1], "/", 0
    while mounts and parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            at = os.path.dirname(at)
            continue
        folder, at = at, os.path.join(at, part)
        if at in mounts:
            return at
        try:
            target = os.readlink(at)
        except OSError:  # no link, or nothing is there
            continue
        links += 1
        if links > _LINKS:
            return None
        at = "/" if target.startswith("/") else folder
        parts += target.split("/")[::-1]
    return None


def waiting_mount(*paths: str) -> str | None:
    """Return a mount point that one of these absolute paths enters and that may never answer; None
    if there is none."""
    mounts = waiting_mounts()
    return next((found for path in paths if (found := mount_of(path, mounts))), None)


def _without_escapes(name: bytes) -> bytes:
    r"""Return a mount point as it is: the kernel writes a space as ``\040``."""
    if b"\\" not in name:
        return name
    first, *rest = name.split(b"\\")
    return first + b"".join(bytes([int(each[:3], 8)]) + each[3:] for each in rest)
