"""The programs that tests put under monit or the probe: files in ``tests/programs``."""

from pathlib import Path

PROGRAMS = Path(__file__).parent.parent / "programs"


def program(name: str) -> str:
    """Return the text of a program, such as ``servers/asgi.py``."""
    return (PROGRAMS / name).read_text()
