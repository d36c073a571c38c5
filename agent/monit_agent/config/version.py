"""The version of an app: from the nearest package.json or pyproject.toml."""

import os
from collections.abc import Callable
from typing import Any

LEVELS = 8
"""Folders to search upwards: enough for ``packages/api/src/bin``, too few to reach a file that has
nothing to do with the app."""

_FILE_MAX_BYTES = 1024 * 1024
_SHOWN_MAX = 64


def nearest_version(folder: str) -> str | None:
    """Return the version in the nearest package.json or pyproject.toml at or above ``folder``.

    The search ends at a repository's root, below the user's home and after `LEVELS` folders.
    A file that cannot be read or has no version gives None: the version is only shown.
    """
    home = os.path.expanduser("~")
    for _ in range(LEVELS):
        for name, read in (("package.json", _of_package), ("pyproject.toml", _of_pyproject)):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return _clean(read, path)
        parent = os.path.dirname(folder)
        if parent in (folder, home) or os.path.exists(os.path.join(folder, ".git")):
            return None
        folder = parent
    return None


def _clean(read: Callable[[bytes], Any], path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            version = read(file.read(_FILE_MAX_BYTES))
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(version, str) or not version.isprintable():
        return None
    return version[:_SHOWN_MAX] or None


def _of_package(raw: bytes) -> Any:
    import json  # noqa: PLC0415 — only when there is such a file

    return json.loads(raw).get("version")


def _of_pyproject(raw: bytes) -> Any:
    import tomllib  # noqa: PLC0415 — only when there is such a file

    plain = tomllib.loads(raw.decode())
    return plain.get("project", {}).get("version") or plain.get("tool", {}).get("poetry", {}).get(
        "version"
    )
