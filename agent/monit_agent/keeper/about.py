"""What a keeper tells about itself."""

import os
import resource
import sys

from monit_agent import __version__
from monit_agent.keeper.keeper import Keeper
from monit_agent.system.installation import own_installation
from monit_agent.system.memory.shortage import open_descriptors
from monit_agent.typed import Any
from monit_agent.wire.limits import PROTOCOL_VERSION


def greeting(keeper: Keeper) -> dict[str, Any]:
    """Return the answer to ``hello``."""
    return {"snapshot": keeper.snapshot(), "version": __version__, "protocol": PROTOCOL_VERSION}


def about(keeper: Keeper) -> dict[str, Any]:
    """Return the answer to ``version``: what this process is, where it runs from, what it lacks."""
    python, package = own_installation()
    return {
        "version": __version__,
        "protocol": PROTOCOL_VERSION,
        "pid": os.getpid(),
        "python": python,
        "python_version": sys.version.split()[0],
        "package": package,
        "agent_pid": keeper.agent.pid,
        "agent_version": keeper.agent.version,
        "problems": keeper.problems(),
        "descriptors": open_descriptors(),
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }
