"""py-spy, where it is installed: it reads a Python process from outside.

So it also sees what keeps the GIL, which a thread inside the process cannot. Linux lets it read the
processes of other users, and often also those of the same user, only with CAP_SYS_PTRACE.
"""

import asyncio
import math
import os
import sys

from monit_agent.agent.agent_order import Surroundings
from monit_agent.agent.child_program import (
    CannotRunError,
    ChildProgram,
    outcome_text,
    run_child,
)
from monit_agent.wire.limits import PY_SPY_HZ

EXTRA_S = 20.0
"""Time that it may take beyond the profile, to read the symbols of a large program."""


class PySpyError(Exception):
    """py-spy made no profile; the message says why."""


def find_py_spy(path: str | None = None) -> str | None:
    """Return the path of py-spy, on ``path``, by default that of this process, or beside our
    interpreter; None without one."""
    import shutil  # noqa: PLC0415 (0.3 MB, and few agents make profiles)

    beside = os.path.join(os.path.dirname(sys.executable), "py-spy")
    return shutil.which("py-spy", path=path) or (beside if os.access(beside, os.X_OK) else None)


async def record(
    program: str, pid: int, seconds: float, path: str, surroundings: Surroundings
) -> float:
    """Let py-spy write collapsed stacks of a process to ``path``. Return for how many seconds: it
    knows whole ones only. Raise `PySpyError`."""
    whole_s = max(1, math.ceil(seconds))
    command = (
        program, "record", "--pid", str(pid), "--duration", str(whole_s),
        "--rate", str(PY_SPY_HZ), "--format", "raw", "--output", path,
    )  # fmt: skip
    child = ChildProgram(command, "/", *surroundings)
    try:
        async with asyncio.timeout(seconds + EXTRA_S):
            code, tail = await run_child(child)
    except TimeoutError as error:
        raise PySpyError(f"py-spy took more than {seconds + EXTRA_S:g} s") from error
    except CannotRunError as error:
        raise PySpyError(str(error)) from error
    if code != 0:
        raise PySpyError(f"py-spy: {outcome_text(code, tail)}")
    return float(whole_s)
