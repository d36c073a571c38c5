"""The journal of systemd as the place of a stream: each line is a message with fields.

By the native protocol of journald: a datagram of fields, or, where that is too large for one, the
descriptor of a sealed memory file with the same contents. While the journal cannot take a line,
that line and those behind it wait, as for a file that cannot be written (`LogPipe`).
"""

import array
import errno
import fcntl
import os
import time

from monit_agent.keeper.logs.discarded import DiscardedOutput
from monit_agent.keeper.logs.file import LINE_BYTES
from monit_agent.keeper.logs.priority import priority_of
from monit_agent.system.sockets import socket
from monit_agent.wire.logfiles import StreamNames

JOURNAL = "/run/systemd/journal/socket"

STALLED_S = 5.0
"""journald takes messages within milliseconds, also while it writes to a slow disk. One that takes
none for so long is stopped: then lines are dropped and counted, rather than that workers wait."""

_READ_BYTES = 65536
_SEND_BYTES = 8 << 20
"""Size of the socket's buffer, as in sd_journal_send(3)."""
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_BUSY = (errno.EAGAIN, errno.ENOBUFS)
_LARGE = (errno.EMSGSIZE, errno.E2BIG)


class JournalOutput(DiscardedOutput):
    """A stream whose lines go to the journal, from the offset ``base`` on."""

    def __init__(
        self, names: StreamNames, base: int, fields: dict[str, str], path: str = JOURNAL
    ) -> None:
        """``fields`` go with each line; ``MONIT_STREAM`` is one of them."""
        super().__init__(names, base)
        self.target = f"to the journal ({path})"
        self._path = path
        self._is_err = fields["MONIT_STREAM"] == "err"
        self._fields = b"".join(
            b"%s=%s\n" % (name.encode(), value.encode()) for name, value in fields.items()
        )
        self._socket: socket.socket | None = None
        self._busy_since: float | None = None

    # ------------------------------------------------------------ as a file

    def open(self) -> None:
        """Connect; raise OSError."""
        self.repair()

    def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def repair(self) -> None:
        """Connect where there is no connection; raise OSError."""
        if self._socket is not None:
            return
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
            made.connect(self._path)
        except OSError:
            made.close()
            raise
        self._socket = made

    def has_room(self) -> bool:
        """Return whether the journal may take a line now."""
        return self._socket is not None

    def finish_line(self) -> None:
        """Send a last line that has no newline: what follows comes from another worker."""
        if self.unwritten and self.unwritten[-1:] != b"\n":
            self.unwritten += b"\n"
        self._send_lines()

    def move_from(self, pipe: int, most: int, wall_ns: int) -> int:  # noqa: ARG002
        """Read up to ``most`` bytes and send the lines that are complete; return how many bytes
        were read or sent. Raise BlockingIOError when there are none, another OSError when the
        journal cannot be reached."""
        taken = 0
        if b"\n" not in self.unwritten and len(self.unwritten) < LINE_BYTES:
            raw = os.read(pipe, min(most, _READ_BYTES))
            self.unwritten += raw
            taken = len(raw)
        return max(taken, self._send_lines())

    # ------------------------------------------------------------ sending

    def _send_lines(self) -> int:
        """Send what is complete; return how many bytes that was."""
        data, start = self.unwritten, 0
        try:
            while True:
                end = data.find(b"\n", start, start + LINE_BYTES)
                if end < 0 and len(data) - start < LINE_BYTES:
                    break
                divided = end < 0
                end = start + LINE_BYTES if divided else end
                if not self._send(data[start:end]):
                    break
                start = end if divided else end + 1
        finally:
            self.unwritten = data[start:]
            self._pass_by(data[:start])
        return start

    def _send(self, line: bytes) -> bool:
        """Send one line; return False when the journal is busy."""
        priority, text = priority_of(line, is_err=self._is_err)
        message = b"PRIORITY=%d\n%sMESSAGE=%s\n" % (priority, self._fields, text)
        try:
            self._send_message(message)
        except OSError as error:
            if error.errno not in _BUSY:
                self.close()
                raise
            self._note_busy()
            return False
        self.is_busy, self._busy_since = False, None
        return True

    def _send_message(self, message: bytes) -> None:
        self.repair()
        assert self._socket is not None  # noqa: S101 (for the type checker)
        try:
            self._socket.send(message, socket.MSG_NOSIGNAL)
        except OSError as error:
            if error.errno not in _LARGE:
                raise
            fd = _sealed(message)
            try:
                rights = array.array("i", [fd]).tobytes()
                self._socket.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            finally:
                os.close(fd)

    def _note_busy(self) -> None:
        now = time.monotonic()
        self.is_busy = True
        self._busy_since = self._busy_since or now
        if now - self._busy_since >= STALLED_S:
            raise OSError(errno.ETIMEDOUT, "it accepts nothing")


def journal_fields(app: str, instance: int, stream: str) -> dict[str, str]:
    """Return the fields by which a line is found in the journal."""
    return {
        "SYSLOG_IDENTIFIER": app,
        "MONIT_APP": app,
        "MONIT_INSTANCE": str(instance),
        "MONIT_STREAM": stream,
    }


def _sealed(message: bytes) -> int:
    """Return the descriptor of a memory file that nobody can change any more."""
    fd = os.memfd_create("monit-journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(message)
        while view:
            view = view[os.write(fd, view) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd
