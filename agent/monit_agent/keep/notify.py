"""``notify.sock``: where workers say ``READY=1``, as sd_notify(3) has it."""

import _socket as socket
import os
import struct
from collections.abc import Callable

from monit_agent.keep.loop import Loop

_CREDENTIALS = struct.Struct("3i")
_MESSAGE_BYTES = 4096
_ROUND_MESSAGES = 64


class Notify:
    """Calls ``ready(pid)`` for each ``READY=1``; the kernel vouches for the pid."""

    def __init__(self, loop: Loop, path: str, ready: Callable[[int], None]) -> None:
        self._ready = ready
        if os.path.lexists(path):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(path)
        self._socket.setblocking(False)
        loop.watch(self._socket.fileno(), self._read)

    def _read(self, _events: int) -> None:
        for _ in range(_ROUND_MESSAGES):
            try:
                text, extra, _, _ = self._socket.recvmsg(
                    _MESSAGE_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size)
                )
            except OSError:
                return
            sender = _sender(extra)
            if sender is not None and b"READY=1" in text.split(b"\n"):
                self._ready(sender)


def _sender(extra: list[tuple[int, int, bytes]]) -> int | None:
    """Give the pid that the kernel wrote on a message."""
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return _CREDENTIALS.unpack_from(data)[0]
    return None
