"""``notify.sock``: where workers report ``READY=1`` and ``MAINPID=``, as in sd_notify(3)."""

from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.socket_file import SocketFile, SocketKind
from monit_agent.keeper.upgrade.inherited import NOTHING_INHERITED, Inherited
from monit_agent.system.sockets import CREDENTIALS_SPACE, sender_pid, socket

_MESSAGE_BYTES = 4096
_ROUND_MESSAGES = 64


class Notify:
    """Calls ``ready(pid)`` for each ``READY=1`` and ``announced(pid, main)`` for each ``MAINPID=``;
    ``pid`` is the sender's and comes from the kernel."""

    def __init__(
        self,
        loop: Loop,
        path: str,
        ready: Callable[[int], None],
        announced: Callable[[int, int], None],
        inherited: Inherited = NOTHING_INHERITED,
    ) -> None:
        self._ready = ready
        self._announced = announced
        self.file = SocketFile(
            loop,
            path,
            SocketKind(),
            self._read,
            inherited=inherited,
            given=inherited.part("notify"),
        )

    def read(self) -> None:
        """Read what has arrived."""
        if self.file.socket is not None:
            self._read(self.file.socket)

    def _read(self, sock: socket.socket) -> None:
        for _ in range(_ROUND_MESSAGES):
            try:
                text, extra, _, _ = sock.recvmsg(_MESSAGE_BYTES, CREDENTIALS_SPACE)
            except OSError:
                return
            sender = sender_pid(extra)
            if sender is None:
                continue
            lines = text.split(b"\n")
            # first, so that the report that it is ready counts for the new main process
            for line in lines:
                name, _, value = line.partition(b"=")
                if name == b"MAINPID" and value.isdigit():
                    self._announced(sender, int(value))
            if b"READY=1" in lines:
                self._ready(sender)
