"""Checks by a command.

It runs in the app's folder with the environment of the worker that it is about, as far as the
kernel shows it, so that ``PORT``, ``MONIT_INSTANCE``, ``MONIT_PID`` and the app's own variables are
set. Its output is read and dropped but for its end: the last line is the reason of a failure.
"""

import os
from collections.abc import Mapping, Sequence

from monit_agent.agent.child_program import (
    CannotRunError,
    ChildProgram,
    outcome_text,
    run_child,
)
from monit_agent.agent.health.check_user import CheckUser
from monit_agent.agent.health.http_check import CheckResult, NoResult
from monit_agent.agent.user_database import NoAnswerError
from monit_agent.system.procfs import environment_of
from monit_agent.system.users import BadUserError

_ONLY_FOR_WORKERS = (
    "MONIT_SHARE", "MONIT_SHARE_PORT", "MONIT_CHANNEL", "MONIT_ALONE",
    "MONIT_PROBE_SOCK", "MONIT_PROBE_NODE_SOCK", "MONIT_PROBE_REQUESTS",
    "NOTIFY_SOCKET", "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID",
    "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
)  # fmt: skip
"""What only the worker itself can use: descriptors, and sockets at which it would be a stranger."""


async def run_command_check(
    command: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    files: tuple[int, int],
    user: CheckUser,
) -> CheckResult:
    """Run ``command`` with the limit of descriptors ``files`` as user and group of the workers,
    and return how it ended."""
    try:
        code, tail = await run_child(ChildProgram(command, cwd, env, files, run_as=user.run_as()))
    except (CannotRunError, BadUserError) as error:
        return CheckResult(ok=False, text=str(error))
    except NoAnswerError as error:
        return NoResult(ok=False, text=str(error))
    return CheckResult(ok=code == 0, text=outcome_text(code, tail))


def environment_of_worker(
    pid: int, instance: int, port: int | None, *, hidden: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment for a check of worker ``pid``; ``hidden`` is used in the place of one
    that the kernel does not show."""
    raw = environment_of(pid) or {}
    env = {os.fsdecode(name): os.fsdecode(value) for name, value in raw.items()}
    env = env or dict(hidden)  # a worker that changed its user shows nothing
    if port is not None:
        env.setdefault("PORT", str(port))
    env |= {"MONIT_PROBE": "0", "MONIT_INSTANCE": str(instance), "MONIT_PID": str(pid)}
    return {name: value for name, value in env.items() if name not in _ONLY_FOR_WORKERS}
