"""``python -I -S …/monit_agent/keep/__main__.py FOLDER``: one app's keeper."""

import os
import sys

OURS = ("MONIT_APP", "MONIT_INSTANCE", "MONIT_PID")


def _close_the_rest() -> None:
    """Close what the caller forgot to: workers must not inherit it."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2:
            try:
                os.close(fd)
            except OSError:
                continue  # the one that listed them


if __name__ == "__main__":
    if any(name in os.environ for name in OURS):
        # started from inside a worker: with its marks we would be taken for a part of it
        for name in OURS:
            os.environ.pop(name, None)
        os.execv(sys.executable, sys.orig_argv)
    _close_the_rest()
    # isolated, so that no package but ours and the standard library can be found
    sys.path[0:0] = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]
    from monit_agent.keep.startup import run

    run()
