"""Keeps some of the disk of a home free: the oldest rotated files of all its apps go first."""

import os
import time
from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.keeper.logs.other_apps import app_of, files_of_others
from monit_agent.keeper.logs.rotated_files import Key, OldFile, remove_old_file
from monit_agent.wire.paths import AppPaths

FLOOR_PERCENT = 5
FLOOR_MOST_BYTES = 4 * 1024**3
"""Of a large disk less is kept free, as journald does it: 5 % of ten terabytes are no shortage."""

FLOOR_PAUSE_S = 5.0
"""Until what was removed is free: a file that somebody has open takes its room until then."""


class DiskFloor:
    """The disk of one home, seen from one app. ``own`` returns the app's files, oldest first, and
    ``drop`` removes one of them before its time and returns whether it is gone."""

    def __init__(
        self,
        paths: AppPaths,
        own: Callable[[], list[OldFile]],
        drop: Callable[[OldFile], bool],
        record_event: Callable[[str, int | None, str], None],
    ) -> None:
        self._paths = paths
        self._own = own
        self._drop = drop
        self._record_event = record_event
        self._next_at = 0.0
        self.problem: str | None = None
        """That the disk is nearly full; None when it is not."""

    def keep(self) -> bool:
        """Remove the oldest files while the disk is nearly full; return whether any were."""
        missing = missing_bytes(self._paths.logs)
        if missing <= 0:
            self.problem = None
            return False
        now = time.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + FLOOR_PAUSE_S
        removed = self._remove_oldest(missing)
        self._set_problem(removed)
        return removed > 0

    def _remove_oldest(self, missing: int) -> int:
        own = [file for file in self._own() if not file.names.is_elsewhere]
        files = sorted([*own, *files_of_others(self._paths)], key=lambda file: file.at)
        removed: dict[Key | str, int] = {}
        for file in files:
            if sum(removed.values()) >= missing:
                break
            ours = file in own
            if self._drop(file) if ours else remove_old_file(file):
                whose = file.key if ours else app_of(file)
                removed[whose] = removed.get(whose, 0) + file.size
        for whose, size in removed.items():
            self._record_removed(whose, size)
        return sum(removed.values())

    def _record_removed(self, whose: Key | str, size: int) -> None:
        why = "because the disk is nearly full"
        if isinstance(whose, str):
            text = f"{size} bytes of the oldest logs of {whose} were removed {why}"
            self._record_event("log_dropped", None, text)
            return
        text = f"{whose[1]}: the oldest {size} bytes of its log files were removed {why}"
        self._record_event("log_dropped", whose[0], text)

    def _set_problem(self, removed: int) -> None:
        if removed:
            what = "the oldest logs are removed"
        else:
            what = "and there are no rotated logs to remove"
        text = f"the disk of {self._paths.logs} is nearly full: {what}"
        if self.problem is None:
            note(text)
        self.problem = text


def missing_bytes(folder: str) -> int:
    """Return how many bytes must become free on the disk of ``folder``; 0 or less when enough are,
    or when that cannot be known."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return 0
    floor = min(disk.f_blocks * disk.f_frsize * FLOOR_PERCENT // 100, FLOOR_MOST_BYTES)
    return floor - disk.f_bavail * disk.f_frsize
