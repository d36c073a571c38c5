"""``python -I -S …/monit_agent/keeper/__main__.py FOLDER``: one app's keeper.

With ``--resume FD`` or ``--rehearse FD`` it continues, or shows that it can, where a keeper of
another version stopped in the same process; see ``keeper/upgrade``.
"""

import os
import stat
import sys

OURS = ("MONIT_APP", "MONIT_INSTANCE", "MONIT_PID")


def _close_the_rest() -> None:
    """Close all descriptors but the standard ones, because workers must not inherit them. Sockets
    stay for `Ports`: an agent passes on those that it holds for the app."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and not stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.close(fd)
        except OSError:
            continue  # the one that lists them


if __name__ == "__main__":
    if any(name in os.environ for name in OURS):
        # started from inside a worker: with its variables we would be taken for a part of it
        for name in OURS:
            os.environ.pop(name, None)
        os.execv(sys.executable, sys.orig_argv)
    if len(sys.argv) == 2:
        _close_the_rest()
    # isolated, so that no package but ours and the standard library can be found
    sys.path[0:0] = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]
    from monit_agent.keeper.startup import run

    run()
