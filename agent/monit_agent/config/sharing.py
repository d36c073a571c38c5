"""Whether the workers of an app share their ports: ``mode``."""

import os
import re

from monit_agent.supervise.spec import NODES

_PYTHON = re.compile(r"(python|pypy)[0-9.]*")
_SHEBANG_BYTES = 200


def mode_of(
    argv: tuple[str, ...], instances: int, port: int | None, *, counts: bool = False
) -> str:
    """Give ``cluster`` or ``fork`` for what is run as ``argv``.

    Several instances, or a port that was named, of a program that can take a socket from us: Node
    itself, and whatever is run by Python. All else sees to its ports itself, as ever, and so do
    instances that each get a number of their own (``counts``).
    """
    wanted = (instances > 1 or port is not None) and not counts
    return "cluster" if wanted and (_is_node(argv[0]) or _is_python(argv[0])) else "fork"


def _is_node(program: str) -> bool:
    return os.path.basename(program) in NODES


def _is_python(program: str) -> bool:
    """Tell whether the program is a Python, or a script that one runs (``uvicorn``)."""
    if _PYTHON.fullmatch(os.path.basename(program)):
        return True
    try:
        with open(program, "rb") as file:
            first = file.read(_SHEBANG_BYTES).split(b"\n", 1)[0]
    except OSError:
        return False
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    names = [os.path.basename(word) for word in words[:2]]
    return any(_PYTHON.fullmatch(name) for name in names)
