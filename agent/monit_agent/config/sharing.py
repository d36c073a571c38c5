"""Whether the workers of an app share their ports: ``mode``."""

import os
import re

from monit_agent.config.errors import BadInputError
from monit_agent.supervise.spec import NODES
from monit_agent.wire.places import SOCKET_PATH_MAX

_PYTHON = re.compile(r"(python|pypy)[0-9.]*")
_SHEBANG_BYTES = 200
LISTEN_MAX = 32


def mode_of(
    argv: tuple[str, ...],
    instances: int,
    port: int | None,
    listen: tuple[str, ...] = (),
    *,
    counts: bool = False,
) -> str:
    """Give ``cluster`` or ``fork`` for what is run as ``argv``.

    Whatever inherits its sockets (``listen``) shares them.

    Several instances, or a port that was named, of a program that can take a socket from us: Node
    itself, and whatever is run by Python. All else sees to its ports itself, as ever, and so do
    instances that each get a number of their own (``counts``).
    """
    if listen:
        return "cluster"
    wanted = (instances > 1 or port is not None) and not counts
    return "cluster" if wanted and (_is_node(argv[0]) or _is_python(argv[0])) else "fork"


def absolute(listen: tuple[str, ...], cwd: str) -> tuple[str, ...]:
    """Give what `units.parse_listen` read, paths from the folder ``cwd``. Raises `BadInputError`
    for a path that no socket can have, and for what is said twice."""
    if len(listen) > LISTEN_MAX:
        raise BadInputError(f"--listen: at most {LISTEN_MAX} sockets")
    found: list[str] = []
    for text in listen:
        kind, colon, path = text.partition(":")
        if kind == "unix":
            path = os.path.normpath(os.path.join(cwd, os.path.expanduser(path)))
            if len(os.fsencode(path)) > SOCKET_PATH_MAX:
                raise BadInputError(
                    f"--listen {text}: {path} is too long, a socket's path has at most "
                    f"{SOCKET_PATH_MAX} bytes"
                )
            text = kind + colon + path  # noqa: PLW2901
        if text in found:
            raise BadInputError(f"--listen {text} is said twice")
        found.append(text)
    return tuple(found)


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
