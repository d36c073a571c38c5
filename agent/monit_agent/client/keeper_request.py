"""One request to a keeper itself, for what must work also without its agent.

All else goes through the agent. The keeper's socket and its lines of JSON are those of
``agent/PROTOCOL.md``.
"""

import json
import os
import socket
from typing import Any, cast

from monit_agent.system.claim import claim_address
from monit_agent.system.sockets import is_own_user
from monit_agent.wire.paths import AppPaths

ANSWER_S = 10.0
"""A keeper answers within milliseconds; a busy machine needs more."""
_READ_BYTES = 65536


class SilentKeeperError(ConnectionError):
    """A keeper does not answer; the text says in which way."""


class NoKeeperError(SilentKeeperError):
    """No keeper of this user runs."""


def request_keeper(
    paths: AppPaths, do: str, timeout_s: float = ANSWER_S, **fields: object
) -> dict[str, Any]:
    """Send a request and return its answer. Raise `SilentKeeperError` when there is none within
    ``timeout_s``, `NoKeeperError` when no keeper runs."""
    with _connected(paths) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.sendall(json.dumps({"id": 1, "do": do, **fields}).encode() + b"\n")
            return _read_answer(sock)
        except TimeoutError as error:
            raise SilentKeeperError(f"its keeper did not answer within {timeout_s:g} s") from error
        except (OSError, ValueError) as error:
            raise SilentKeeperError(f"its keeper broke the connection off: {error}") from error


def _connected(paths: AppPaths) -> socket.socket:
    """Return a connection. The abstract socket is there also while somebody has removed the file of
    the other one."""
    for address in (paths.keeper, claim_address(paths.folder)):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(address)
            if is_own_user(cast("Any", sock)):
                return sock
        except OSError:
            sock.close()
            continue
        sock.close()
    raise NoKeeperError("its keeper is not running")


def _read_answer(sock: socket.socket) -> dict[str, Any]:
    received = bytearray()
    while b"\n" not in received:
        part = sock.recv(_READ_BYTES)
        if not part:
            raise ConnectionError("the connection ended before the answer")
        received += part
    answer: Any = json.loads(received[: received.index(b"\n")])
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")  # noqa: TRY004  as broken JSON
    return cast("dict[str, Any]", answer)


def requester_text() -> str:
    """Return who sends a request, as the agent would write it."""
    import pwd  # noqa: PLC0415 — only for the verbs that ask keepers

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}:{os.getpid()}"
