"""What ``ps`` shows for this process."""

import contextlib
import os

from monit_agent.os_text import escape_bytes

# The title must not grow into the environment, where processes of a home are recognised. This is
# read once, at the first call; a longer title is cut where the command line ended.
os.environ["SPT_NOENV"] = "1"

import setproctitle

with contextlib.suppress(UnicodeDecodeError):  # the command line has other bytes; it was read
    setproctitle.getproctitle()
del os.environ["SPT_NOENV"]


def set_process_title(program: str, argument: str) -> None:
    """Show ``program argument`` as the command line, and ``program`` as the name.

    A forked process would pass for its parent otherwise.
    """
    setproctitle.setproctitle(escape_bytes(f"{program} {argument}"))
    setproctitle.setthreadtitle(program)
