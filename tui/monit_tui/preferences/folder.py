"""Where the user's files of the screen are."""

import os
from collections.abc import Mapping


def config_folder(environ: Mapping[str, str]) -> str:
    """Return the folder of the user's files: ``$XDG_CONFIG_HOME/monit``, or ``~/.config/monit``."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # as the specification says of relative ones
        base = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "monit")
