"""``monit boot``, as commands use it: they let it start keepers, so that these lie in its unit."""

import array
import contextlib
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any, cast

from monit_agent.system import jsonline
from monit_agent.wire.boot import REQUEST_BYTES
from monit_agent.wire.paths import boot_socket

ANSWER_WITHIN_S = 10.0
"""It answers within milliseconds, but not while it starts a hundred keepers."""


def ask_boot(
    home: str, request: dict[str, Any], fds: Sequence[int] = (), user: int | None = None
) -> dict[str, Any] | None:
    """Return the answer of the home's ``monit boot``; None where none runs or it does not answer.

    It must belong to ``user``, by default ours.
    """
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as sock:
        sock.settimeout(ANSWER_WITHIN_S)
        try:
            sock.connect(boot_socket(home))
            if _peer_user(sock) != (os.getuid() if user is None else user):
                return None
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            sock.sendmsg([jsonline.dump(request)], rights)
            answer: Any = jsonline.load(sock.recv(REQUEST_BYTES))
        except (OSError, ValueError):
            return None
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else None


def boot_pid(home: str, user: int | None = None) -> int | None:
    """Return the pid of the home's ``monit boot``; None where none runs."""
    answer = ask_boot(home, {"do": "hello"}, user=user)
    pid = answer.get("pid") if answer else None
    return pid if isinstance(pid, int) else None


def _peer_user(sock: socket.socket) -> int:
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", raw)[1]
