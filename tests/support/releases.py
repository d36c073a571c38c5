"""Other releases of monit: copies of its package with another version."""

import shutil
import sys
from pathlib import Path

import monit_agent
from monit_agent.system.installation import Installation

SOURCE = Path(monit_agent.__file__).parent


def release(
    folder: Path, version: str, *changes: tuple[str, str, str], python: str | None = None
) -> Installation:
    """Copy the package to ``folder`` as release ``version``; ``changes`` are file, old text and new
    text. With its bytecode, as an installer compiles it."""
    package = folder / "monit_agent"
    shutil.copytree(SOURCE, package)
    for file, old, new in (("__init__.py", monit_agent.__version__, version), *changes):
        path = package / file
        text = path.read_text()
        assert old in text, f"{file} does not have {old!r}"
        path.write_text(text.replace(old, new))
    return Installation(python or sys.executable, str(package))
