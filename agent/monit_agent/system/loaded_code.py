"""Whether the files that this process was loaded from are still the installed ones."""

import os
import sys

from monit_agent.system.suppress import suppress


def code_on_disk() -> dict[str, tuple[int, int]]:
    """Return what changes when the interpreter, or a file of our package that this process has
    loaded, is replaced."""
    found: dict[str, tuple[int, int]] = {}
    ours = [
        getattr(module, "__file__", None)
        for name, module in list(sys.modules.items())
        if name.startswith("monit_agent")
    ]
    for path in (sys.executable, *ours):
        if path is not None:
            with suppress(OSError):
                status = os.stat(path)
                found[path] = status.st_ino, status.st_mtime_ns
    return found
