"""The name that the command was called by: ``pmonit`` where another program is called monit."""

import os
import sys

NAMES = ("monit", "pmonit")
"""The names that are installed. Debian has another program called monit."""

_NAME = r"(?<![\w./$@\[-])monit(?![\w./\]-])"
"""The word alone: no path, no file name, no table of a config file."""


def command_name() -> str:
    """Return the name by which this process was called, ``monit`` if by none of the two."""
    called = os.path.basename(sys.argv[0])
    return called if called in NAMES else NAMES[0]


def with_own_name(text: str) -> str:
    """Return a text for people that names the command as it was called."""
    name = command_name()
    if name == NAMES[0]:
        return text
    import re  # noqa: PLC0415 — only for the other name

    return re.sub(_NAME, name, text)
