"""Whether a process notices changed files."""

import contextlib
from pathlib import Path


def watches_files(pid: int) -> bool:
    """Return whether the kernel reports changed files to a process."""
    with contextlib.suppress(FileNotFoundError):  # a descriptor was closed meanwhile
        for descriptor in Path(f"/proc/{pid}/fdinfo").iterdir():
            if "inotify wd" in descriptor.read_text():
                return True
    return False
