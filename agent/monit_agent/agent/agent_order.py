"""What a process needs to know to be the agent of an app: its folder, and its surroundings.

The first agent of a home has that from its command line and from the system. Those that join a
process get it in a file from the app's keeper (``keeper/agent/zygote_client.py``): folder, limits
of descriptors, ``alone`` or nothing, environment, each ended by a NUL.
"""

import os
import resource
from collections.abc import Mapping

from monit_agent.typed import NamedTuple
from monit_agent.wire.paths import home_of

ORDER_BYTES = 8 << 20
"""More than any environment that Linux allows a process."""


class Surroundings(NamedTuple):
    """What the programs get that an agent starts for its app: the environment of the app's keeper,
    and the limit of descriptors, soft and hard.

    Agents that share a process have these of their own, and the process has others.
    """

    env: Mapping[str, str]
    files: tuple[int, int]


class AgentOrder(NamedTuple):
    """One agent that is to be started."""

    folder: str
    surroundings: Surroundings
    alone: bool = False
    """Whether it must not share its process."""


def own_order(folder: str, *, alone: bool) -> AgentOrder:
    """Return the order of an agent with the surroundings of this process."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return AgentOrder(folder, Surroundings(dict(os.environ), files), alone)


def read_order(fd: int, home: str) -> AgentOrder:
    """Return the order in an open file; raise ValueError for anything else, or for another home,
    and OSError."""
    folder, limits, alone, *pairs = os.pread(fd, ORDER_BYTES, 0).split(b"\0")[:-1]
    soft, hard = (int(word) for word in limits.split())
    env = dict(os.fsdecode(pair).split("=", 1) for pair in pairs)
    path = os.fsdecode(folder)
    if home_of(path) != home:
        raise ValueError(f"{path} is not below {home}")
    return AgentOrder(path, Surroundings(env, (soft, hard)), alone == b"alone")
