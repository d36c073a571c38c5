"""Whether the limit of descriptors has room for more instances."""

import resource

from monit_agent.supervise.spec import AppSpec, has_node_channel
from monit_agent.system.memory.shortage import open_descriptors

_EACH = 7
"""Two pipes, two logs, two indexes, and what a worker reports errors through."""
_CHANNEL = 2
_RESERVED = 20
"""For the agent's start, clients, replacements and shared ports."""


def missing_room(spec: AppSpec, count: int) -> str | None:
    """Return why ``count`` more instances have no room, for a person; None when they have."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    each = _EACH + (_CHANNEL if has_node_channel(spec) else 0)
    needed = open_descriptors() + each * count + _RESERVED
    if count <= 0 or limit == resource.RLIM_INFINITY or needed <= limit:
        return None
    return (
        f"{count} more instances of {spec.name} need {needed} open files, and the limit is "
        f"{limit}: {needed - limit} are missing. Raise the limit, with ulimit -n {needed} in the "
        "shell that starts the app, or start fewer instances"
    )
