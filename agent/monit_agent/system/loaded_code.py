"""Whether the files that this process was loaded from, or is to load, are still the same."""

import os
import sys
from collections.abc import Iterable, Iterator

from monit_agent.system.suppress import suppress

Code = dict[str, tuple[int, int]]
"""Inode and time of the last change by path."""


def code_on_disk() -> Code:
    """Return what changes when the interpreter, or a file of our package that this process has
    loaded, is replaced."""
    ours = [
        getattr(module, "__file__", None)
        for name, module in list(sys.modules.items())
        if name.startswith("monit_agent")
    ]
    return _code(path for path in (sys.executable, *ours) if path is not None)


def code_in(*folders: str) -> Code:
    """Return what changes when a Python file in one of these folders, or below, is replaced, added
    or removed. It takes 1 ms for 200 files."""
    return _code(path for folder in folders for path in _sources(folder))


def _code(paths: Iterable[str]) -> Code:
    found: Code = {}
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)
            found[path] = status.st_ino, status.st_mtime_ns
    return found


def _sources(folder: str) -> Iterator[str]:
    for below, _, names in os.walk(folder):
        yield from (os.path.join(below, name) for name in names if name.endswith(".py"))
