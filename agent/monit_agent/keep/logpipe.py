"""One stream of one instance: the named pipe that its workers print into, and its file."""

import errno
import fcntl
import os
import stat as modes

from monit_agent.keep.lenient import suppress
from monit_agent.keep.logfile import LogFile

PIPE_BYTES = 1 << 20
"""So much may be printed while the keeper is away or busy before a worker waits."""
ROUND_BYTES = 1 << 20
RETRY_S = 2.0
_LOOK_S = 1.0
_DRAIN_ROUNDS = 8
_SCRAP_BYTES = 65536


class LogPipe:
    """Moves bytes from the pipe to the file; on a write error it reads on and counts.

    ``trouble`` says why bytes are being lost, None as long as none are.
    """

    def __init__(self, fifo: str, file: LogFile) -> None:
        self.fifo = fifo
        self.file = file
        self.fd = -1
        self.lost_bytes = 0
        self.trouble: str | None = None
        self.retry_at = 0.0
        self.moved_at = 0.0
        self.capacity = 0
        self._look_at = 0.0

    def open(self, mono: float) -> None:
        """Make the pipe if need be and open both ends and the file. OSError when there can be
        no pipe; a file that cannot be opened is a `trouble`, not an error."""
        if not _is_fifo(self.fifo):
            with suppress(FileNotFoundError):
                os.unlink(self.fifo)
            os.mkfifo(self.fifo, 0o600)
        # both ends: so that neither a worker without us nor we without a worker get an end
        self.fd = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):  # a user's share of pipe memory may be used up
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.capacity = fcntl.fcntl(self.fd, fcntl.F_GETPIPE_SZ)
        try:
            self.file.open()
        except OSError as error:
            self._despair(error, mono)

    def is_in_place(self) -> bool:
        """Tell whether the path still names the pipe that is open here."""
        try:
            there, ours = os.stat(self.fifo), os.fstat(self.fd)
        except OSError:
            return False
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def close(self) -> None:
        """Let go of pipe and file."""
        self.file.close()
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def pump(self, mono: float, wall_ns: int) -> int:
        """Move at most `ROUND_BYTES`, so that no stream starves another; give how many bytes
        left the pipe, 0 when it was empty."""
        self.moved_at = mono
        if self.trouble is not None and mono < self.retry_at:
            return self._discard()
        try:
            self.file.heal()
            if mono >= self._look_at:
                self._look_at = mono + _LOOK_S
                if self.file.is_elsewhere():
                    self.file.make_anew()
            moved = self.file.take(self.fd, ROUND_BYTES, wall_ns)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._despair(error, mono)
            return self._discard()
        self.trouble = None
        return moved

    def drain(self, mono: float, wall_ns: int) -> int:
        """Move what is left, as far as a pipe can hold and a little more; give how much."""
        total = 0
        for _ in range(_DRAIN_ROUNDS):
            moved = self.pump(mono, wall_ns)
            if not moved:
                break
            total += moved
        return total

    def flush(self, mono: float) -> None:
        """Empty the file; offsets go on. A failure is the stream's `trouble`."""
        try:
            self.file.heal()
            self.file.flush()
        except OSError as error:
            self._despair(error, mono)

    def _despair(self, error: OSError, mono: float) -> None:
        self.trouble = error.strerror or errno.errorcode.get(error.errno or 0, "unknown error")
        self.retry_at = mono + RETRY_S

    def _discard(self) -> int:
        lost = 0
        while lost < ROUND_BYTES:
            try:
                lost += len(os.read(self.fd, _SCRAP_BYTES))
            except BlockingIOError:
                break
        self.lost_bytes += lost
        return lost


def _is_fifo(path: str) -> bool:
    try:
        return modes.S_ISFIFO(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
