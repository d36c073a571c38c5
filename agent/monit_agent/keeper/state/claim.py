"""The claim on an app: its lock file, and an abstract socket where no file is needed."""

import errno
import os
from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.system import procfs
from monit_agent.system.claim import claim_address
from monit_agent.system.files.file_lock import is_file_at, lock_file
from monit_agent.system.sockets import is_own_user, peer_pid, socket
from monit_agent.wire.paths import AppPaths

_BACKLOG = 16


class TakenError(Exception):
    """Another keeper has the app; ``pid`` is its own, None where nothing tells it."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(pid)
        self.pid = pid


class Claim:
    """What a keeper holds from its start to its exit. ``socket`` listens; it is None where another
    user has its name, so that only the lock file is left."""

    def __init__(self, paths: AppPaths, inherited: Inherited | None = None) -> None:
        """Raise `TakenError`, or OSError when nothing can be claimed: without a lock file, the
        abstract socket is enough, until `repair` can make one. ``inherited``: it is ours already.
        """
        self._path = paths.lock
        self._moved: list[int] = []
        self._lock = -1
        self.problem: OSError | None = None
        """Why there is no lock file."""
        self.socket: socket.socket | None = None
        if inherited is not None:
            self._take_over(inherited)
            return
        self.socket = _bind(claim_address(paths.folder))
        try:
            os.makedirs(paths.folder, mode=0o700, exist_ok=True)
            self._lock = self._lock_file()
        except OSError as error:
            if self.socket is None:
                raise
            self.problem = error

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to hold the claim without a gap."""
        return {
            "lock": keep(self._lock) if self._lock >= 0 else None,
            "moved": [keep(fd) for fd in self._moved],
            "socket": keep(self.socket.fileno()) if self.socket is not None else None,
        }

    def _take_over(self, inherited: Inherited) -> None:
        given = inherited.part("claim")
        self._moved = [inherited.take(fd) for fd in given.get("moved", ())]
        if given.get("lock") is not None:
            self._lock = inherited.take(given["lock"])
        if given.get("socket") is not None:
            self.socket = socket.socket(fileno=inherited.take(given["socket"]))
            self.socket.setblocking(False)

    def repair(self) -> bool:
        """Lock the file that is at the path now, if it is another one; return whether it was.

        Raise OSError when that cannot be done.
        """
        if is_file_at(self._lock, self._path):
            return False
        new, old = self._lock_file(), self._lock
        self._lock, self.problem = new, None
        if old < 0:
            return True
        if os.fstat(old).st_nlink:
            self._moved.append(old)  # the folder was renamed: no keeper may start there either
        else:
            os.close(old)
        return True

    def _lock_file(self) -> int:
        try:
            fd = lock_file(self._path)
        except BlockingIOError as error:
            pid = (procfs.read_file(self._path) or b"").strip()
            raise TakenError(int(pid) if pid.isdigit() else None) from error
        try:
            # always the same length, so that a reader always finds a whole pid
            os.pwrite(fd, b"%-10d\n" % os.getpid(), 0)
        except OSError as error:
            note(f"cannot write the pid into {self._path}: {error.strerror}")  # the lock holds
        return fd


def _bind(address: bytes) -> "socket.socket | None":
    """Return the listening socket; raise `TakenError` if another keeper has it."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(address)
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            note(f"no abstract socket: {error.strerror}; only the lock file protects the app")
            return None
        holder = _holder(address)
        if holder is not None:
            raise TakenError(holder) from error
        note("another user has the name of the app's abstract socket; only its lock protects it")
        return None
    made.listen(_BACKLOG)
    made.setblocking(False)
    return made


def _holder(address: bytes) -> int | None:
    """Return the pid of the keeper at this address, which looks after its folder now; None when it
    belongs to another user."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.setblocking(False)
    try:
        probe.connect(address)
    except BlockingIOError:
        return 0  # its backlog is full
    except OSError:
        return None
    else:
        return peer_pid(probe) if is_own_user(probe) else None
    finally:
        probe.close()
