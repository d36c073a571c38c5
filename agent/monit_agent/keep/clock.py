"""Both clocks, read at once."""

import time

from monit_agent.supervise.state import Now


def now() -> Now:
    """Give this moment."""
    return Now(time.monotonic(), time.time())
