"""Sockets by `_socket`, which costs the keeper 0.4 MB less than `socket`, and who is behind them.

`_socket` is private to Python, so it is tried at import: where it does anything unexpected,
`socket` is used.
"""

import array
import errno
import os
import struct

from monit_agent.system.memory.shortage import (
    SHORT_OF_DESCRIPTORS,
    hold_spare,
    spare_left,
    with_spare,
)
from monit_agent.typed import TYPE_CHECKING, Any

_CREDENTIALS = struct.Struct("3i")
"""pid, uid, gid."""

UNKNOWN_PID = 0
"""The pid of a listener whose backlog is full."""


def accept_fd(listener: "socket.socket") -> int:
    """Accept a connection and return its descriptor, which is not inheritable. Raise OSError.

    Where descriptors are short, one is closed at once rather than never accepted: until it is, the
    listener stays ready, and a loop would call for ever.
    """
    try:
        return _accept(listener)
    except OSError as error:
        if error.errno not in SHORT_OF_DESCRIPTORS:
            raise
    fd: int = with_spare(_accept, listener)
    if spare_left():
        return fd
    os.close(fd)
    hold_spare()
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def peer_pid(sock: "socket.socket") -> int:
    """Return the pid of the process that connected."""
    return peer_credentials(sock)[0]


def peer_credentials(sock: "socket.socket") -> tuple[int, int, int]:
    """Return pid, uid and gid of the process that connected."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(raw)


def is_own_user(sock: "socket.socket") -> bool:
    """Return whether the process at the other end belongs to our user, or to root."""
    return peer_credentials(sock)[1] in (os.getuid(), 0)


def listening_pid(address: str | bytes, user: int | None = None) -> int | None:
    """Return the pid of the process that listens on a Unix socket, if it belongs to ``user``, by
    default ours; None without one, and `UNKNOWN_PID` when it is too busy to be asked."""
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        caller.setblocking(False)
        caller.connect(address)
        pid, uid, _ = peer_credentials(caller)
    except OSError as error:
        return UNKNOWN_PID if error.errno == errno.EAGAIN else None
    finally:
        caller.close()
    return pid if uid == (os.getuid() if user is None else user) else None


def sender_pid(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """Return the pid that the kernel attached to a datagram; None when it attached none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return _CREDENTIALS.unpack_from(data)[0]
    return None


def hand_over(sock: "socket.socket", data: bytes, *fds: int) -> int:
    """Send ``data`` with descriptors and return how much was sent; raise OSError as `sendmsg`."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
    return sock.sendmsg([data], [rights] if fds else [])


def received_fds(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors that came with a message; the caller closes them."""
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def _private_accept(listener: Any) -> int:
    return listener._accept()[0]  # noqa: SLF001  what `socket.socket.accept` calls


def _public_accept(listener: Any) -> int:
    return listener.accept()[0].detach()


def _private_module() -> Any:
    import _socket  # noqa: PLC0415  private: its absence is one of the errors

    listener, client = _socket.socket(_socket.AF_UNIX), _socket.socket(_socket.AF_UNIX)
    listener.bind("")  # an address that the kernel chooses
    listener.listen(1)
    client.connect(listener.getsockname())
    fd = _private_accept(listener)
    inheritable = os.get_inheritable(fd)
    server = _socket.socket(fileno=fd)
    server.setblocking(False)
    client.sendmsg([b"a"])
    received = server.recvmsg(1, _socket.CMSG_SPACE(_CREDENTIALS.size))[0]
    for sock in (listener, client, server):
        sock.close()
    if inheritable or received != b"a":
        raise ValueError("a connection does not behave as expected")
    return _socket


if TYPE_CHECKING:
    import _socket as socket

    _accept = _private_accept
else:
    try:
        socket, _accept = _private_module(), _private_accept
    except Exception:  # noqa: BLE001  border: whatever the private functions do now
        import socket

        _accept = _public_accept

CREDENTIALS_SPACE = socket.CMSG_SPACE(_CREDENTIALS.size)
"""Space for the ancillary data of `sender_pid`, where ``SO_PASSCRED`` is set."""
