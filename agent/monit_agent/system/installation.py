"""Where the installed monit is: an interpreter, and the folder with our package.

Files change under processes that run for months. An upgrade replaces the package in its place, a
new minor version of Python moves it to another ``lib/pythonX.Y``, and a reinstall by pipx or uv
removes the interpreter that a keeper was started with (pypa/pipx#1602, #1614). Then it is looked
up again, by reading folders only: a keeper cannot wait for another program.
"""

import os
import sys

from monit_agent.system.suppress import suppress
from monit_agent.typed import NamedTuple

_PACKAGES = ("site-packages", "dist-packages")
_MAIN = os.path.join("monit_agent", "keeper", "__main__.py")
_FOLDERS = ("~/.local/bin", "/usr/local/bin", "/usr/bin")
_FIRST_LINE_BYTES = 512


class Installation(NamedTuple):
    """``python`` runs it; the folder ``package`` holds the folder ``keeper`` and the others."""

    python: str
    package: str


def own_installation() -> Installation:
    """Return the one that this process runs from, which may be gone."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return Installation(sys.executable, here)


def is_there(one: Installation) -> bool:
    """Return whether it can start processes."""
    main = os.path.join(os.path.dirname(one.package), _MAIN)
    return os.access(one.python, os.X_OK) and os.path.isfile(main)


def find_installation(gone: Installation, search_path: str) -> Installation | None:
    """Return what took the place of an installation that is gone; None when nothing did.

    It is looked for beside the old interpreter (another minor version in the same environment), and
    where the command ``monit`` is found: its first line names the interpreter.
    """
    folder = os.path.dirname(gone.python)
    beside = [gone.python, *(os.path.join(folder, name) for name in ("python3", "python"))]
    folders = [*search_path.split(":"), *(os.path.expanduser(each) for each in _FOLDERS)]
    commands = (_interpreter_of(os.path.join(each, "monit")) for each in folders if each)
    for python in (*beside, *commands):
        found = _installation_of(python) if python else None
        if found is not None:
            return found
    return None


def _interpreter_of(script: str) -> str | None:
    """Return the interpreter in the first line of a script."""
    with suppress(OSError), open(script, "rb") as file:
        line = file.read(_FIRST_LINE_BYTES).split(b"\n")[0]
        if line.startswith(b"#!/"):
            return os.fsdecode(line[2:].strip().split(b" ")[0])
    return None


def _installation_of(python: str) -> Installation | None:
    if not os.access(python, os.X_OK):
        return None
    library = os.path.join(os.path.dirname(os.path.dirname(python)), "lib")
    versions: list[str] = []
    with suppress(OSError):
        versions = [name for name in os.listdir(library) if name.startswith("python3")]
    for version in sorted(versions, key=_number, reverse=True):
        for packages in _PACKAGES:
            package = os.path.join(library, version, packages, "monit_agent")
            if is_there(Installation(python, package)):
                return Installation(python, package)
    return None


def _number(name: str) -> int:
    minor = name.rpartition(".")[2]
    return int(minor) if minor.isdigit() else -1
