"""One stream of one instance: the named pipe that its workers print into, and its file."""

import errno
import fcntl
import os
import stat as modes
import sys
import termios
from collections.abc import Callable

from monit_agent.keeper.logs.dropped import DroppedBytes
from monit_agent.keeper.logs.file import LogFile
from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.system.files.ownership import require_own_folder
from monit_agent.system.suppress import suppress

PIPE_BYTES = 1 << 20
"""How much a worker may print while no keeper reads before it has to wait."""
ROUND_BYTES = 1 << 20
RETRY_S = 0.5
_LOOK_S = 1.0
_SCRAP_BYTES = 65536


class LogPipe:
    """Moves bytes from the pipe to the file. While that cannot be written, they wait in the pipe;
    when it is half full, the oldest lines are dropped and counted, so that no worker has to wait.

    ``problem`` says why nothing is written; None when that is possible.
    """

    def __init__(self, fifo: str, file: LogFile, dropped: DroppedBytes) -> None:
        self.fifo = fifo
        self.file = file
        self.dropped = dropped
        self.fd = -1
        self.problem: str | None = None
        self.drops = False
        """Lines were dropped since the problem began."""
        self.retry_at = 0.0
        self.moved_at = 0.0
        self.capacity = 0
        self.make_room: Callable[[], bool] = _no_room
        """Called when the disk is full; returns whether bytes were freed."""
        self._look_at = 0.0

    def open(self, mono: float, worker: str | None = None) -> None:
        """Create the pipe if needed and open both ends and the file. Raise OSError when there
        can be no pipe; a file that cannot be opened is a `problem`, not an error.

        ``worker`` is the descriptor of a running worker, in ``/proc``: if that is a pipe of this
        name which somebody removed, it is read until the next worker starts.
        """
        require_own_folder(os.path.dirname(os.path.dirname(self.fifo)))
        path = self.fifo
        if worker is not None and self._is_removed_pipe(worker):
            path = worker
        elif not _is_fifo(self.fifo):
            with suppress(FileNotFoundError):
                os.unlink(self.fifo)
            os.mkfifo(self.fifo, 0o600)
        # both ends: so that neither side gets an end of file when the other is gone
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):  # a user's share of pipe memory may be used up
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.capacity = fcntl.fcntl(self.fd, fcntl.F_GETPIPE_SZ)
        self.file.unwritten = self.dropped.load()
        self._open_file(mono)

    def _open_file(self, mono: float) -> None:
        try:
            self.file.open()
        except OSError as error:
            self._note_problem(error, mono)

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs: the pipe holds bytes that are not moved yet."""
        return {
            "fd": keep(self.fd),
            "problem": self.problem,
            "drops": self.drops,
            "dropped": self.dropped.hand_on(),
            "file": self.file.hand_on(keep),
        }

    def resume(self, inherited: Inherited, given: Values, mono: float) -> None:
        """Move on where the program before this one stopped."""
        self.fd = inherited.take(given["fd"])
        self.capacity = fcntl.fcntl(self.fd, fcntl.F_GETPIPE_SZ)
        self.problem, self.drops = given["problem"], given["drops"]
        self.file.unwritten = self.dropped.resume(given["dropped"])
        if given["file"]:
            self.file.resume(inherited, given["file"])
        else:
            self._open_file(mono)

    def _is_removed_pipe(self, worker: str) -> bool:
        """Return whether a worker's descriptor is a pipe of our name that is not at our path. One
        that the program made itself has no name, or another."""
        try:
            found, name = os.stat(worker), os.readlink(worker)
        except OSError:
            return False
        same_name = name.removesuffix(" (deleted)").split("/")[-2:] == self.fifo.split("/")[-2:]
        if not modes.S_ISFIFO(found.st_mode) or not same_name:
            return False
        try:
            there = os.stat(self.fifo)
        except FileNotFoundError:
            return True
        return (there.st_ino, there.st_dev) != (found.st_ino, found.st_dev)

    def is_in_place(self) -> bool:
        """Return whether the path still names the pipe that is open here."""
        try:
            there, ours = os.stat(self.fifo), os.fstat(self.fd)
        except OSError:
            return False
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def worker_path(self) -> str:
        """Return what a worker opens to print into this pipe: its path, or the open descriptor
        here where the path does not name it any more."""
        return self.fifo if self.is_in_place() else f"/proc/{os.getpid()}/fd/{self.fd}"

    def exchange_file(self, file: LogFile, mono: float) -> None:
        """Continue in another file. A failure is the stream's `problem`."""
        self.file.close()
        file.unwritten, file.must_finish_line = self.file.unwritten, self.file.must_finish_line
        self.file, self.problem = file, None
        try:
            file.open()
        except OSError as error:
            self._note_problem(error, mono)

    def close(self) -> None:
        """Close pipe and file; what is still in the pipe cannot be written, and is counted."""
        if self.fd >= 0 and (self.problem is not None or self.file.unwritten):
            self._drop(self._waiting())
        self.file.close()
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def move_some(self, mono: float, wall_ns: int) -> int:
        """Move at most `ROUND_BYTES`, so that no stream starves another; return how many bytes left
        the pipe, 0 when it was empty."""
        self.moved_at = mono
        if self.problem is not None and mono < self.retry_at:
            return self._drop_surplus()
        try:
            moved = self._move(mono, wall_ns)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._note_problem(error, mono)
            return self._drop_surplus()
        self.problem = None
        return moved

    def _move(self, mono: float, wall_ns: int) -> int:
        try:
            self.file.repair()
            if mono >= self._look_at:
                self._look_at = mono + _LOOK_S
                self.reopen()
            self._skip_dropped_line()
            moved = self.file.move_from(self.fd, ROUND_BYTES, wall_ns)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self.make_room():
                raise
            moved = self.file.move_from(self.fd, ROUND_BYTES, wall_ns)
        self.dropped.note_unwritten(self.file.unwritten)
        return moved

    def reopen(self) -> bool:
        """Begin a new file if the present one was moved away, and return whether it was; raise
        OSError."""
        moved = self.file.was_moved()
        if moved:
            self.file.start_new_file()
        return moved

    def finish_line(self, mono: float) -> bool:
        """Separate what the last worker printed from what the next one will print; return whether
        that took a newline. A failure is the stream's `problem`."""
        if self._waiting():
            return False  # the file cannot be written, and the rest of its last line is in the pipe
        before = self.file.end
        try:
            self.file.repair()
            self.file.finish_line()
        except OSError as error:
            self._note_problem(error, mono)
        return self.file.end > before

    def flush(self, mono: float) -> None:
        """Empty the file; offsets continue. A failure is the stream's `problem`."""
        try:
            self.file.repair()
            self.file.flush()
        except OSError as error:
            self._note_problem(error, mono)

    def reopen_moved(self, mono: float) -> bool:
        """Begin a new file if the present one was moved away, now and not at the next look; return
        whether it was. A failure is the stream's `problem`."""
        try:
            return self.reopen()
        except OSError as error:
            self._note_problem(error, mono)
            return False

    def retry(self, mono: float) -> None:
        """Look whether the file can be written again, also when nothing is printed."""
        if self.problem is None or mono < self.retry_at:
            return
        try:
            self.file.repair()
            if self.file.has_room() or self.make_room():
                self.problem = None
        except OSError as error:
            self._note_problem(error, mono)

    def _note_problem(self, error: OSError, mono: float) -> None:
        if self.problem is None:
            self.drops = False
        self.problem = error.strerror or errno.errorcode.get(error.errno or 0, "unknown error")
        self.retry_at = mono + RETRY_S

    def _waiting(self) -> int:
        """Return how many bytes are in the pipe."""
        raw = fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4))
        return int.from_bytes(raw, sys.byteorder)

    def _drop_surplus(self) -> int:
        """Drop the oldest lines of a pipe that is half full; return how many bytes left it."""
        waiting = self._waiting()
        return self._drop(waiting - self.capacity // 4) if waiting >= self.capacity // 2 else 0

    def _drop(self, most: int) -> int:
        """Drop so many bytes, but for the rest of a line whose beginning is in the file."""
        taken = 0
        while taken < most:
            try:
                raw = os.read(self.fd, min(most - taken, _SCRAP_BYTES))
            except BlockingIOError:
                break
            taken += len(raw)
            if not self.dropped.inside_line and _ends_inside_line(self.file):
                end = raw.find(b"\n") + 1
                self.file.unwritten += raw[:end]
                raw = raw[end:]
                if not end:
                    self.file.must_finish_line = True
            if raw:
                inside = raw[-1:] != b"\n"
                self.dropped.add(len(raw), inside_line=inside, unwritten=self.file.unwritten)
                self.drops = True
        return taken

    def _skip_dropped_line(self) -> None:
        """Drop the rest of a line whose beginning was dropped. Raise BlockingIOError when it was
        not printed yet."""
        skipped = 0
        while self.dropped.inside_line and not self.file.unwritten:
            raw = os.read(self.fd, _SCRAP_BYTES)
            end = raw.find(b"\n") + 1
            dropped = raw[: end or len(raw)]
            skipped += len(dropped)
            self.file.unwritten += raw[len(dropped) :]
            inside = not end and skipped < _SCRAP_BYTES
            self.dropped.add(len(dropped), inside_line=inside, unwritten=self.file.unwritten)


def _no_room() -> bool:
    return False


def _is_fifo(path: str) -> bool:
    try:
        return modes.S_ISFIFO(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _ends_inside_line(file: LogFile) -> bool:
    """Return whether the last byte does not end a line; False when the file cannot be read."""
    last = file.unwritten[-1:] or file.read_last(file.base, 1)
    return last not in (b"", b"\n")
