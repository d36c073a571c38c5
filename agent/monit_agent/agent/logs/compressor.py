"""Has the rotated files of an app compressed, one after the other, away from everything that
waits.

The newest rotated file of a stream stays as it is, for those who are still reading it.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable

from monit_agent.agent.agent_loop import AgentLoop, reap_later
from monit_agent.agent.journal import log, log_descriptor
from monit_agent.wire.logfiles import COMPRESSED, StreamNames
from monit_agent.wire.messages import LogEnd, Stream

BEGIN_S = 2.0
"""After a rotation: what is rotated again at once needs only one process."""

RETRY_S = 60.0

FILES = 20
"""For one process; then the folder is looked at again."""

Key = tuple[int, Stream]


class Compressor:
    """Follows the rotations of one app. ``enabled`` says whether it wants its logs compressed."""

    def __init__(
        self,
        loop: AgentLoop,
        names_of: Callable[[int, Stream], StreamNames],
        enabled: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._names_of = names_of
        self._enabled = enabled
        self._begins: dict[Key, int] = {}
        self._rotated: set[Key] = set()
        """Streams that may have something to compress."""
        self._timer: asyncio.TimerHandle | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def stream_changed(self, end: LogEnd) -> None:
        """Note how far the file of a stream that grows reaches back."""
        key = (end.instance, end.stream)
        if self._begins.get(key) != end.file_begin:
            self._begins[key] = end.file_begin
            self._rotated.add(key)
            self._begin_after(BEGIN_S)

    def settings_changed(self) -> None:
        """Begin what waited until the app wants it."""
        if self._rotated and self._enabled():
            self._begin_after(BEGIN_S)

    def remove_instance(self, instance: int) -> None:
        """Forget a slot that is gone; its files stay as they are."""
        for key in [key for key in self._begins if key[0] == instance]:
            del self._begins[key]
            self._rotated.discard(key)

    def close(self) -> None:
        """Follow nothing any more; what is being compressed is completed."""
        if self._process is not None:
            reap_later(self._loop.shared, self._process.pid)

    def _begin_after(self, delay_s: float) -> None:
        if self._timer is None and self._process is None:
            self._timer = self._loop.call_later(delay_s, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if not self._enabled():
            return
        words: list[str] = []
        folders: dict[str, list[str]] = {}
        for key in sorted(self._rotated):
            if len(words) >= 3 * FILES:
                break
            names = self._names_of(*key)
            if names.folder not in folders:
                folders[names.folder] = _listed(names.folder)
            waiting = compressible(names, folders[names.folder])
            for base in waiting[: FILES - len(words) // 3]:
                words += [names.log, names.index, str(base)]
            if not waiting:
                self._rotated.discard(key)
        if words:
            self._start(words)

    def _start(self, words: list[str]) -> None:
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compress.py")
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log_descriptor() or subprocess.DEVNULL,
                env={},
            )
        except OSError as error:
            self._not_started(error)
            return
        try:
            pidfd = os.pidfd_open(process.pid)
        except OSError as error:
            process.kill()
            process.wait()
            self._not_started(error)
            return
        self._process = process
        self._loop.add_reader(pidfd, self._reap, pidfd)

    def _not_started(self, error: OSError) -> None:
        log(f"cannot compress rotated logs: {error.strerror}; trying again")
        self._exited(failed=True)

    def _reap(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        os.close(pidfd)
        code = self._process.wait() if self._process is not None else 0
        self._exited(failed=code > 0)  # below 0 somebody killed it

    def _exited(self, *, failed: bool) -> None:
        self._process = None
        if self._rotated:
            self._begin_after(RETRY_S if failed else BEGIN_S)


def compressible(names: StreamNames, listed: list[str]) -> list[int]:
    """Return where those rotated files begin that are to be compressed, oldest first; ``listed``
    are the names in their folder."""
    plain = names.bases([name for name in listed if not name.endswith(COMPRESSED)])
    newest = max(names.bases(listed), default=0)
    return [base for base in plain if base != newest]


def _listed(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []
