"""Looks after the app's folder: what somebody removed under a running app is made again."""

import os
import time
from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.socket_file import SocketFile
from monit_agent.keeper.state.claim import Claim, TakenError
from monit_agent.system.files.ownership import require_own_folder
from monit_agent.typed import NamedTuple
from monit_agent.wire.paths import AppPaths

LOOK_S = 2.0
"""Without an agent."""

WATCHED_LOOK_S = 10.0
"""With an agent, which looks every second and knocks when something came or went
(``agent/keeper/folder_changes.py``). It is awake anyway; to wake up for a look takes a keeper
0.3 ms of CPU."""


class FolderParts(NamedTuple):
    """What has files in the folder."""

    claim: Claim
    sockets: tuple[SocketFile, ...]
    save: Callable[[], None]
    """Writes ``state.json``."""
    keep_environment: Callable[[], bool]
    """Writes what is missing of the environment; returns whether that was the file ``env``."""
    is_watched: Callable[[], bool]
    """Return whether an agent knocks when something in the folder changed."""


class FolderWatch:
    """Looks every few seconds, and at once when `look` is called."""

    def __init__(
        self,
        loop: Loop,
        paths: AppPaths,
        parts: FolderParts,
        record_event: Callable[[str, str], None],
    ) -> None:
        self.problem: str | None = None
        """Why the folder cannot be used as it should be; None when all is well."""
        self._loop = loop
        self._paths = paths
        self._parts = parts
        self._record_event = record_event
        self._stopped = False

    def start(self) -> None:
        """Look, and go on looking."""
        self.look()

    def stop(self) -> None:
        """Make nothing again any more: the app is being deleted, or its keeper exits."""
        self._stopped = True
        self._loop.set_alarm("folder", None, self.look)

    def look(self) -> None:
        """Make again what is missing."""
        if self._stopped:
            return
        made: list[str] = []
        problem = None
        try:
            self.repair(made)
        except OSError as error:
            problem = f"cannot write in {self._paths.folder}: {error.strerror}"
        except TakenError as error:
            problem = f"pid {error.pid} has locked {self._paths.lock}, which is ours"
        if problem is not None and problem != self.problem:
            note(problem)
        self.problem = problem
        if made:
            text = f"{', '.join(made)} had been removed from {self._paths.folder}; made again"
            note(text)
            self._record_event("folder_rebuilt", text)
        is_well = problem is None and self._parts.is_watched()
        pause_s = WATCHED_LOOK_S if is_well else LOOK_S
        self._loop.set_alarm("folder", time.monotonic() + pause_s, self.look)

    def repair(self, made: list[str] | None = None) -> None:
        """Make what is missing and add its name to ``made``; raise OSError or `TakenError` for the
        first that cannot be made, after the others were."""
        made = [] if made is None else made
        paths, problem = self._paths, None
        require_own_folder(paths.folder)  # somebody may have made it while it was gone
        if not os.path.isdir(paths.folder):
            made.append("the folder itself")
        for folder in (paths.folder, paths.logs, paths.fifos):
            _make_folder(folder)
        if self._parts.claim.repair():
            made.append("lock")
        for file in self._parts.sockets:
            if file.repair():
                made.append(os.path.basename(file.path))
            problem = problem or file.problem
        if not os.path.lexists(paths.state):
            self._parts.save()
            if os.path.lexists(paths.state):
                made.append("state.json")
        if self._parts.keep_environment():
            made.append("env")
        if problem is not None:
            raise problem


def _make_folder(path: str) -> None:
    if not os.path.isdir(path):  # which takes a third of the time of `makedirs`
        os.makedirs(path, mode=0o700, exist_ok=True)
