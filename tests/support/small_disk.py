"""A file system that is full, or cannot be written. Needs root."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Take all bytes and all files that are left."""
        with open(self._filler, "ab", buffering=0) as file, contextlib.suppress(OSError):
            free_bytes = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
            os.posix_fallocate(file.fileno(), 0, free_bytes)
            while True:
                file.write(b"\0" * 4096)

    def use_up_files(self) -> None:
        """Take all files that are left, and no bytes."""
        with contextlib.suppress(OSError):
            for number in range(100_000):
                (self.folder / f"filler.{number}").touch()
        assert os.statvfs(self.folder).f_ffree == 0

    def free(self) -> None:
        """Give back what was taken."""
        for file in self.folder.glob("filler*"):
            file.unlink()

    def make_read_only(self) -> None:
        """Let no file be opened for writing any more; those that are open stay writable."""
        # made elsewhere: a file that is just opened at the folder would keep it writable
        with tempfile.TemporaryDirectory() as elsewhere:
            _mount("--bind", str(self.folder), elsewhere)
            _mount("-o", "remount,bind,ro", elsewhere)
            _mount("--bind", elsewhere, str(self.folder))
            subprocess.run(["umount", "--lazy", elsewhere], check=True)

    def make_writable(self) -> None:
        """Undo `make_read_only`."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount a tmpfs of 4 MB and 400 files at ``folder``; skip the test where that is impossible."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a file system")
    try:
        mount_small_disk(folder, "size=4M,nr_inodes=400")
    except subprocess.CalledProcessError:
        pytest.skip("no file system can be mounted here")
    try:
        yield SmallDisk(folder)
    finally:
        while os.path.ismount(folder):  # twice where the test failed while it was read-only
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount_small_disk(folder: Path, size: str) -> None:
    """Mount a tmpfs of this ``size``, in the words of mount(8); raise CalledProcessError."""
    _mount("-t", "tmpfs", "-o", f"{size},mode=0700", "tmpfs", str(folder))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)
